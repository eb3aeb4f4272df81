"""What the stages ``cluster`` and ``qat`` hand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeprune.artifacts.model import Loaded


@dataclass(frozen=True)
class ClusteredTensor:
    """One weight tensor that was clustered.

    Attributes:
        name: Layer path and weight name, or the tensor's name in a TFLite file.
        weights: Number of weights in the tensor.
        zeros: How many of them are zero.
        distinct: Distinct values beside zero.
        sqnr_db: Signal-to-quantization-noise ratio of the codebook at the start, before any
            training, in decibels; infinite where every weight was on it already.
    """

    name: str
    weights: int
    zeros: int
    distinct: int
    sqnr_db: float


@dataclass(frozen=True)
class ClusterRecord:
    """What the stage ``cluster`` did, without the model.

    Attributes:
        tensors: What was clustered, in model order.
        fine_tuned: Whether centroids were trained.
        notes: Lines for the report.
    """

    tensors: tuple[ClusteredTensor, ...] = ()
    fine_tuned: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clustered:
    """A model after the cluster stage.

    Attributes:
        model: The clustered model; the stage never changes the one that it was given.
        tensors: What was clustered, in model order.
        fine_tuned: Whether centroids were trained.
        notes: Lines for the report.
    """

    model: Loaded
    tensors: tuple[ClusteredTensor, ...] = ()
    fine_tuned: bool = False
    notes: tuple[str, ...] = ()

    @property
    def keras(self) -> Any:
        """The clustered Keras model, or None."""
        return self.model.keras

    @property
    def record(self) -> ClusterRecord:
        """What was done, without the model."""
        return ClusterRecord(self.tensors, self.fine_tuned, self.notes)


@dataclass(frozen=True)
class QuantizationTrained:
    """A model after the stage ``qat``.

    Attributes:
        model: The model, still float; the stage never changes the one that it was given.
        notes: Lines for the report.
    """

    model: Loaded
    notes: tuple[str, ...] = ()
