"""What one stage hands to the next: frozen, plain, and with the unit in the name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.tasks import Task

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Array = NDArray[Any]

Flavour = Literal["keras", "tf_keras"]
Samples = list[list[Array]]
"""One entry a sample; in it one array per model input (or output), in the graph's order."""

Storage = Literal["float32", "float16", "sparse", "integers"]
"""How a file stores its weights."""

QuantizeMode = Literal["none", "fp16", "int8", "int8-weights", "int16x8"]


@dataclass(frozen=True)
class ModelFile:
    """The file that the user handed in.

    Attributes:
        path: File, or folder for a SavedModel.
        sha256: Hex digest of the file, or of all files of the folder in sorted order.
        format: ``keras2-h5``, ``keras2-keras``, ``keras3-h5``, ``keras3-keras``, ``saved-model`` or
            ``tflite``.
    """

    path: Path
    sha256: str
    format: str


@dataclass(frozen=True)
class Compiled:
    """What a Keras model was compiled with, as far as edgeprune knows the words.

    Attributes:
        losses: Names of losses by head; the key is empty for one that is for all heads.
        metrics: Names of metrics likewise.
    """

    losses: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """A model in memory: either a Keras model or the bytes of a ``.tflite`` file.

    Attributes:
        source: Where it came from.
        keras: The Keras model (``keras.Model`` or ``tf_keras.Model``), or None.
        flavour: Which Keras ``keras`` belongs to, or None.
        tflite: The file's bytes, or None.
        notes: What the user should know about the loading, one line each.
        input_shape: What fills open dimensions of a Keras model's inputs, without the batch; None
            where the user gave nothing.
        compiled: Losses and metrics that a Keras model was compiled with.
        stored: How the file stores its weights, as far as it is a ``.tflite`` file.
    """

    source: ModelFile
    keras: Any = None
    flavour: Flavour | None = None
    tflite: bytes | None = None
    notes: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    compiled: Compiled = field(default_factory=Compiled)
    stored: Storage = "float32"

    @property
    def record(self) -> LoadRecord:
        """Where it came from, without the model."""
        return LoadRecord(self.source, self.notes)


