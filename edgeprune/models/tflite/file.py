"""A TFLite file as one immutable value: its bytes, and the graph that they hold, parsed once."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError
from edgeprune.models.tflite import check

Model: TypeAlias = Any


class TfliteFile(bytes):
    """The bytes of a ``.tflite`` file, which know their graph.

    Whoever is handed the file may look at the one graph, and whoever wants to change it takes a
    copy: :func:`edgeprune.models.tflite.graph.view` and :func:`~edgeprune.models.tflite.graph.read`
    do so. A file without this type is parsed each time that somebody looks at it.
    """

    @cached_property
    def graph(self) -> Model:
        """The parsed and checked graph, which nobody may change.

        Raises:
            ModelError: It is not a whole TFLite file, or what it says contradicts itself.
        """
        return parsed(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Bytes alone travel, and are parsed anew where they arrive."""
        return TfliteFile, (bytes(self),)

    def __deepcopy__(self, memo: object) -> TfliteFile:
        """Itself, for it never changes."""
        return self


def opened(content: bytes) -> TfliteFile:
    """A file from outside, checked before anything is done with it.

    Raises:
        ModelError: It is not a whole TFLite file, or what it says contradicts itself.
    """
    file = content if isinstance(content, TfliteFile) else TfliteFile(content)
    file.graph  # noqa: B018 - parses and checks it
    return file


def parsed(content: bytes) -> Model:
    """Parses and checks a ``.tflite`` file; nothing else in edgeprune parses one.

    Arrays of the graph are views of ``content``, which nobody can write to.

    Raises:
        ModelError: It is not a whole TFLite file, or what it says contradicts itself.
    """
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ModelError("not a TFLite file: it lacks the identifier TFL3")
    try:
        packed = schema.Model.GetRootAs(content)
        check.check_table_count(packed)
        model = schema.ModelT.InitFromObj(packed)
    except ModelError as error:
        raise ModelError(f"damaged TFLite file: {error}") from error
    except (struct.error, IndexError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ModelError(
            f"damaged TFLite file: its tables lead out of its {len(content):,} bytes: it may have "
            "been cut on its way"
        ) from error
    try:
        check.check(model, len(content))
    except ModelError as error:
        text = str(error)
        known = "" if text.startswith("TFLite file ") else "damaged TFLite file: "
        raise ModelError(known + text) from error
    if not model.subgraphs or not model.subgraphs[0].operators:
        raise ModelError("TFLite file without operators")
    _bring_in(model, memoryview(content))
    _number_buffers(model)
    for subgraph in model.subgraphs:
        _make_mutable(subgraph)
    return model


def copied(table: Any) -> Any:
    """A copy of a table of the graph, and of all tables in it; arrays are shared.

    >>> model = schema.ModelT()
    >>> model.subgraphs, model.description = [schema.SubGraphT()], b"one"
    >>> copied(model).subgraphs[0] is model.subgraphs[0]
    False
    """
    if isinstance(table, list):
        return [copied(item) for item in table] if table and _is_nested(table[0]) else [*table]
    twin = object.__new__(type(table))
    vars(twin).update(
        (key, copied(value) if _is_nested(value) else value) for key, value in vars(table).items()
    )
    return twin


def _is_nested(value: Any) -> bool:
    """Whether it is a table, or a list, whose content may change."""
    return isinstance(value, list) or hasattr(value, "__dict__")


def _bring_in(model: Model, content: memoryview) -> None:
    """Fetches what a file of more than 2 GB keeps behind its tables."""
    for buffer in model.buffers:
        if buffer.offset:
            data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(data, np.uint8), 0, 0
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if begin := op.largeCustomOptionsOffset:
                data = content[begin : begin + op.largeCustomOptionsSize]
                op.customOptions = np.frombuffer(data, np.uint8)
                op.largeCustomOptionsOffset = op.largeCustomOptionsSize = 0


def _number_buffers(model: Model) -> None:
    """Lets everything without data refer to buffer 0, which means no data."""
    kept = [buffer for buffer in model.buffers if buffer.data is not None]
    new = {id(buffer): number for number, buffer in enumerate(kept, 1)}
    old = model.buffers
    model.buffers = [schema.BufferT(), *kept]
    users = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors]
    for user in (*users, *model.metadata):
        user.buffer = new.get(id(old[user.buffer]), 0) if old else 0


def _make_mutable(table: Any) -> None:
    """Turns vectors of 32-bit numbers, views of the file that they are, into lists."""
    for key, value in vars(table).items():
        if isinstance(value, np.ndarray):
            if value.dtype == np.int32:
                setattr(table, key, value.tolist())
        elif isinstance(value, list):
            for item in value:
                if hasattr(item, "__dict__"):
                    _make_mutable(item)
        elif hasattr(value, "__dict__"):
            _make_mutable(value)
