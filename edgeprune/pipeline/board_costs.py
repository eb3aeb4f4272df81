"""What networks take on one board: of a file exactly as it is planned, of a shape by prediction."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Collection
from functools import lru_cache

import numpy as np

from edgeprune.auto.choice import ARM32_INT8_SHARE, DOT_PRODUCT
from edgeprune.auto.firmware_forecast import firmware_forecasts
from edgeprune.auto.forecast import forecast
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Shape
from edgeprune.devices.boards import MICROCONTROLLER, Board, Cpu
from edgeprune.errors import EdgepruneError, ModelError
from edgeprune.firmware.board import Room, excess
from edgeprune.firmware.planned import planned_on
from edgeprune.models.tflite.macs import size
from edgeprune.pipeline.file_size import file_excess
from edgeprune.pipeline.preflight import brings_kernels
from edgeprune.pipeline.timed_here import TimedHere
from edgeprune.prediction import explain, has_sparse_kernels
from edgeprune.prediction.cost import cost_table
from edgeprune.prediction.cost.integers import int8_cost, int8_instructions
from edgeprune.quantize import quantize
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.sparsify.kernel_choice import OWN_PATTERN, Saving, saving
from edgeprune.sparsify.own_kernels import layers_of

SKELETONS = (0.5, 0.25)
"""Shares of the multiply-accumulates at which networks are really made to see what they take.

Source: ours; in between, and beyond, costs follow a power of the share.
"""

LARGER_SKELETONS = (0.7, 0.85)
"""Shares, one of which is made where half of the network cannot be: small layers keep channels."""

FORECAST_AT = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Shares of zeros at which costs are predicted; in between on a straight line. Source: ours."""

MIN_GAIN = 0.9
"""Sparse kernels must bring a network below this share of its time at 90 % zeros. Source: ours."""

INT8_GAIN = 0.9
"""Where times are timed, full integers must take at most this share of float32's: they lose more.

Source: ours; less is within what timing on a busy machine can tell.
"""

Skeleton = Callable[[float], bytes]
"""Makes the network as float TFLite with this share of its multiply-accumulates, untrained."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How large a network may be.

    Attributes:
        room: What it may take of a microcontroller; None for other boards.
        max_file: Most bytes of a file on other boards, or None.
        smaller: How a float32 network is stored there at last, in fewer bytes; empty as it is.
    """

    room: Room | None = None
    max_file: int | None = None
    smaller: str = ""


