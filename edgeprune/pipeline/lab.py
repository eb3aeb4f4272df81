"""Trains and judges networks for a search: what :class:`edgeprune.auto.options.Lab` asks for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.model import Loaded
from edgeprune.auto.candidates import Candidate, SecondLook, margin
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Node, Shape
from edgeprune.pipeline import search_clock
from edgeprune.pipeline.board_costs import BoardCosts
from edgeprune.pipeline.chain import NOTHING_KEPT, Chain, at_once
from edgeprune.pipeline.choosing import Judge
from edgeprune.pipeline.steps import Stepped
from edgeprune.recipe import Recipe
from edgeprune.recipe.quantize_table import LayerMode

MODELS_KEPT = 3
"""Trained networks that are held in memory; others come from the store again. Source: ours."""

FIXED_SHARE = 0.35
"""Share of a training step's time that fewer multiply-accumulates do not save. Source: ours."""

SCORINGS = 8
"""Files that are scored to find the layers that stay more precise. Source: ours."""

KEPT_JUDGINGS = 2 * SCORINGS
"""Judgings that finding these layers takes as long as: all layers run alone as well. Ours."""

FIRST_JUDGE_S = 5.0
"""Time of judging before any was done. Source: ours."""

Kept = TypeVar("Kept")

_TRUSTED = 0.2
"""A training that took less than this share of what was expected came from the store. Ours."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What a search works on.

    Attributes:
        loaded: The user's model.
        dense: It, as float TFLite.
        judge: Says what networks lose.
        second: Says it by the samples that are reported; None where the same ones choose.
        boards: What networks take, by board.
        modes: How networks are stored that are judged for a board, by board.
        recipe: What the user asked for.
        calibration: Samples for integer ranges, one list of arrays ``(1, ...)`` each, or None.
    """

    loaded: Loaded
    dense: bytes
    judge: Judge
    boards: Mapping[str, BoardCosts]
    modes: Mapping[str, Sequence[str]]
    recipe: Recipe
    calibration: Sequence[Sequence[Array]] | None
    second: Judge | None = None


