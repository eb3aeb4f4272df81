"""The search for the best network: judge, train what promises most for its time, and again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.auto.expected import Expected
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Move, Node, Shape
from edgeprune.auto.options import SPARSITIES, Lab, Options
from edgeprune.auto.proposals import Proposal, Proposals
from edgeprune.errors import EdgepruneError

MIN_GAIN = 0.01
"""Expected rise of the savings below which nothing more is tried. Source: ours, a hundredth."""

MAX_STALE = 20
"""Suggestions in a row that may be known already. Source: ours."""

SCREENED_MACS, SCREENED_SPARSITY = 0.85, 0.5
"""What is removed at once to see which way hurts less. Source: ours; more tells nothing."""


@dataclass(frozen=True)
class Clock:
    """How much time there is.

    Attributes:
        budget_s: Seconds in all.
        now_s: Tells the time in seconds.
        begun_s: When it began.
    """

    budget_s: float
    now_s: Callable[[], float] = time.monotonic
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds that are left; negative when it is over."""
        return self.budget_s - (self.now_s() - self.begun_s)


@dataclass(frozen=True)
class Outcome:
    """What came of a search.

    Attributes:
        judged: Everything that was judged.
        ended: Why it ended, in words.
        failed: What could not be done, and why, a line each.
        is_over: Whether nothing is left to do; else it ended because enough was judged at a time.
    """

    judged: Judged
    ended: str
    failed: tuple[str, ...] = ()
    is_over: bool = True


class Notebook:
    """Keeps what a search judged; this one forgets it at the end.

    Args:
        say: Is told each candidate.
    """

    def __init__(self, say: Callable[[Candidate], None]) -> None:
        self._say = say

    def known(self) -> Sequence[Candidate]:
        """What an earlier run of the same search judged."""
        return ()

    def write(self, candidate: Candidate) -> None:
        """Keeps a candidate that was judged."""
        self._say(candidate)

    def suggest(self, *, now: bool = False) -> Shape | None:
        """A shape to try beside what promises most; None most times, unless ``now``."""
        return None

    def screened(self, shape: Shape) -> float | None:
        """What an earlier run saw a shape lose at once; None where it did not look."""
        return None

    def keep_screened(self, shape: Shape, lost: float) -> None:
        """Keeps what a shape loses at once."""

    def spoilt(self) -> Sequence[Node]:
        """What earlier runs could not make, or saw no use in."""
        return ()

    def keep_spoilt(self, node: Node) -> None:
        """Keeps that a network could not be made."""


