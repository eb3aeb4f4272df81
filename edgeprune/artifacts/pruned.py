"""What the stages ``channels`` and ``prune`` hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeprune.artifacts.arrays import BoolArray
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.plan import Unit


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that can only go together, after some of them went.

    Attributes:
        name: Paths of the layers that make them, joined by ``+``.
        channels_before: How many there were.
        channels_after: How many are left.
        details: The group as text: every axis of a weight that holds these channels.
    """

    name: str
    channels_before: int
    channels_after: int
    details: str


@dataclass(frozen=True)
class ChannelPruned:
    """A model after the stage ``channels``.

    Attributes:
        model: The smaller model, or the user's own where no channels were to go.
        dense: The dense model that it was: the user's own, or that after it was trained as it is.
        groups: What could be removed, in model order.
        fine_tuned: Whether the smaller model was trained.
        profiling_only: True if channels went without any data: fit to measure, not to use.
        control: The dense model trained exactly as long, on the same batches; None if not trained.
        notes: Lines for the report.
    """

    model: Loaded
    dense: Loaded
    groups: tuple[ChannelGroup, ...] = ()
    fine_tuned: bool = False
    profiling_only: bool = False
    control: Loaded | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PrunedTensor:
    """One weight tensor that was pruned.

    Attributes:
        name: Layer path and weight name, as ``block1/conv/kernel``.
        weights: Number of weights in the tensor.
        zeros: How many of them are zero.
    """

    name: str
    weights: int
    zeros: int


@dataclass(frozen=True)
class LayerShare:
    """What one layer got of the sparsity, and what was known of it when that was decided.

    Attributes:
        name: Layer path and weight name.
        weights: Number of weights.
        pattern: Name of the pattern that prunes the layer.
        sparsity: Share of zeros that it got.
        output_error: Share of the energy of its outputs that is lost, on training samples, in
            [0, 1]; what allocations weigh against cost. None if not measured.
        loss_increase: Rise of the mean loss on training samples, with only this layer pruned so and
            nothing trained; between measured points on a straight line. May be negative; None if
            not measured.
        cost: Predicted for the layer if it runs sparse, in ``unit``; None where no sparse kernel
            does, or without costs of the board.
        sparsities: Shares of zeros that were looked at, rising from 0.
        output_errors: The output error at each of these; empty if not measured.
        loss_increases: The rise of the loss at each of these; empty if not measured.
        costs_at: The predicted cost at each of these; empty if not known.
        unit: What costs are counted in: cycles where they are known of the board's core.
    """

    name: str
    weights: int
    pattern: str
    sparsity: float
    output_error: float | None = None
    loss_increase: float | None = None
    cost: float | None = None
    sparsities: tuple[float, ...] = ()
    output_errors: tuple[float, ...] = ()
    loss_increases: tuple[float, ...] = ()
    costs_at: tuple[float, ...] = ()
    unit: Unit = "instructions"


@dataclass(frozen=True)
class PruneRecord:
    """What the stages ``channels`` and ``prune`` did, without the models.

    Attributes:
        tensors: What was pruned, in model order.
        fine_tuned: Whether weights were trained after pruning.
        profiling_only: True if weights were zeroed without any data: fit to measure, not to use.
        notes: Lines for the report.
        groups: Channels that were removed before, by group; empty where none were to go.
        shares: What each layer got, in model order; empty where all got the same.
    """

    tensors: tuple[PrunedTensor, ...]
    fine_tuned: bool
    profiling_only: bool
    notes: tuple[str, ...] = ()
    groups: tuple[ChannelGroup, ...] = ()
    shares: tuple[LayerShare, ...] = ()


@dataclass(frozen=True)
class Pruned:
    """A model after the prune stage.

    Attributes:
        model: The pruned model; the stage never changes the one that it was given.
        masks: Name to boolean mask, True where a weight is kept; same shape as the weight.
        tensors: What was pruned, in model order.
        fine_tuned: Whether weights were trained after pruning.
        profiling_only: True if weights were zeroed without any data: fit to measure, not to use.
        control: The dense model trained exactly as long, on the same batches; None if not trained.
        notes: Lines for the report.
        groups: Channels that were removed before, by group; empty where none were to go.
        shares: What each layer got, in model order; empty where all got the same.
    """

    model: Loaded
    masks: Mapping[str, BoolArray]
    tensors: tuple[PrunedTensor, ...]
    fine_tuned: bool
    profiling_only: bool
    control: Loaded | None = None
    notes: tuple[str, ...] = ()
    groups: tuple[ChannelGroup, ...] = ()
    shares: tuple[LayerShare, ...] = ()

    @property
    def keras(self) -> Any:
        """The pruned Keras model, or None."""
        return self.model.keras

    @property
    def record(self) -> PruneRecord:
        """What was done, without the models."""
        return PruneRecord(
            self.tensors,
            self.fine_tuned,
            self.profiling_only,
            self.notes,
            self.groups,
            self.shares,
        )
