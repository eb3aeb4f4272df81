"""Which layers lose most on integers, and the fewest that have to stay in floats.

Layers are first ordered by what each loses by itself (:mod:`edgeprune.quantize.own_error`), which
costs two inferences a sample; only for the worst of them is the network scored. The caller scores:
nothing here knows of data or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph
from edgeprune.quantize import check_mode
from edgeprune.quantize.full_integer import Calibrated
from edgeprune.quantize.layer_modes import entries_of, layers_of, spoken
from edgeprune.quantize.mixed import mixed
from edgeprune.quantize.own_error import OwnError, own_errors
from edgeprune.recipe.quantize_table import LayerMode

Score: TypeAlias = Callable[[bytes], float]
"""A file's score; larger is better."""

PROBED_SAMPLES = 32
"""Inputs over which a layer's own error is measured. Source: ours."""

_FEWEST_SINGLES = 3
"""Layers that are tried alone before any are tried together, at least. Source: ours."""


@dataclass(frozen=True)
class Fragile:
    """A layer that loses much on integers.

    Attributes:
        layer: Its name, as ``[quantize] layers`` takes it.
        op: Its operator, as ``CONV_2D``.
        lost: Share of its own signal that is lost, in [0, 1].
        entries: What keeps that: entries of ``[quantize] layers``.
        score: The network's score with these; None where it was not scored.
    """

    layer: str
    op: str
    lost: float
    entries: tuple[LayerMode, ...]
    score: float | None = None


@dataclass(frozen=True)
class Kept:
    """What :func:`keep_fragile` found.

    Attributes:
        entries: Entries of ``[quantize] layers`` with which the limit is kept; empty where none are
            needed, or none help.
        is_kept: Whether the limit is kept.
        float_score: The float network's score.
        score: The score with these entries.
        plain_score: The score without any.
        fragile: The layers that lose most, the one first that brings most back.
        scorings: How often the network was scored.
        why: What was found, in one line.
    """

    entries: tuple[LayerMode, ...]
    is_kept: bool
    float_score: float
    score: float
    plain_score: float
    fragile: tuple[Fragile, ...]
    scorings: int
    why: str


def fragile_layers(
    tflite: bytes,
    samples: Sequence[Sequence[Array]],
    score: Score | None = None,
    *,
    mode: str = "int8",
    scorings: int = 4,
    most: int = 8,
) -> tuple[Fragile, ...]:
    """The layers that lose most on integers.

    Args:
        tflite: A float model.
        samples: To calibrate on, one array of shape ``(1, ...)`` per input in the file's order.
        score: Scores a file; None orders by the layers' own errors alone.
        mode: What the network is quantized to, ``int8`` or ``int16x8``.
        scorings: Calls of ``score`` at most, one for each layer that is left in float alone.
        most: Layers to name at most.

    Returns:
        Those that were scored first, the best score first; then by their own errors.

    Raises:
        ModelError: The model cannot be quantized or run.
        ConfigError: ``litert-quantizer`` is not installed.
    """
    search = _Search(tflite, samples, score, mode, scorings)
    return search.ranked(min(scorings, most) if score else 0)[:most]


