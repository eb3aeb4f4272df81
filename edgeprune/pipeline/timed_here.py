"""What files take on this machine beside the user's network, timed in turns.

For a board that is this machine and has no table of costs: there full integers take anything from a
third of float32's time to more than twice of it, and what a layer takes beside its multiplications
counts too.
"""

from __future__ import annotations

import functools
import hashlib
import math
import statistics
import time

from edgeprune.devices.boards import Board, Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import cost_table
from edgeprune.verify import HostModel, sample_inputs

PAIRS, MIN_PAIRS = 15, 3
"""Pairs of stretches that are timed, and how many at least where they take long. Source: ours."""

STRETCH_S, TIMED_S = 0.02, 1.0
"""Seconds of a stretch, and of all pairs together, about.

Source: ours; with seven processes on two cores medians of 15 such pairs stayed within 10 %.
"""

_DENSE_NS = "nanoseconds"
"""The key of that figure among those that were timed, whose others are digests."""

STEP = 1.05
"""Shares are rounded to its powers, so that chance seldom makes the same search differ. Ours."""


def can_time(board: Board, cpu: Cpu) -> bool:
    """Whether networks are timed: the board is this machine, and no table says what they take."""
    is_here = board.transport.use == "local" and board.runtime.has_xnnpack
    return is_here and cost_table(cpu) is None


def time_ratio(tflite: bytes, beside: bytes) -> float:
    """How many times as long as a second file a first one takes here, in one thread of LiteRT.

    Args:
        tflite: The first file.
        beside: The second file.

    Returns:
        The median over pairs of stretches, one of each file, in turns. What counts is the
        processor's time: others who use this machine seldom change it.

    Raises:
        ModelError: LiteRT cannot run one of them.
    """
    second, first = _Repeated(beside), _Repeated(tflite)
    ratios: list[float] = []
    end_s = time.monotonic() + TIMED_S
    while len(ratios) < MIN_PAIRS or (len(ratios) < PAIRS and time.monotonic() < end_s):
        before_s = second.inference_s()
        ratios.append(first.inference_s() / before_s)
    return statistics.median(ratios)


class _Repeated:
    """A file that is run again and again."""

    def __init__(self, tflite: bytes) -> None:
        self._model = HostModel(tflite, reference=False, threads=1)
        self._model(sample_inputs(tflite, None, 1)[0])  # the first inference takes longer
        self._times = 1
        self._times = max(1, int(STRETCH_S / self.inference_s()))

    def inference_s(self) -> float:
        """Seconds of an inference, by one stretch of them; > 0."""
        begun_s = time.thread_time()
        self._model.again(self._times)
        return max(time.thread_time() - begun_s, 1e-9) / self._times


class TimedHere:
    """Shares of the time of the user's network.

    Args:
        dense: It, as float TFLite.
        known: What was timed before, by a network's structure; grows. None for nothing.
    """

    def __init__(self, dense: bytes, known: dict[str, float] | None = None) -> None:
        self._dense = dense
        self._known = {} if known is None else known
        self._known[_structure(dense)] = 1.0

    @functools.cached_property
    def dense_ns(self) -> float:
        """Nanoseconds of an inference of the user's network; > 0.

        Raises:
            ModelError: LiteRT cannot run it.
        """
        if _DENSE_NS not in self._known:
            repeated = _Repeated(self._dense)
            self._known[_DENSE_NS] = 1e9 * min(repeated.inference_s() for _ in range(MIN_PAIRS))
        return self._known[_DENSE_NS]

    def share(self, tflite: bytes) -> float:
        """A file's share, rounded; networks that differ in their weights alone are timed once.

        Raises:
            ModelError: LiteRT cannot run it.
        """
        structure = _structure(tflite)
        if structure not in self._known:
            ratio = time_ratio(tflite, self._dense)
            self._known[structure] = STEP ** round(math.log(ratio, STEP))
        return self._known[structure]


def _structure(tflite: bytes) -> str:
    """A digest of a file's operators and of its tensors' shapes and types."""
    model = graph.view(tflite)
    parts = [
        (
            [graph.op_name(model, op) for op in subgraph.operators],
            [(graph.shape_of(tensor), int(tensor.type)) for tensor in subgraph.tensors],
        )
        for subgraph in model.subgraphs
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
