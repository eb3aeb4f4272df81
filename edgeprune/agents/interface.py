"""Inputs and outputs of a ``.tflite`` file, as an agent that loads it has to name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeprune.models.tflite import graph
from edgeprune.text.untrusted import one_line, printable

DTYPES = frozenset(
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex64 "
    "complex128".split()
)
"""Types of tensors that go over the wire, as numpy spells them: all that numpy has of TFLite's."""


@dataclass(frozen=True)
class ModelTensor:
    """What is known of an input or output before it is loaded.

    Attributes:
        name: Its name in the graph; None where that is no clean UTF-8.
        dtype: As numpy spells it; None for a type that numpy lacks.
        shape: With unknown dimensions set to 1; None where only loading tells.
    """

    name: str | None
    dtype: str | None
    shape: tuple[int, ...] | None

    def fits(self, name: str, dtype: str, shape: tuple[int, ...]) -> bool:
        """Whether an agent's tensor may be this one."""
        return (
            self.name in (None, name)
            and self.dtype in (None, dtype)
            and self.shape in (None, shape)
        )

    def __str__(self) -> str:
        shape = "" if self.shape is None else str(list(self.shape))
        return one_line(f"{self.name}: {self.dtype}{shape}", 100)


@dataclass(frozen=True)
class Interface:
    """All inputs and outputs, in the order of the graph."""

    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]


def interface_of(tflite: bytes) -> Interface:
    """Inputs and outputs of a file.

    Raises:
        ModelError: It is not a whole TFLite file.
    """
    model = graph.view(tflite)
    tensors = model.subgraphs[0].tensors
    inputs, outputs = ([tensors[index] for index in side] for side in graph.io_tensors(model))
    # Behind an input that is resized, the file's shapes of the outputs say nothing.
    is_open = any(min(_signature(tensor), default=0) < 0 for tensor in inputs)
    return Interface(
        tuple(_described(tensor) for tensor in inputs),
        tuple(
            _described(tensor, is_open=is_open or min(_signature(tensor), default=0) < 0)
            for tensor in outputs
        ),
    )


def _described(tensor: graph.Tensor, *, is_open: bool = False) -> ModelTensor:
    # A name goes as C's text does, up to a NUL, and bytes that are no UTF-8 as anything.
    name = graph.tensor_name(tensor).partition("\0")[0]
    dtype = graph.dtype_of(tensor)
    signature = _signature(tensor)
    sizes = tuple(1 if size < 0 else size for size in signature)
    return ModelTensor(
        name=None if "\ufffd" in name else printable(name),
        dtype=None if dtype is None else dtype.name,
        shape=None if is_open else sizes,
    )


def _signature(tensor: graph.Tensor) -> Sequence[int]:
    """The tensor's shape, with -1 for dimensions that are not known before the load."""
    signature = tensor.shapeSignature
    shape = graph.shape_of(tensor)
    known = signature is not None and len(signature) == len(shape)
    return tuple(int(size) for size in signature) if known else shape