class KerasLab:
    """Trains networks by the pipeline's stages.

    Args:
        bench: What to work on.
        chain: Makes recipes' steps of moves.
        epoch_s: Seconds of an epoch of the whole network, about.
    """

    def __init__(self, bench: Bench, chain: Chain, epoch_s: float) -> None:
        self._bench, self._chain, self._epoch_s = bench, chain, epoch_s
        self._judge_s = FIRST_JUDGE_S
        self._models: OrderedDict[Node, Stepped] = OrderedDict()
        self._files: OrderedDict[Node, bytes] = OrderedDict()

    @property
    def epoch_s(self) -> float:
        """Seconds of an epoch of the whole network, as they turned out so far."""
        return self._epoch_s

    def forecast(self, shape: Shape, mode: str, board: str) -> Cost | None:
        """See :class:`edgeprune.auto.options.Lab`."""
        costs = self._bench.boards[board]
        cost = costs.forecast(shape, mode)
        if cost is None or not self._chooses(board, mode):
            return cost
        return cost if costs.is_worth(cost, costs.forecast(shape, "none")) else None

    def seconds(self, node: Node) -> float:
        """See :class:`edgeprune.auto.options.Lab`."""
        judging_s = 2 * self._judge_s
        return judging_s + (self._training_s(node) if node.moves else 4 * judging_s)

    def keeping_seconds(self, node: Node) -> float:
        """See :class:`edgeprune.auto.options.Lab`."""
        return KEPT_JUDGINGS * self._judge_s

    def _training_s(self, node: Node) -> float:
        share = FIXED_SHARE + (1 - FIXED_SHARE) * node.shape.macs
        return self._epoch_s * share * node.moves[-1].epochs

    def screened(self, shape: Shape) -> float | None:
        """See :class:`edgeprune.auto.options.Lab`."""
        return self._bench.judge.lost(at_once(self._chain, self._model(Node()), shape))[0]

    def train(self, node: Node) -> None:
        """See :class:`edgeprune.auto.options.Lab`."""
        self._model(node.parent)
        expected_s, begun_s = self._training_s(node), search_clock.now_s()
        self._model(node)
        took_s = search_clock.now_s() - begun_s
        if took_s > _TRUSTED * expected_s:
            share = took_s / max(expected_s, 1e-3)
            self._epoch_s *= np.sqrt(share) if share > 1 else share  # one late one is no law
            self._epoch_s = float(self._epoch_s)

    def judge(self, node: Node, mode: str) -> Candidate:
        """See :class:`edgeprune.auto.options.Lab`."""
        begun_s = search_clock.now_s()
        candidate = self._judged(node, mode)
        self._judge_s = 0.5 * (self._judge_s + search_clock.now_s() - begun_s)
        return candidate

    def look_again(self, candidate: Candidate) -> SecondLook | None:
        """See :class:`edgeprune.auto.options.Lab`."""
        first, second = self._bench.judge, self._bench.second
        if second is None:
            return None
        stored = self._stored(candidate.node, candidate.mode, candidate.kept_layers)
        return SecondLook(second.lost(stored)[0], second.samples / (first.samples + second.samples))

    def keep_layers(self, node: Node, mode: str, limit: float) -> Candidate | None:
        """See :class:`edgeprune.auto.options.Lab`."""
        from edgeprune.quantize.fragile import keep_fragile

        bench, tflite = self._bench, self._file(node)
        if bench.calibration is None:
            return None
        lost, error = bench.judge.lost(tflite)
        allowed = limit - margin(error, limit) - lost
        if allowed <= 0:
            return None
        kept = keep_fragile(
            tflite,
            bench.calibration,
            lambda file: -bench.judge.lost(file)[0],
            allowed,
            mode=mode,
            scorings=SCORINGS,
        )
        if not kept.is_kept or not kept.entries:
            return None
        layers = {one.layer: one.mode for one in kept.entries}
        stored = self._stored(node, mode, layers)
        lost, error = bench.judge.lost(stored)
        files = {name: stored for name in bench.boards if mode in bench.modes[name]}
        costs = self._costs(files, mode, tflite, layers)
        return Candidate(node, mode, lost, error, costs, layers)

    def _judged(self, node: Node, mode: str) -> Candidate:
        from edgeprune.quantize import INTEGER_MODES, quantize
        from edgeprune.rewrite import rewrite
        from edgeprune.sparsify import sparsify

        bench, tflite = self._bench, self._file(node)
        stored = self._stored(node, mode)
        lost, error = bench.judge.lost(stored)
        files: dict[str, bytes] = {}
        for name, board in bench.boards.items():
            if mode not in bench.modes[name]:
                continue
            files[name] = stored
            if mode not in INTEGER_MODES and not board.is_firmware:
                # What is stored is quantized after it is rewritten; the order hardly matters here.
                rewritten = rewrite(tflite, board.cpu).tflite
                smaller = quantize(rewritten, mode, None).tflite
                files[name] = sparsify(smaller, board.cpu).tflite
        return Candidate(node, mode, lost, error, self._costs(files, mode, tflite))

    def _stored(self, node: Node, mode: str, kept: Mapping[str, str] = NOTHING_KEPT) -> bytes:
        from edgeprune.quantize import quantize

        layers = tuple(LayerMode(layer, other) for layer, other in kept.items())
        seed = self._bench.recipe.prune.seed
        return quantize(self._file(node), mode, self._bench.calibration, seed, layers).tflite

    def _costs(
        self, files: Mapping[str, bytes], mode: str, float32: bytes, kept: Collection[str] = ()
    ) -> dict[str, Cost]:
        """What files take, by board, as far as it is worth it to store the network so."""
        costs = {}
        for name, file in files.items():
            board = self._bench.boards[name]
            cost = board.of_file(file, mode, float32, kept)
            plain = board.of_file(float32, "none", float32) if self._chooses(name, mode) else None
            if board.is_worth(cost, plain):
                costs[name] = cost
        return costs

    def _chooses(self, board: str, mode: str) -> bool:
        """Whether full integers are beside float32 a choice on a board."""
        return mode == "int8" and "none" in self._bench.modes[board]

    def _model(self, node: Node) -> Stepped:
        """A trained network, out of memory or as the store gives it."""
        if not node.moves:
            return Stepped(self._bench.loaded, self._bench.loaded)
        if node not in self._models:
            before = self._model(node.parent)
            self._models[node] = self._chain.after(before, node.moves[-1])
        return _used(self._models, node)

    def _file(self, node: Node) -> bytes:
        from edgeprune.convert import convert

        if not node.moves:
            return self._bench.dense
        if node not in self._files:
            self._files[node] = convert(self._model(node).model)
        return _used(self._files, node)


def _used(kept: OrderedDict[Node, Kept], node: Node) -> Kept:
    """What is kept of a node; what was used longest ago is dropped."""
    kept.move_to_end(node)
    while len(kept) > MODELS_KEPT:
        kept.popitem(last=False)
    return kept[node]