@dataclass(frozen=True)
class LoadRecord:
    """What the stage ``load`` found, without the model.

    Attributes:
        source: Where the model came from.
        notes: What the user should know about the loading, one line each.
    """

    source: ModelFile
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Arrays to train on and to score with.

    Attributes:
        x_train: Shape ``(n, *input_shape)`` or None.
        y_train: Targets as :meth:`edgeprune.tasks.Task.split` takes them apart: class numbers
            ``(n,)``, masks ``(n, height, width)``, or values ``(n, ...)``; None where there are
            none, or where inputs are to be reproduced.
        x_test: Shape ``(m, *input_shape)``.
        y_test: Like ``y_train``.
        source: Path or dotted name as the user gave it.
        classes: Names of the classes by number; empty where the data has none.
        notes: What the user should know about the reading, one line each.
        held: Range that inputs are meant to lie in, whatever these do; None where nobody knows.
        held_out: How many training samples, the last ones, are held out in training; 0 leaves that
            to the training.
        augment: Other views of training images: words of :data:`edgeprune.data.augment.KINDS`.
        fresh: Gives the data for an epoch, by its number, with other training samples; None where
            every epoch has the same.
        task: What the model is for; None where nobody has found that out yet.
    """

    x_train: Array | None
    y_train: Array | None
    x_test: Array
    y_test: Array | None
    source: str
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[float, float] | None = None
    held_out: int = 0
    augment: tuple[str, ...] = ()
    fresh: Callable[[int], Dataset] | None = None
    task: Task | None = None

    @property
    def is_reproduced(self) -> bool:
        """Whether there are no labels, because inputs are their own targets."""
        return self.y_train is None and self.y_test is None

    @property
    def targets_test(self) -> Array | None:
        """Targets to score with, or None."""
        return self.x_test if self.is_reproduced else self.y_test


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What of the user's data a model is trained with.

    Attributes:
        x: Inputs ``(n, *input_shape)``.
        y: Targets ``(n, ...)``, as in :class:`Dataset`.
        task: What the model is trained for.
        held_out: As in :class:`Dataset`.
        augment: As in :class:`Dataset`.
        fresh: Gives inputs and targets for an epoch, by its number; None where every epoch has
            ``x`` and ``y``.
    """

    x: Array
    y: Array
    task: Task
    held_out: int = 0
    augment: tuple[str, ...] = ()
    fresh: Callable[[int], tuple[Array, Array]] | None = None


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
        dense: The user's own model.
        groups: What could be removed, in model order.
        fine_tuned: Whether the smaller model was trained.
        profiling_only: True if channels went without any data: fit to measure, not to use.
        control: The dense model trained exactly as long, on the same batches; None if not trained.
        checkpoint: Folder to remove when no later stage may be interrupted any more, or None.
        notes: Lines for the report.
    """

    model: Loaded
    dense: Loaded
    groups: tuple[ChannelGroup, ...] = ()
    fine_tuned: bool = False
    profiling_only: bool = False
    control: Loaded | None = None
    checkpoint: Path | None = None
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
        instructions: Predicted for the layer if it runs sparse; None where no sparse kernel does,
            or without costs of the board.
        sparsities: Shares of zeros that were looked at, rising from 0.
        output_errors: The output error at each of these; empty if not measured.
        loss_increases: The rise of the loss at each of these; empty if not measured.
        instructions_at: Predicted instructions at each of these; empty if not known.
    """

    name: str
    weights: int
    pattern: str
    sparsity: float
    output_error: float | None = None
    loss_increase: float | None = None
    instructions: float | None = None
    sparsities: tuple[float, ...] = ()
    output_errors: tuple[float, ...] = ()
    loss_increases: tuple[float, ...] = ()
    instructions_at: tuple[float, ...] = ()


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


@dataclass(frozen=True)
class Quantized:
    """A TFLite file after the quantize stage.

    Attributes:
        tflite: The file's bytes.
        mode: What was done.
        profiling_only: True if activations were calibrated on random inputs.
    """

    tflite: bytes
    mode: QuantizeMode
    profiling_only: bool


@dataclass(frozen=True)
class EncodedTensor:
    """What the sparsify stage decided for one weight tensor.

    Attributes:
        name: Tensor name in the file.
        op: The operator that reads it, as ``CONV_2D``.
        shape: The tensor's shape in the file.
        weights: Number of elements.
        zeros: How many of them are zero.
        dense_bytes: Size of the dense buffer.
        stored_bytes: Size as stored now, index arrays included.
        encoded: Whether it is stored sparse.
        reason: Why, in one line.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    weights: int
    zeros: int
    dense_bytes: int
    stored_bytes: int
    encoded: bool
    reason: str


@dataclass(frozen=True)
class Sparsified:
    """A TFLite file after the sparsify stage.

    Attributes:
        tflite: The file's bytes.
        tensors: One decision per weight tensor, in graph order.
        expected: Names of the operators' outputs that should run a sparse kernel on the board.
        reasons: Lines that say why operators do not run sparse.
    """

    tflite: bytes
    tensors: tuple[EncodedTensor, ...]
    expected: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RewriteNote:
    """What one pass of the rewrite stage did, or refused to do, at one place.

    Attributes:
        rewrite: Name of the pass, its file's.
        layer: Name of the output tensor of the operator concerned.
        done: Whether the graph was changed.
        detail: What was done, or why not, in words.
    """

    rewrite: str
    layer: str
    done: bool
    detail: str


@dataclass(frozen=True)
class Rewritten:
    """Output of the rewrite stage.

    Attributes:
        tflite: The model; the input itself where nothing was won.
        notes: What each pass did or refused.
        summary: What is won, or why nothing is, in one line.
    """

    tflite: bytes
    notes: tuple[RewriteNote, ...]
    summary: str