class BoardCosts:
    """Costs on one board.

    Args:
        board: The board.
        cpu: Its cores, as they were found.
        skeleton: Makes smaller networks.
        table: How sparse networks are pruned.
        limits: How large a network may be.
        timed: Times files, where the board is this machine and nothing predicts what they take.
        kernels: What runs int8 layers with zeros, in the words of ``[sparsify]``.
    """

    def __init__(
        self,
        board: Board,
        cpu: Cpu,
        skeleton: Skeleton,
        table: PruneTable,
        limits: Limits,
        timed: TimedHere | None = None,
        kernels: str = "runtime",
    ) -> None:
        self._takes_own = kernels == "auto" and brings_kernels(board)
        self.board, self.cpu, self._skeleton, self._timed = board, cpu, skeleton, timed
        self._room, self._max_file = limits.room, limits.max_file
        self._smaller = limits.smaller
        self._table = dataclasses.replace(table, allocation="uniform", criterion="magnitude")
        self._whole = lru_cache(maxsize=None)(self._made)
        self._zeros = lru_cache(maxsize=None)(self._times_with_zeros)

    @property
    def is_firmware(self) -> bool:
        """Whether firmware runs networks there."""
        return self.board.kind == MICROCONTROLLER

    def of_file(self, tflite: bytes, mode: str, float32: bytes, kept: Collection[str] = ()) -> Cost:
        """What a file takes that is stored as the board is given it.

        Args:
            tflite: The file.
            mode: How it is stored, in the words of ``[quantize]``.
            float32: The same network as float TFLite, from which the cost of integers is predicted
                where it is not timed.
            kept: Layers that stay in floats.

        Raises:
            ModelError: The board cannot run it.
        """
        if self.is_firmware:
            planned = planned_on(tflite, self.board)
            wrong = (
                ""
                if self._room is None
                else excess(planned.flash_bytes, planned.ram_bytes, self._room)
            )
            return Cost(planned.instructions, planned.flash_bytes, planned.ram_bytes, wrong)
        if self._timed is not None:
            time: float | None = self._timed.share(tflite)
        else:
            time = self._time(float32 if mode == "int8" else tflite, mode, kept)
        cost = Cost(time, len(tflite))
        if mode == "int8" and self._takes_own:
            saved = saving(layers_of(tflite), self.cpu)
            cost = self._in_own_kernels(cost, saved, float32)
        return self._checked(cost, mode)

    def forecast(self, shape: Shape, mode: str) -> Cost | None:
        """What a network of a shape would take; None where nobody knows."""
        try:
            cost = self._with_channels(shape.macs, mode)
            zeros = self._zeros(shape.pattern, mode) if shape.sparsity else None
        except EdgepruneError:
            return None
        if cost is None or zeros is None:
            return cost if cost is None else self._checked(cost, mode)
        times, sizes = (np.interp(shape.sparsity, [0.0, *FORECAST_AT], rows) for rows in zeros)
        time = None if cost.time is None else cost.time * float(times)
        zeroed = dataclasses.replace(cost, time=time, bytes=int(cost.bytes * sizes))
        return self._checked(zeroed, mode)

    def _in_own_kernels(self, cost: Cost, saved: Saving | None, float32: bytes) -> Cost:
        """What an int8 file takes where edgeprune's own kernels run some of its layers.

        Args:
            cost: What it takes in the runtime's.
            saved: What these layers are predicted to take in both; None where nobody knows.
            float32: The same network as float TFLite.
        """
        if saved is None or cost.time is None or saved.own >= saved.dense:
            return cost
        less, by_share = saved.dense - saved.own, cost.time * saved.own / saved.dense
        if self._timed is None:  # whose times may be cycles, of which the same share is saved
            time = cost.time * saved.share_left(int8_instructions(float32, self.cpu))
        elif saved.unit == "nanoseconds":
            # On a machine that is faster than the one that was measured, no more than by share.
            time = max(cost.time - less / self._timed.dense_ns, by_share)
        else:
            time = by_share
        return dataclasses.replace(cost, time=time, bytes=cost.bytes - saved.bytes)

    def _with_channels(self, macs: float, mode: str) -> Cost | None:
        """What a network takes with so much of its multiply-accumulates."""
        made = self._skeletons
        if macs in made:
            return self._whole(macs, mode)
        if len(made) < 2:
            return None
        # The two next to it; beyond all, the last two.
        k = next((k for k, low in enumerate(made[1:], 1) if low <= macs), len(made) - 1)
        high, low = made[k - 1], made[k]
        share = math.log(macs / high) / math.log(low / high)
        return _between(self._whole(high, mode), self._whole(low, mode), share)

    def gains_by_zeros(self, pattern: str, mode: str) -> bool:
        """Whether the board is faster, or its file smaller, with many zeros."""
        is_own = mode == "int8" and pattern == OWN_PATTERN and self._takes_own
        has_kernels = has_sparse_kernels(self.cpu) if mode != "int8" else is_own
        if not self.is_firmware and not has_kernels:
            return False
        try:
            times, sizes = self._zeros(pattern, mode)
        except EdgepruneError:
            return False
        at = 1 + FORECAST_AT.index(0.9)
        return times[at] < MIN_GAIN or (self.is_firmware and sizes[at] < MIN_GAIN)

    def _checked(self, cost: Cost, mode: str) -> Cost:
        """A cost that says whether the board can take it."""
        if self._room is not None:
            wrong = excess(cost.bytes, cost.memory_bytes or 0, self._room)
        elif self._max_file is not None:
            share = self._stored_share if mode == "none" else 1.0
            wrong = file_excess(cost.bytes * share, self._max_file)
        else:
            return cost
        return dataclasses.replace(cost, excess=wrong)

    @functools.cached_property
    def _stored_share(self) -> float:
        """How much of a float32 file is left as it is stored at last, about."""
        if not self._smaller:
            return 1.0
        whole = self._skeleton(1.0)
        return len(quantize(whole, self._smaller, None).tflite) / len(whole)

    @functools.cached_property
    def _skeletons(self) -> tuple[float, ...]:
        """Shares at which the network can be made, the largest first: 1 and up to two others."""
        made = [share for share in SKELETONS if self._can_make(share)]
        if not made:
            made = list(itertools.islice(filter(self._can_make, LARGER_SKELETONS), 1))
        return (1.0, *made)

    def _can_make(self, share: float) -> bool:
        try:
            self._skeleton(share)
        except EdgepruneError:
            return False
        return True

    def _made(self, macs: float, mode: str) -> Cost | None:
        """What a network takes with so much of its multiply-accumulates; None if none can be made.

        That is asked often, and found out once.
        """
        try:
            return self._of_skeleton(self._skeleton(macs), mode)
        except EdgepruneError:
            return None

    def _of_skeleton(self, tflite: bytes, mode: str) -> Cost:
        if not self.is_firmware:
            stored = tflite if mode == "none" else quantize(tflite, mode, None).tflite
            return self.of_file(stored, mode, tflite)
        return self.of_file(quantize(tflite, "int8", None).tflite, mode, tflite)

    def _times_with_zeros(self, pattern: str, mode: str) -> tuple[list[float], list[float]]:
        """Shares of the whole network's time and size that are left with zeros, from none on."""
        tflite = self._skeleton(1.0)
        table = dataclasses.replace(self._table, pattern=pattern or self._table.pattern)
        if self.is_firmware:
            room = self._room
            if room is None:
                raise ModelError(f"{self.board.name}: nothing is known of its memory")
            rows = firmware_forecasts(tflite, table, (0.0, *FORECAST_AT), self.board, room)
            first = rows[0].planned
            return (
                [row.planned.instructions / max(first.instructions, 1) for row in rows],
                [row.planned.flash_bytes / max(first.flash_bytes, 1) for row in rows],
            )
        if mode == "int8":
            return self._times_in_own_kernels(tflite, pattern)
        dense = explain(tflite, self.cpu).cost
        if dense is None:
            raise ModelError(f"what networks take on {self.cpu.core} is not known")
        times = [1.0]
        for sparsity in FORECAST_AT:
            sparse = dataclasses.replace(table, sparsity=sparsity)
            after = forecast(tflite, sparse, self.cpu).plan.cost
            times.append(1.0 if after is None else after / dense)
        return times, [1.0, *(1 - 0.6 * sparsity for sparsity in FORECAST_AT)]

    def _times_in_own_kernels(self, tflite: bytes, pattern: str) -> tuple[list[float], list[float]]:
        """The same in full integers, where the runtime's kernels and files pass over no zeros."""
        same = [1.0] * (1 + len(FORECAST_AT))
        if not self._takes_own or pattern != OWN_PATTERN:
            return same, same
        stored = quantize(tflite, "int8", None).tflite
        layers, dense = layers_of(stored), self.of_file(stored, "int8", tflite)
        found = [
            self._in_own_kernels(dense, saving(layers, self.cpu, share), tflite)
            for share in FORECAST_AT
        ]
        times = [
            1.0 if one.time is None or not dense.time else one.time / dense.time for one in found
        ]
        return [1.0, *times], [1.0, *(one.bytes / dense.bytes for one in found)]

    def _time(self, tflite: bytes, mode: str, kept: Collection[str] = ()) -> float | None:
        """Predicted cycles or instructions; multiply-accumulates where the core has no table."""
        if mode == "int8" and not self.has_int8_cost:
            return None
        if cost_table(self.cpu) is None:
            macs = size(tflite).macs
            share = ARM32_INT8_SHARE if mode == "int8" else 1.0
            return None if macs is None else macs * share
        if mode == "int8":
            return int8_cost(tflite, self.cpu, kept)
        return explain(tflite, self.cpu).cost

    @property
    def has_int8_cost(self) -> bool:
        """Whether it is known what full integers take there."""
        is_arm32 = self.cpu.isa == "armv7l"
        return DOT_PRODUCT in self.cpu.features or is_arm32 or self._timed is not None

    @property
    def how(self) -> str:
        """How times are known."""
        return "predicted" if self._timed is None else "timed here"

    @functools.cached_property
    def tries_int8(self) -> bool:
        """Whether full integers may be worth their loss there."""
        if not self.has_int8_cost or self._timed is None:
            return self.has_int8_cost
        whole, float32 = self._whole(1.0, "int8"), self._whole(1.0, "none")
        if whole is not None and self.is_worth(whole, float32):
            return True
        if not self.gains_by_zeros(OWN_PATTERN, "int8"):
            return False
        sparse = self.forecast(Shape(1.0, FORECAST_AT[-1], self.cpu.core, OWN_PATTERN), "int8")
        return sparse is not None and self.is_worth(sparse, float32)

    def is_worth(self, int8: Cost, float32: Cost | None) -> bool:
        """Whether a network in full integers takes so much less that it may be worth their loss.

        Always where times are predicted: chance has no part in these.

        Args:
            int8: What it takes in full integers.
            float32: What it takes as float32; None where nobody knows.
        """
        if self._timed is None or float32 is None or int8.time is None or float32.time is None:
            return True
        return int8.time <= INT8_GAIN * float32.time

    def int8_text(self) -> str:
        """What decided whether full integers are tried, in one line; empty where they just are."""
        if not self.has_int8_cost:
            return (
                f"int8 is not tried: whether it is faster on {self.board.name} is not known ahead; "
                "--recipe int8 measures it"
            )
        if self._timed is None:
            return ""
        whole = self._whole(1.0, "int8")
        if whole is None or whole.time is None:
            return "int8 is not tried: the network could not be timed so"
        left = "" if self.tries_int8 else ": it is not tried"
        line = f"int8 takes {whole.time:.2f} of float32's time on this machine, timed"
        if self.gains_by_zeros(OWN_PATTERN, "int8"):
            share = self._zeros(OWN_PATTERN, "int8")[0][1 + FORECAST_AT.index(0.8)]
            line += (
                f", and with 80 % of its {OWN_PATTERN} blocks zero {whole.time * share:.2f} in "
                "edgeprune's own kernels, predicted"
            )
        return line + left


def _between(high: Cost | None, low: Cost | None, share: float) -> Cost | None:
    """The cost between two, on a straight line of logarithms."""
    if high is None or low is None:
        return None

    def mixed(a: float | None, b: float | None) -> float | None:
        if a is None or b is None or a <= 0 or b <= 0:
            return None
        return math.exp((1 - share) * math.log(a) + share * math.log(b))

    memory = mixed(high.memory_bytes, low.memory_bytes)
    return Cost(
        mixed(high.time, low.time),
        int(mixed(high.bytes, low.bytes) or high.bytes),
        None if memory is None else int(memory),
    )
