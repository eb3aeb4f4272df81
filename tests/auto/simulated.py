"""A laboratory whose networks are formulas: what a search decides, without training anything."""

import math
import zlib
from dataclasses import dataclass, field

import numpy as np

from edgeprune.auto.candidates import Candidate, SecondLook
from edgeprune.auto.engine import Clock, Notebook, Outcome, Search
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Node, Shape
from edgeprune.auto.options import Options
from edgeprune.errors import ModelError

DENSE = Cost(100e6, 1_000_000, 100_000)


@dataclass
class SimulatedLab:
    """Networks that lose by a law of their own, on boards that cost by another.

    Attributes:
        seed: Draws the laws.
        samples: That judge; they scatter the losses.
        seconds_each: Of a training of the whole network.
        int8_cost: Share of the time that int8 takes.
        sparse_cost: Time of an inference with nothing but zeros.
        breaks: Share of trainings that fail.
        at_once: Loss by the square of how many weights go, without training.
        reported: Samples that look a second time; 0 for none.
    """

    seed: int = 0
    samples: int = 2000
    seconds_each: float = 30.0
    int8_cost: float = 0.4
    sparse_cost: float = 0.2
    breaks: float = 0.0
    at_once: float = 1.0
    reported: int = 0
    clock_s: float = 0.0
    trained: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = np.random.default_rng(self.seed)
        self.thinned, self.emptied = 0.02 * 2 ** draw.normal(0, 1.0), 0.004 * 2 ** draw.normal(0, 1)
        self.base = draw.normal(-0.01, 0.01)
        self.rounding = abs(draw.normal(0, 0.01))
        self._draw = draw

    def now_s(self) -> float:
        return self.clock_s

    def true_loss(self, node: Node, mode: str) -> float:
        """What would be lost on endlessly many samples."""
        shape, lost = node.shape, 0.0
        if node.moves and not node.is_trained:
            lost = self.at_once * shape.emptied**2
        if node.is_trained:
            lost = self.base + self.thinned * shape.thinned**2 + self.emptied * shape.emptied**2
            jump = max(
                [0.0, *(abs(math.log(m.amount)) for m in node.moves if m.kind == "channels")]
            )
            lost += 0.01 * max(0.0, jump - 0.7)
            lost -= 0.3 * (lost - self.base) * (1 - 0.6**node.tunings) if node.tunings else 0.0
            rng = np.random.default_rng(zlib.crc32(repr((self.seed, node)).encode()))
            lost += rng.normal(0, 0.002)
        rounding = self.rounding * (0.3 if node.is_rounded else 1.0)
        return lost + (rounding if mode == "int8" else 0.0)

    def forecast(self, shape: Shape, mode: str, board: str) -> Cost:
        time = DENSE.time or 0.0
        time *= 0.1 + 0.9 * shape.macs
        if mode == "int8":
            time *= self.int8_cost
        elif shape.sparsity:
            time *= self.sparse_cost + 1.3 * (1 - shape.sparsity)
        share = {"int8": 0.25, "none": 1.0}[mode] * shape.macs
        return Cost(time, int(DENSE.bytes * share) + 1000, DENSE.memory_bytes)

    def seconds(self, node: Node) -> float:
        return self.seconds_each * (0.3 + 0.7 * node.shape.macs)

    def keeping_seconds(self, node: Node) -> float:
        return self.seconds_each

    def screened(self, shape: Shape) -> float:
        self.clock_s += 2
        return 8 * (self.thinned * shape.thinned**2 + self.emptied * shape.emptied**2)

    def train(self, node: Node) -> None:
        if not all(one in self.trained for one in [node.parent] if one.moves):
            raise AssertionError("a network is trained before its parent")
        self.clock_s += self.seconds(node)
        if self._draw.random() < self.breaks:
            raise ModelError("training diverged")
        self.trained.append(node)

    def judge(self, node: Node, mode: str) -> Candidate:
        lost = self.true_loss(node, mode)
        error = math.sqrt(0.06 / self.samples)
        if node.moves or mode == "int8":
            lost += self._draw.normal(0, error)
        cost = self.forecast(node.shape, mode, "board")
        return Candidate(node, mode, lost, error, {"board": cost})

    def look_again(self, candidate: Candidate) -> SecondLook | None:
        if not self.reported:
            return None
        draw = np.random.default_rng(zlib.crc32(repr((self.seed, candidate.node)).encode()) + 1)
        lost = self.true_loss(candidate.node, candidate.mode)
        lost += draw.normal(0, math.sqrt(0.06 / self.reported))
        return SecondLook(lost, self.reported / (self.samples + self.reported))

    def keep_layers(self, node: Node, mode: str, limit: float) -> Candidate | None:
        return None


BOTH = Options(
    modes={"board": ("none", "int8")},
    patterns={"core": ("kernel",)},
    cores={"board": "core"},
    removes_channels=True,
    tune_epochs=8,
    epochs=8,
    qat_epochs=2,
)


def searched(
    lab: SimulatedLab, budget_s: float, goal: Goal | None = None, options: Options = BOTH
) -> Outcome:
    """A search on one board."""
    clock = Clock(budget_s, lab.now_s, 0.0)
    notebook = Notebook(lambda candidate: None)
    return Search(lab, goal or Goal(0.01), options, {"board": DENSE}, clock, notebook).run()