class Search:
    """A search under way.

    Args:
        lab: Trains and judges.
        goal: What counts.
        options: What may be done.
        dense: What the user's model takes as it is, by board.
        clock: How much time there is.
        notebook: Keeps what was judged, and knows what was before.
        at_once: Candidates after which it stops for another process to go on; None never stops it.
    """

    def __init__(
        self,
        lab: Lab,
        goal: Goal,
        options: Options,
        dense: Mapping[str, Cost],
        clock: Clock,
        notebook: Notebook,
        at_once: int | None = None,
    ) -> None:
        self._lab, self._options, self._clock, self._notebook = lab, options, clock, notebook
        self._at_once = at_once
        self._judged = Judged(goal, dense)
        self._expected = Expected()
        self._spoilt: set[Node] = set(notebook.spoilt())
        self._failed: list[str] = []
        costs = {name: cost for name, cost in dense.items() if "none" in options.modes[name]}
        self._judged.candidates.append(Candidate(Node(), "none", 0.0, 0.0, costs))
        for one in notebook.known():
            self._add(one)
        self._known = len(self._judged.candidates)
        self._proposals = Proposals(self._judged, self._expected, options, lab, self._spoilt)

    def run(self) -> Outcome:
        """Goes on until nothing promises anything, or the time is over."""
        for mode in self._options.all_modes:
            if mode != "none" and not self._is_known(Node(), mode):
                self._judge(Node(), mode)
        if not self._options.epochs:
            self._prune_at_once()
            return self._ended("nothing can be trained in that time")
        self._begin()
        while True:
            if self._is_enough():
                return dataclasses.replace(self._ended("enough was judged at once"), is_over=False)
            proposals = [one for one in self._proposals.all() if one.gain >= MIN_GAIN]
            if not proposals and not self._wander():
                return self._ended("nothing that is left promises more")
            able = [one for one in proposals if one.seconds <= self._clock.left_s]
            if proposals and not able:
                return self._ended("the time is over")
            if able:
                self._follow(able[0])
            if (shape := self._notebook.suggest()) is not None:
                self._reach(shape)

    def _is_enough(self) -> bool:
        judged = len(self._judged.candidates) - self._known
        return self._at_once is not None and judged >= self._at_once

    def _prune_at_once(self) -> None:
        """Halves shares of zeros, without training, to the largest that keeps the limit."""
        limit = self._judged.goal.limit
        for kernels, patterns in self._options.patterns.items():
            boards = [name for name, core in self._options.cores.items() if core == kernels]
            low, high = -1, len(SPARSITIES)
            while high - low > 1 and self._clock.left_s > 0:
                middle = (low + high) // 2
                node = Node().after(Move("prune", SPARSITIES[middle], 0, kernels, patterns[0]))
                self._try(node)
                rows = [one for one in self._judged.candidates if one.node == node]
                fits = not any(
                    one.costs[board].excess
                    for one in rows
                    for board in boards
                    if board in one.costs
                )
                holds = any(one.holds(limit) for one in rows)
                low, high = (middle, high) if holds or not fits else (low, middle)

    def _make_fit(self, board: str) -> None:
        """Trains the network that is expected to lose least of all that a board can take."""
        if any(self._judged.saving(one, board) is not None for one in self._judged.candidates):
            return
        for node in self._proposals.that_fit(board):
            if self._lab.seconds(node) > self._clock.left_s:
                return
            self._try(node)
            if any(self._judged.saving(one, board) is not None for one in self._judged.candidates):
                return

    def _wander(self) -> bool:
        """Tries suggestions where nothing promises anything; False where none is new."""
        before = len(self._judged.candidates)
        for _ in range(MAX_STALE):
            shape = self._notebook.suggest(now=True)
            if shape is None or self._clock.left_s <= 0:
                return False
            self._reach(shape)
            if len(self._judged.candidates) > before:
                return True
        return False

    def _begin(self) -> None:
        """What is done before anything is weighed."""
        self._screen()
        if self._options.tuned is not None and self._clock.left_s > 0:
            self._try(self._options.tuned)
        for board in self._options.must_fit:
            self._make_fit(board)

    def _ended(self, why: str) -> Outcome:
        return Outcome(self._judged, why, tuple(self._failed))

    def _screen(self) -> None:
        """Removes a little at once, each way, to know which one hurts less."""
        options, shapes = self._options, []
        if options.removes_channels:
            shapes.append(Shape(macs=SCREENED_MACS))
        for kernels, patterns in options.patterns.items():
            shapes.append(Shape(1.0, SCREENED_SPARSITY, kernels, patterns[0]))
        if len(shapes) < 2:  # then there is nothing to choose between
            return
        for shape in shapes:
            lost = self._notebook.screened(shape)
            if lost is None:
                try:
                    lost = self._lab.screened(shape)
                except EdgepruneError as error:
                    self._failed.append(f"{shape.text()} at once: {error}")
                    continue
            if lost is not None:
                self._expected.screen(shape, lost)
                self._notebook.keep_screened(shape, lost)

    def _follow(self, proposal: Proposal) -> None:
        if not proposal.keeps_layers:
            self._try(proposal.node)
            return
        node, limit = proposal.node, self._judged.goal.limit
        try:
            kept = self._lab.keep_layers(node, "int8", limit)
        except EdgepruneError as error:
            self._fail(node, error)
            return
        if kept is None:
            self._spoil(node)
        else:
            self._take(kept)

    def _reach(self, shape: Shape) -> None:
        """Trains a shape that was suggested, from the network that is closest to it."""
        fits = [
            one.node
            for one in self._judged.candidates
            if one.node.shape.macs >= shape.macs - 1e-6
            and one.node.shape.sparsity <= shape.sparsity
            and not one.node.is_rounded
            and (not one.node.shape.sparsity or one.node.shape.macs == shape.macs)
            and one.node.shape.kernels in ("", shape.kernels)
            and one.node.shape.pattern in ("", shape.pattern)
        ]
        node = max(
            [Node(), *fits],
            key=lambda one: one.shape.thinned + one.shape.emptied + 1e-3 * one.epochs,
        )
        steps = []
        if node.shape.macs > shape.macs + 1e-6:
            share = shape.macs / node.shape.macs
            steps.append(Move("channels", share, self._options.epochs))
        if shape.sparsity > node.shape.sparsity:
            zeros = shape.sparsity, self._options.epochs, shape.kernels, shape.pattern
            steps.append(Move("prune", *zeros))
        for step in steps:
            node = node.after(step)
            if self._lab.seconds(node) > self._clock.left_s or node in self._spoilt:
                return
            if not any(one.node == node for one in self._judged.candidates):
                self._try(node)

    def _try(self, node: Node) -> None:
        """Trains a network and judges it in every way that some board wants."""
        if any(one.node == node for one in self._judged.candidates):
            return
        try:
            self._lab.train(node)
        except EdgepruneError as error:
            self._fail(node, error)
            return
        modes = ["int8"] if node.is_rounded else ["none", *self._options.all_modes]
        for mode in dict.fromkeys(modes):
            self._judge(node, mode)
        if not any(one.node == node for one in self._judged.candidates):
            self._spoil(node)

    def _judge(self, node: Node, mode: str) -> None:
        try:
            candidate = self._lab.judge(node, mode)
        except EdgepruneError as error:
            self._failed.append(f"{node.shape.text()}, {mode}: {error}")
            return
        self._take(candidate)

    def _take(self, candidate: Candidate) -> None:
        """Keeps a candidate, after a second look where it would be the best one."""
        candidate = self._believed(candidate)
        if self._judged.is_best(candidate, self._judged.goal.limit):
            try:
                second = self._lab.look_again(candidate)
            except EdgepruneError as error:
                self._failed.append(f"{candidate.text()}: {error}")
                return
            if second is not None:
                second = dataclasses.replace(second, refused=self._judged.refused)
            candidate = dataclasses.replace(candidate, second=second)
        self._add(candidate)
        self._notebook.write(candidate)

    def _add(self, candidate: Candidate) -> None:
        candidate = self._believed(candidate)
        if candidate.mode == "none":
            self._expected.observe(candidate.node, candidate.expected)
        self._judged.candidates.append(candidate)

    def _believed(self, candidate: Candidate) -> Candidate:
        if candidate.mode == "none":
            told = candidate.node, candidate.lost, candidate.error
            belief = self._expected.believed(*told)
        else:  # as much luckier as the same network in float32
            belief = self._luck(candidate)
        return dataclasses.replace(candidate, belief=belief)

    def _luck(self, candidate: Candidate) -> tuple[float, float]:
        for one in self._judged.candidates:
            if one.node == candidate.node and one.mode == "none" and one.belief is not None:
                mean, doubt = one.belief
                return candidate.lost + mean - one.lost, max(doubt, candidate.error / 2)
        return candidate.lost, candidate.error

    def _is_known(self, node: Node, mode: str) -> bool:
        return any(one.node == node and one.mode == mode for one in self._judged.candidates)

    def _spoil(self, node: Node) -> None:
        self._spoilt.add(node)
        self._notebook.keep_spoilt(node)

    def _fail(self, node: Node, error: EdgepruneError) -> None:
        self._spoil(node)
        self._failed.append(f"{node.shape.text()}: {error}")
