"""What a search chose and the device then ran slower than the dense network: another is taken."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from edgeprune.console import interrupts
from edgeprune.errors import DeviceError, EdgepruneError
from edgeprune.pipeline.decision import STAYS, kind_of
from edgeprune.pipeline.on_device import OnDevice
from edgeprune.pipeline.request import Instead
from edgeprune.progress import Progress

_TAKEN_BACK = "taken back: "

_KILLED = "killed while another network was made and measured in its place"


class Others(Protocol):
    """What makes and measures networks: :class:`edgeprune.pipeline.on_device.Deployment`."""

    def instead(self, instead: Instead) -> OnDevice:
        """Makes the first of other networks that keeps the limit, and measures it."""

    def keep(self, found: OnDevice) -> None:
        """Writes a result that a kill leaves."""

    def placed(self, found: OnDevice) -> OnDevice:
        """Puts a network into the output folder, in place of the one that was there."""


def not_slower(found: OnDevice, others: Others, progress: Progress) -> OnDevice:
    """Takes back what a search chose where the device runs it slower than the dense network.

    Args:
        found: What was chosen, measured.
        others: Makes and measures others.
        progress: Is told what is taken back.

    Returns:
        The first that is not shown to be slower: at last the dense network itself. What was
        measured before, where nothing else keeps the limit; and where the device fails or the user
        interrupts before another is measured: then :attr:`RunResult.broken` says so.
    """
    while (instead := instead_of(found)) is not None:
        progress.note(instead.lines[-1])
        line = instead.lines[-1].removeprefix(_TAKEN_BACK)
        others.keep(_stays(found, line, _KILLED))
        try:
            with interrupts.interruptible():
                other = others.instead(instead)
        except DeviceError as error:
            return _broken_off(found, line, str(error))
        except KeyboardInterrupt as interrupt:
            return _broken_off(found, line, interrupts.line(interrupt), is_interrupted=True)
        except EdgepruneError as error:
            return _stays(found, line, str(error))
        if other.run.broken:
            return _broken_off(found, line, other.run.cause, other.run.is_interrupted)
        if other.wrong:
            wrong = other.wrong.removesuffix("; nothing was written")  # of that network
            return _stays(found, line, f"the next network is wrong there, {wrong}")
        found = others.placed(other)
    return found


def _stays(found: OnDevice, slower: str, why: str) -> OnDevice:
    """What was measured, which says that it is slower, and why nothing else was taken."""
    notes = (*found.compressed.notes, f"{slower}, and stays: {why}")
    return dataclasses.replace(found, compressed=dataclasses.replace(found.compressed, notes=notes))


def _broken_off(found: OnDevice, slower: str, cause: str, is_interrupted: bool = False) -> OnDevice:
    """The same where another network could not be measured: the next command may."""
    stays = _stays(found, slower, cause)
    left = f"what was chosen first stays: {slower}; run the command again to measure another"
    run = dataclasses.replace(found.run, cause=cause, left=left, is_interrupted=is_interrupted)
    return dataclasses.replace(stays, run=run)


def instead_of(found: OnDevice) -> Instead | None:
    """What to take in place of a network that a search chose, if that must not stay.

    Whether it is slower than the dense one is decided as for the report. Networks that run the same
    kernels and were predicted to save less are passed over: they would be slower still.

    Args:
        found: What was chosen, measured.

    Returns:
        None where it is not shown to be slower, or nothing else is known.

    Raises:
        DeviceError: A timing or a count is impossible, as a run that took no time.
    """
    from edgeprune.report.result import compared_in
    from edgeprune.report.save import raw_kept

    compressed, run = found.compressed, found.run
    if run.broken or found.wrong or not compressed.others:
        return None
    with raw_kept(run):
        compared = compared_in(run)
    if compared.verdict != "slower" or not compared.speedup:
        return None
    own = kind_of(compressed.recipe)
    recipes = tuple(one for one in compressed.others if one.why == STAYS or kind_of(one) != own)
    if not recipes:
        return None
    line = (
        f"{_TAKEN_BACK}{compressed.recipe.why}; measured on {run.device.id} it is "
        f"{1 / compared.speedup:.2f}x slower than the dense network"
    )
    return Instead(recipes, (*compressed.told, line))
