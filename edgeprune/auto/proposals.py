"""What a search could do next, and how much each would be expected to bring for its time."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeprune.auto.candidates import Candidate, Judged, margin
from edgeprune.auto.expected import Expectation, Expected
from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Move, Node, Shape
from edgeprune.auto.options import Lab, Options

INT8_LOSS = 0.004
"""What int8 is expected to lose beside float32 before it was seen. Source: ours."""

QAT_LEAVES, KEPT_LEAVES = 0.3, 0.3
"""Share of the loss by rounding that training with it leaves, and that keeping layers leaves.

Source: ours.
"""

KEPT_COST = 1.15
"""What a network with more precise layers takes of the same without them. Source: ours."""

MAX_TUNINGS = 3
"""How often one shape is trained again. Source: ours; the gain falls by a third each time."""

WORTH_ROUNDING = 0.002
"""Loss by rounding from which something is done about it. Source: ours, below the scatter."""


@dataclass(frozen=True)
class Proposal:
    """Something to do next.

    Attributes:
        node: The network that will be judged.
        gain: Expected rise of the savings, each at its loss, over all boards.
        seconds: How long it takes, about.
        keeps_layers: Whether it is the same network with some layers more precise.
    """

    node: Node
    gain: float
    seconds: float
    keeps_layers: bool = False

    @property
    def rate(self) -> float:
        """What it brings a second."""
        return self.gain / max(self.seconds, 1e-3)


class Proposals:
    """Weighs what could be done.

    Args:
        judged: What was judged so far; grows.
        expected: What losses are to be expected; learns.
        options: What may be done.
        lab: Knows what networks take.
        spoilt: Networks that could not be made; grows.
    """

    def __init__(
        self, judged: Judged, expected: Expected, options: Options, lab: Lab, spoilt: set[Node]
    ) -> None:
        self._judged, self._expected, self._options = judged, expected, options
        self._lab, self._spoilt = lab, spoilt
        self._best: dict[tuple[str, float], float] = {}
        self._sampling = 0.0

    def all(self) -> list[Proposal]:
        """What could be done and would bring something; what brings most a second comes first."""
        judged = self._judged
        self._best = {
            (board, limit): judged.best_saving(board, limit)
            for board in judged.dense
            for limit in judged.goal.weights()
        }
        self._sampling = self._error()
        able = [one for one in self._found() if one.gain > 0]
        return sorted(able, key=lambda one: -one.rate)

    def that_fit(self, board: str) -> list[Node]:
        """Networks that a board could take; what is expected to lose least comes first."""
        parents = {one.node for one in self._judged.candidates if not one.node.is_rounded}
        found = {
            parent.after(move): parent for parent in parents for move in self._options.moves(parent)
        }
        able = [
            (self._expected.child(parent, node).mean, node)
            for node, parent in found.items()
            if node not in self._spoilt
            and any(
                (cost := self._lab.forecast(node.shape, mode, board)) is not None
                and not cost.excess
                for mode in self._options.modes[board]
            )
        ]
        return [node for _, node in sorted(able, key=lambda row: row[0])]

    def _found(self) -> Iterator[Proposal]:
        by_node: dict[Node, dict[str, Candidate]] = {}
        for one in self._judged.candidates:
            by_node.setdefault(one.node, {})[one.mode] = one
        done = set(by_node) | self._spoilt
        rounding = self._rounding_loss(by_node)
        for node, rows in self._parents(by_node).items():
            for move in self._options.moves(node):
                child = node.after(move)
                if child not in done:
                    yield self._training(node, child, rounding)
            longer = node.after(Move("tune", epochs=2 * self._options.epochs))
            if self._is_worth_longer(node) and longer not in done:
                yield self._training(node, longer, rounding)
            if "none" in rows and "int8" in rows:
                yield from self._against_rounding(node, rows, done)

    def _parents(
        self, by_node: dict[Node, dict[str, Candidate]]
    ) -> dict[Node, dict[str, Candidate]]:
        """What a further training may begin with: of each shape, what lost least of it."""
        best: dict[Shape, Node] = {}
        tuned = None if self._options.tuned is None else by_node.get(self._options.tuned)
        is_better = tuned is not None and _lost(tuned) <= self._judged.goal.limit
        for node, rows in by_node.items():
            # A tuned one is used to such training; one that was rounded is good for nothing more.
            if node.is_rounded or (node == Node() and is_better):
                continue
            other = best.get(node.shape)
            if other is None or _lost(rows) < _lost(by_node[other]):
                best[node.shape] = node
        return {node: by_node[node] for node in best.values()}

    def _is_worth_longer(self, node: Node) -> bool:
        return node.is_trained and not node.is_rounded and node.tunings < MAX_TUNINGS

    def _against_rounding(
        self, node: Node, rows: dict[str, Candidate], done: set[Node]
    ) -> Iterator[Proposal]:
        """What could be done about int8's loss."""
        float32, int8 = rows["none"], rows["int8"]
        lost = int8.lost - float32.lost
        if not lost > WORTH_ROUNDING or not math.isfinite(lost):
            return
        epochs = self._options.qat_epochs
        child = node.after(Move("qat", epochs=epochs))
        if epochs and child not in done and not node.is_rounded:
            left = Expectation(float32.lost + QAT_LEAVES * lost, 0.3 * lost)
            yield Proposal(child, self._gain(left, int8, 1.0), self._lab.seconds(child))
        is_kept = any(one.node == node and one.kept_layers for one in self._judged.candidates)
        if self._options.keeps_layers and not is_kept and node not in self._spoilt:
            left = Expectation(float32.lost + KEPT_LEAVES * lost, 0.5 * lost)
            gain = self._gain(left, int8, KEPT_COST)
            yield Proposal(node, gain, self._lab.keeping_seconds(node), keeps_layers=True)

    def _rounding_loss(self, by_node: dict[Node, dict[str, Candidate]]) -> float:
        """What int8 loses beside float32, by those that were judged both ways."""
        seen = [
            rows["int8"].lost - rows["none"].lost
            for rows in by_node.values()
            if "int8" in rows and "none" in rows and math.isfinite(rows["int8"].lost)
        ]
        lost = statistics.median([INT8_LOSS, *seen])
        # Where rounding costs much, training with it comes next.
        return QAT_LEAVES * lost if self._options.qat_epochs and lost > WORTH_ROUNDING else lost

    def _training(self, parent: Node, child: Node, rounding: float) -> Proposal:
        expectation = self._expected.child(parent, child)
        gain = 0.0
        for board, modes in self._options.modes.items():
            gains = [0.0]
            for mode in modes:
                cost = self._lab.forecast(child.shape, mode, board)
                saving = None if cost is None else self._saving(cost, board)
                if saving is not None and self._suits(child, board):
                    lost = expectation.mean + (rounding if mode == "int8" else 0.0)
                    rise = self._rise(Expectation(lost, expectation.spread), saving, board)
                    gains.append(rise)
            gain += max(gains)
        return Proposal(child, gain, self._lab.seconds(child))

    def _suits(self, node: Node, board: str) -> bool:
        """Whether zeros lie as a board's kernels want them; others would run dense."""
        return node.shape.kernels in ("", self._options.cores.get(board, ""))

    def _gain(self, left: Expectation, like: Candidate, times: float) -> float:
        """The same for a network that takes so many times what another one does."""
        gain = 0.0
        for board in like.costs:
            saving = self._judged.saving(like, board)
            if saving is not None and "int8" in self._options.modes.get(board, ()):
                gain += self._rise(left, saving - math.log(times), board)
        return gain

    def _saving(self, cost: Cost, board: str) -> float | None:
        return self._judged.goal.saving(cost, self._judged.dense[board])

    def _rise(self, loss: Expectation, saving: float, board: str) -> float:
        """By how much the best saving at each loss is expected to rise."""
        return sum(
            weight * loss.at_most(limit - margin(self._sampling, limit)) * (saving - best)
            for limit, weight in self._judged.goal.weights().items()
            if saving > (best := self._best[board, limit])
        )

    def _error(self) -> float:
        """Standard error of a loss, as those that are seen have it."""
        seen = [one.error for one in self._judged.candidates if math.isfinite(one.lost)]
        return statistics.median(seen) if seen else 0.0


def _lost(rows: Mapping[str, Candidate]) -> float:
    """What a network lost, stored in the way that loses least."""
    return min(one.believed for one in rows.values())
