"""What ``explain`` finds out: a plan of every operator, and of the clusters that run as one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LayerPlan:
    """What will happen to one operator.

    Attributes:
        name: Name of the operator's output tensor.
        op: TFLite operator.
        has_sparse_kernel: Whether there is one for such layers: pointwise and fully connected.
        sparse: Whether it will run sparse.
        reason: Why, or why not.
        remedy: What would change a layer that could run sparse and does not; empty if nothing is
            known or nothing is needed.
        spoiler: The operator that spoils its cluster, as the reason spells it; empty if none does.
        weights: Weights of a layer that has a sparse kernel.
        zeros: How many of them are zero.
        kernel: XNNPACK's sparse microkernel that will run; empty for a dense one.
        block: Consecutive output channels that it takes at once; 0 for a dense kernel.
        cluster: Number of its cluster in :attr:`Plan.clusters`, from 1; 0 if it is in none.
        instructions: Predicted for one inference; None without a cost table for the core, or where
            it is not predicted.
        cycles: Likewise; None where the core's pipelines and caches are not known.
    """

    name: str
    op: str
    has_sparse_kernel: bool
    sparse: bool
    reason: str
    remedy: str
    spoiler: str
    weights: int
    zeros: int
    kernel: str
    block: int
    cluster: int
    instructions: float | None
    cycles: float | None = None


@dataclass(frozen=True)
class Obstacle:
    """One reason why layers do not run sparse.

    Attributes:
        reason: In words, with the first operator that is to blame.
        remedy: What would change it; empty if nothing is known.
        spoilers: Operators to blame, in order; empty where it is the layers' own nature.
        layers: Positions in :attr:`Plan.layers` of the layers concerned.
    """

    reason: str
    remedy: str
    spoilers: tuple[str, ...]
    layers: tuple[int, ...]

    @property
    def text(self) -> str:
        """The reason, and how many operators more there are like the one that it names."""
        others = len(self.spoilers) - 1
        return self.reason + (f" ({others} more like it)" if others > 0 else "")


@dataclass(frozen=True)
class ClusterPlan:
    """Neighbouring operators that can only run sparse all together.

    Attributes:
        number: From 1, in execution order.
        first: Name of its first layer with a sparse kernel.
        last: Name of its last one.
        layers: How many of them it has.
        weights: Their weights.
        zeros: How many of those are zero; more than two thirds are needed.
        begins: What it begins with, or what stands before it.
        ends: What it ends with, or what stands behind it.
        sparse: Whether it will run sparse.
        reason: Why, or why not.
    """

    number: int
    first: str
    last: str
    layers: int
    weights: int
    zeros: int
    begins: str
    ends: str
    sparse: bool
    reason: str


Unit = Literal["instructions", "cycles"]
"""What predicted costs are counted in."""


@dataclass(frozen=True)
class Clock:
    """What makes a time of predicted cycles.

    Attributes:
        core: The core that they are predicted for.
        clock_hz: Its highest clock on a typical chip.
        error: Share by which nine of ten estimates of such cores were wrong at most, on published
            times; None where none were compared.
        decides: Whether decisions rest on the cycles.
    """

    core: str
    clock_hz: int
    error: float | None
    decides: bool = True

    def ms(self, cycles: float) -> float:
        """Milliseconds of so many cycles."""
        return cycles / self.clock_hz * 1e3


@dataclass(frozen=True)
class Plan:
    """What the runtime will do with a model on a board.

    Attributes:
        operators: Every operator that runs at each inference, in the file's order.
        clusters: Clusters with at least one layer that has a sparse kernel.
        wrong: Names of layers whose outputs the runtime would get wrong.
        instructions: Predicted for one inference; None without a cost table for the core, or where
            an operator's cost is not predicted.
        dense_instructions: The same if nothing ran sparse.
        cost_core: The core that the costs were measured on; empty without a table.
        rough: Kinds of operators whose cost nobody measured, so that it is a rough guess.
        unpredicted: Kinds of operators whose cost is not even guessed: what they run, and how
            often, depends on the data.
        cycles: Predicted for one inference; None where instructions are, and where the core's
            pipelines and caches are not known.
        dense_cycles: The same if nothing ran sparse.
        clock: The clock and the core of the cycles; None without them.
    """

    operators: tuple[LayerPlan, ...]
    clusters: tuple[ClusterPlan, ...]
    wrong: tuple[str, ...]
    instructions: float | None = None
    dense_instructions: float | None = None
    cost_core: str = ""
    rough: tuple[str, ...] = ()
    unpredicted: tuple[str, ...] = ()
    cycles: float | None = None
    dense_cycles: float | None = None
    clock: Clock | None = None

    @property
    def unit(self) -> Unit:
        """What decisions count costs in: cycles where they may rest on them, else instructions."""
        return "cycles" if self.clock is not None and self.clock.decides else "instructions"

    @property
    def cost(self) -> float | None:
        """Predicted for one inference, in :attr:`unit`."""
        return self.cycles if self.unit == "cycles" else self.instructions

    @property
    def dense_cost(self) -> float | None:
        """The same if nothing ran sparse."""
        return self.dense_cycles if self.unit == "cycles" else self.dense_instructions

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """The layers that have a sparse kernel: pointwise and fully connected."""
        return tuple(layer for layer in self.operators if layer.has_sparse_kernel)

    @property
    def sparse(self) -> tuple[str, ...]:
        """Names of the layers that will run sparse."""
        return tuple(layer.name for layer in self.layers if layer.sparse)

    def obstacles(self) -> tuple[Obstacle, ...]:
        """Each reason against sparse kernels once, in the order of the first layer concerned.

        Reasons that differ only in which operator is to blame, or in its channels, are one.
        """
        found: dict[tuple[str, str], list[int]] = {}
        for position, layer in enumerate(self.layers):
            if not layer.sparse:
                kind = re.sub(r"\d+ channels", "", layer.reason.replace(layer.spoiler or " ", " "))
                found.setdefault((kind, layer.remedy), []).append(position)
        return tuple(
            Obstacle(
                reason=self.layers[positions[0]].reason,
                remedy=remedy,
                spoilers=tuple(
                    dict.fromkeys(
                        self.layers[i].spoiler for i in positions if self.layers[i].spoiler
                    )
                ),
                layers=tuple(positions),
            )
            for (_, remedy), positions in found.items()
        )

    def reasons(self) -> tuple[str, ...]:
        """Each reason against sparse kernels once, the most frequent first, with its count."""
        by_count = sorted(self.obstacles(), key=lambda obstacle: -len(obstacle.layers))
        return tuple(
            f"{len(each.layers)} x {self.layers[each.layers[0]].op}: {each.text}"
            for each in by_count
        )


@dataclass(frozen=True)
class Forecast:
    """What is predicted for one way to prune.

    Attributes:
        sparsity: Share of zeros in each pruned tensor.
        pattern: Shape of what is left.
        plan: What the runtime would do with the pruned, rewritten and sparsely stored model.
        summary: What the rewrite stage won, or why it won nothing, in one line.
        steps: What it did, one line a pass.
        refused: What it could not do and why, one line a reason.
    """

    sparsity: float
    pattern: str
    plan: Plan
    summary: str
    steps: tuple[str, ...]
    refused: tuple[str, ...]