def keep_fragile(
    tflite: bytes,
    samples: Sequence[Sequence[Array]],
    score: Score,
    limit: float,
    *,
    mode: str = "int8",
    narrower: Sequence[str] = ("int8-weights", "fp16"),
    scorings: int = 16,
) -> Kept:
    """The fewest layers to leave in float so that a network on integers keeps to a limit.

    The worst layers are left in float one by one; where none is enough, in growing numbers in the
    order of what each brought back, but never all that have weights; then those are taken back
    that are not needed. At last the
    layers are stored as narrow as the limit allows.

    Args:
        tflite: A float model.
        samples: To calibrate on, one array of shape ``(1, ...)`` per input in the file's order.
        score: Scores a file.
        limit: By how much the score may be lower than the float network's.
        mode: What the network is quantized to, ``int8`` or ``int16x8``.
        narrower: Modes to store the layers in, instead of ``none``, the first one that keeps to the
            limit; ``int16x8`` is one too, for runtimes that have its kernels.
        scorings: Calls of ``score`` at most, at least 3.

    Returns:
        The entries, or that none help; the same bytes as those that were scored come from
        :func:`~edgeprune.quantize.quantize` with them and the same samples.

    Raises:
        ModelError: The model cannot be quantized or run.
        ConfigError: ``litert-quantizer`` is not installed.
    """
    search = _Search(tflite, samples, score, mode, scorings)
    dense = search.scored(graph.opened(tflite))
    plain = search.scored(search.file({}))
    goal = dense - limit
    if plain >= goal:
        why = f"{mode} keeps to the limit without any layer in float"
        return Kept((), True, dense, plain, plain, (), search.used, why)
    fragile = search.ranked(max(_FEWEST_SINGLES, scorings // 3))
    found = search.fewest(goal)
    if found is None:
        best = max((one.score for one in fragile if one.score is not None), default=plain)
        why = (
            f"no choice of some layers in float keeps to the limit ({search.used} were scored): "
            f"{mode} loses {dense - plain:.4g}, with the best layer in float {dense - best:.4g}"
        )
        return Kept((), False, dense, plain, plain, fragile, search.used, why)
    modes, reached = search.narrowed(*found, goal, narrower)
    entries = search.entries(modes)
    which = "1 layer stays" if len(entries) == 1 else f"{len(entries)} layers stay"
    why = f"{which} on floats: {', '.join(one.layer for one in entries)}"
    return Kept(entries, True, dense, reached, plain, fragile, search.used, why)


class _Search:
    """One network, its own errors, and how often it was scored."""

    def __init__(
        self,
        tflite: bytes,
        samples: Sequence[Sequence[Array]],
        score: Score | None,
        mode: str,
        scorings: int,
    ) -> None:
        check_mode(tflite, mode)
        self.calibrated = Calibrated(graph.read(tflite), samples)
        self.layers = layers_of(self.calibrated.model)
        self.mode, self.most, self.used = mode, scorings, 0
        self._score = score
        probed = samples[:: max(1, len(samples) // PROBED_SAMPLES)]
        self.errors = own_errors(self.calibrated.model, self.file({}), probed)
        self.brought: dict[tuple[str, ...], float] = {}

    def file(self, modes: dict[str, str]) -> bytes:
        """The network with some layers in other modes, by their whole names."""
        if not modes:
            return self.calibrated.quantized(self.mode)
        every = dict.fromkeys(self.layers, self.mode) | modes
        return mixed(self.calibrated, self.mode, every)

    def may_score(self) -> bool:
        """Whether another scoring is allowed."""
        return self._score is not None and self.used < self.most

    def scored(self, tflite: bytes) -> float:
        """Scores a file, and counts."""
        if self._score is None:
            raise ValueError("there is nothing to score with")
        self.used += 1
        return self._score(tflite)

    def ranked(self, singles: int) -> tuple[Fragile, ...]:
        """The worst layers by their own error, the first of them scored alone."""
        for error in self.errors[:singles]:
            if self.may_score():
                self.brought[error.layers] = self.scored(self.file(_floats([error])))
        return tuple(self._fragile(error) for error in self._ordered())

    def _ordered(self) -> list[OwnError]:
        known = [error for error in self.errors if error.layers in self.brought]
        known.sort(key=lambda error: -self.brought[error.layers])
        return known + [error for error in self.errors if error.layers not in self.brought]

    def _fragile(self, error: OwnError) -> Fragile:
        entries = self.entries(_floats([error]))
        name = spoken(error.layer, self.layers)
        return Fragile(name, error.op, error.lost, entries, self.brought.get(error.layers))

    def fewest(self, goal: float) -> tuple[dict[str, str], float] | None:
        """The fewest layers found that reach a score, and the score that they reach."""
        ordered = self._ordered()
        alone = [one for one in ordered if self.brought.get(one.layers, float("-inf")) >= goal]
        if alone:
            best = min(alone, key=lambda one: (len(one.layers), -self.brought[one.layers]))
            return self._without([best], self.brought[best.layers], goal)
        ordered = self._partial(ordered)
        count, failed = min(2, len(ordered)), 1
        while count > failed and self.may_score():
            reached = self.scored(self.file(_floats(ordered[:count])))
            if reached >= goal:
                return self._between(ordered, failed, count, reached, goal)
            failed, count = count, min(2 * count, len(ordered))
        return None

    def _partial(self, ordered: list[OwnError]) -> list[OwnError]:
        """The first errors that leave a layer with weights on integers, if all were mended."""
        weighty = {name for name, kind in self.layers.items() if kind in graph.FILTER_OPERANDS}
        for count in range(len(ordered), 0, -1):
            if not weighty <= _floats(ordered[:count]).keys():
                return ordered[:count]
        return []

    def _between(
        self, ordered: list[OwnError], failed: int, count: int, reached: float, goal: float
    ) -> tuple[dict[str, str], float]:
        """Halves the step between too few layers and enough."""
        while count - failed > 1 and self.may_score():
            middle = (count + failed) // 2
            now = self.scored(self.file(_floats(ordered[:middle])))
            if now >= goal:
                count, reached = middle, now
            else:
                failed = middle
        return self._without(ordered[:count], reached, goal)

    def _without(
        self, chosen: list[OwnError], reached: float, goal: float
    ) -> tuple[dict[str, str], float]:
        """Takes layers back one by one, the least needed first, as far as the goal allows."""
        modes = _floats(chosen)
        for name in reversed(list(modes)):
            if len(modes) == 1 or not self.may_score():
                break
            fewer = {other: own for other, own in modes.items() if other != name}
            now = self.scored(self.file(fewer))
            if now >= goal:
                modes, reached = fewer, now
        return modes, reached

    def narrowed(
        self, modes: dict[str, str], reached: float, goal: float, narrower: Sequence[str]
    ) -> tuple[dict[str, str], float]:
        """The same layers in the first of some modes that reaches the goal too."""
        for own in narrower:
            if self.may_score():
                now = self.scored(self.file(dict.fromkeys(modes, own)))
                if now >= goal:
                    return dict.fromkeys(modes, own), now
        return modes, reached

    def entries(self, modes: dict[str, str]) -> tuple[LayerMode, ...]:
        """Modes by whole names as entries of a recipe, in the file's order."""
        return entries_of(modes, self.layers, self.mode)


def _floats(errors: Sequence[OwnError]) -> dict[str, str]:
    """The layers that these errors need on floats, those of the first first."""
    return dict.fromkeys((name for error in errors for name in error.layers), "none")
