"""What a search chose and the device then ran slower than the dense network: another is taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.artifacts.measurement import RunResult, Variant
from edgeprune.errors import ModelError, VerifyError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.decision import STAYS, kind_of
from edgeprune.pipeline.request import Instead
from edgeprune.progress import Progress


@dataclass(frozen=True)
class OnDevice:
    """A network and what a device made of it.

    Attributes:
        compressed: The network.
        variants: Its files.
        run: What was measured.
        wrong: What is wrong with a variant's outputs; empty if nothing.
    """

    compressed: Compressed
    variants: list[Variant]
    run: RunResult
    wrong: str


def not_slower(
    found: OnDevice,
    made: Callable[[Instead], Compressed],
    measured: Callable[[Compressed], OnDevice],
    progress: Progress,
) -> OnDevice:
    """Takes back what a search chose where the device runs it slower than the dense network.

    Args:
        found: What was chosen, measured.
        made: Makes the first of other networks that keeps the limit.
        measured: Measures it beside the dense one.
        progress: Is told what is taken back.

    Returns:
        The first that is not shown to be slower: at last the dense network itself. What was
        measured before, where nothing else keeps the limit.

    Raises:
        DeviceError: The device or the way to it failed.
    """
    while (instead := instead_of(found)) is not None:
        progress.note(instead.lines[-1])
        try:
            other = made(instead)
        except (ModelError, VerifyError) as error:
            notes = (*found.compressed.notes, instead.lines[-1], f"it stays: {error}")
            return dataclasses.replace(
                found, compressed=dataclasses.replace(found.compressed, notes=notes)
            )
        found = measured(other)
    return found


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

    compressed, run = found.compressed, found.run
    if run.broken or found.wrong or not compressed.others:
        return None
    compared = compared_in(run)
    if compared.verdict != "slower" or not compared.speedup:
        return None
    own = kind_of(compressed.recipe)
    recipes = tuple(one for one in compressed.others if one.why == STAYS or kind_of(one) != own)
    if not recipes:
        return None
    line = (
        f"taken back: {compressed.recipe.why}; measured on {run.device.id} it is "
        f"{1 / compared.speedup:.2f}x slower than the dense network"
    )
    return Instead(recipes, (*compressed.told, line))
