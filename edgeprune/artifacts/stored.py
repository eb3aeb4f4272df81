"""What the stages ``rewrite``, ``quantize`` and ``sparsify`` hand on: TFLite files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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


QuantizeMode = Literal["none", "fp16", "int8", "int8-weights", "int16x8"]


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


OWN_PREFIX = "edgeprune.conv."
"""Of the names of operators that edgeprune's own kernels run, and of these kernels in profiles; a
number of each layer's own follows."""


@dataclass(frozen=True)
class KernelChoice:
    """Whose kernel an int8 layer gets, and why.

    Attributes:
        name: Name of the layer's output.
        op: ``CONV_2D`` or ``FULLY_CONNECTED``.
        block_sparsity: Share of its blocks of 1 x 4 weights that are all zero, in [0, 1].
        is_own: Whether edgeprune's kernel runs it, and not the runtime's dense one.
        own_cost: What it is predicted to take in edgeprune's; None where nobody knows.
        dense_cost: The same in the runtime's.
        reason: Why, in one line.
    """

    name: str
    op: str
    block_sparsity: float
    is_own: bool
    own_cost: float | None
    dense_cost: float | None
    reason: str


@dataclass(frozen=True)
class OwnKernels:
    """A file whose layers run in edgeprune's own kernels, which only its agent brings.

    Attributes:
        tflite: The file's bytes.
        layers: Names of the outputs of these layers.
        expected: Names of all outputs that should run a sparse kernel, these among them.
        is_brought: Whether the user's file came so, and nothing was chosen.
    """

    tflite: bytes
    layers: tuple[str, ...]
    expected: tuple[str, ...]
    is_brought: bool = False


@dataclass(frozen=True)
class Sparsified:
    """A TFLite file after the sparsify stage.

    Attributes:
        tflite: The file's bytes; any runtime takes it.
        tensors: One decision per weight tensor, in graph order.
        expected: Names of the operators' outputs that should run a sparse kernel on the board.
        reasons: Lines that say why operators do not run sparse.
        own: What the device is given in its place; None where the runtime's kernels do.
        choices: Whose kernel each int8 layer gets; empty where there was nothing to choose.
    """

    tflite: bytes
    tensors: tuple[EncodedTensor, ...]
    expected: tuple[str, ...]
    reasons: tuple[str, ...]
    own: OwnKernels | None = None
    choices: tuple[KernelChoice, ...] = ()

    @property
    def deployed(self) -> bytes:
        """The file that the device is given."""
        return self.tflite if self.own is None else self.own.tflite

    @property
    def expected_there(self) -> tuple[str, ...]:
        """Names of the operators' outputs of that file that should run a sparse kernel."""
        return self.expected if self.own is None else self.own.expected
