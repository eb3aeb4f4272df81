"""What is deployed on the device: made, measured there, and put into its folder."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeprune.artifacts.measurement import RunResult, Variant
from edgeprune.console.interrupts import uninterrupted
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ConfigError, DeviceError, EdgepruneError
from edgeprune.pipeline.compressed import Compressed
from edgeprune.pipeline.device_half import DeviceContext, Work
from edgeprune.pipeline.jobs import compress_in_child
from edgeprune.pipeline.outcome import Outcome, outcome_of
from edgeprune.pipeline.request import Instead, Request
from edgeprune.pipeline.variants import write_variants

if TYPE_CHECKING:
    from edgeprune.pipeline.device_half import CommandHalf
    from edgeprune.pipeline.firmware_half import FirmwareHalf
    from edgeprune.report.folder import OutputFolder

KEPT_EVERY_S = 10.0
"""How much measuring a run that is killed at once may lose. Source: ours; writing takes 0.1 s."""

_REST = 20
"""Times as long as a writing took none follows, where it took long: a twentieth at most. Ours."""

WORTH_KEEPING_S = 60.0
"""Work on a model that is not thrown away where its device fails afterwards. Source: ours."""


@dataclass(frozen=True)
class OnDevice:
    """A network and what a device made of it.

    Attributes:
        compressed: The network.
        variants: Its files; none where they are not in the output folder.
        run: What was measured.
        wrong: What is wrong with a variant's outputs; empty if nothing.
    """

    compressed: Compressed
    variants: list[Variant]
    run: RunResult
    wrong: str

    def outcome(self, request: Request, folder: OutputFolder) -> Outcome:
        """The result with its notes, not yet written."""
        return outcome_of(request, self.compressed, self.variants, self.run, folder.path)


@dataclass(frozen=True)
class Deployment:
    """Makes networks for one request, and measures them on one device.

    Attributes:
        request: What the user asked for.
        cpu: The board's cores.
        half: Of the device.
        folder: Holds one network with what was measured of it, and never parts of two.
        context: What the stages on the device are given; ``keep`` is set here.
    """

    request: Request
    cpu: Cpu
    half: CommandHalf | FirmwareHalf
    folder: OutputFolder
    context: DeviceContext

    def first(self) -> OnDevice:
        """Makes what is to be deployed, and measures it.

        Raises:
            EdgepruneError: See :mod:`edgeprune.errors`.
        """
        begun_s = time.monotonic()
        made = compress_in_child(self.request, self.cpu, self.context.progress)
        took_s = time.monotonic() - begun_s
        variants = write_variants(made, self.folder.write)
        meanwhile = _Meanwhile(lambda run: self.keep(OnDevice(made, variants, run, "")))
        with _work_kept(made, took_s):
            run, wrong = self._measured(made, variants, meanwhile)
        return OnDevice(made, variants, run, wrong)

    def instead(self, instead: Instead) -> OnDevice:
        """Makes another network and measures it, with its files outside the folder.

        Raises:
            EdgepruneError: See :mod:`edgeprune.errors`.
        """
        request = dataclasses.replace(self.request, instead=instead)
        made = compress_in_child(request, self.cpu, self.context.progress)
        with self.folder.aside() as write:
            run, wrong = self._measured(made, write_variants(made, write), None)
        return OnDevice(made, [], run, wrong)

    def keep(self, found: OnDevice) -> None:
        """Writes a result that a kill leaves; what fails here costs no measurement."""
        from edgeprune.history.result_file import FILE_NAME, json_text

        if self.request.epoch is not None:  # half a run of the farm is none: its job is run again
            return
        with contextlib.suppress(EdgepruneError):  # the result at the end says what is wrong
            content = json_text(found.outcome(self.request, self.folder).result)
            self.folder.write(FILE_NAME, content)

    def placed(self, found: OnDevice) -> OnDevice:
        """Puts a network into the folder, in place of the one that was there.

        Raises:
            ConfigError: The folder cannot be written.
        """
        self.folder.clear()
        variants = write_variants(found.compressed, self.folder.write)
        placed = dataclasses.replace(found, variants=variants)
        self.keep(placed)
        return placed

    def _measured(
        self, made: Compressed, variants: list[Variant], keep: Callable[[RunResult], None] | None
    ) -> tuple[RunResult, str]:
        context = dataclasses.replace(self.context, keep=keep)
        return self.half.measure([Work(made, variants)], context)


class _Meanwhile:
    """Keeps what is measured so far now and then, for a run that is killed."""

    def __init__(self, keep: Callable[[RunResult], None]) -> None:
        """``keep``: writes it."""
        self._keep = keep
        self._next_s = time.monotonic() + KEPT_EVERY_S

    def __call__(self, run: RunResult) -> None:
        """Writes it, unless that was done a moment ago."""
        begun_s = time.monotonic()
        if begun_s < self._next_s:
            return
        self._keep(run)
        now_s = time.monotonic()
        self._next_s = now_s + max(KEPT_EVERY_S, _REST * (now_s - begun_s))


@contextlib.contextmanager
def _work_kept(compressed: Compressed, took_s: float) -> Iterator[None]:
    """Keeps the deployed file outside its folder where the device fails after long work on it."""
    from edgeprune.report.save import rescue

    try:
        yield
    except (DeviceError, KeyboardInterrupt) as error:
        if took_s >= WORTH_KEEPING_S:
            with uninterrupted(), contextlib.suppress(ConfigError):
                file = rescue("deployed.tflite", compressed.sparsified.deployed)
                said = f"{error}; " if str(error) else ""
                kept = f"{said}the compressed model is kept in {file}, not measured"
                error.args = (kept, *error.args[1:])
        raise
