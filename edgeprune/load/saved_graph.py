"""Checks the graph of a SavedModel, and takes out what loading it does not need.

Functions of the graph run while it is loaded, and again when it is converted. All that remain after
this hold listed operators only. What writes and reads checkpoints goes: TensorFlow restores the
variables itself, from the folder's own file.
"""

from __future__ import annotations

import graphlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from edgeprune.errors import CodeRefused, ModelError
from edgeprune.load.operators import SAVER, STATEFUL, STATELESS, operator_list

_HOW = "give --allow-code if you trust the file"
_REGISTERED = frozenset({"tf.TrackableConstant"})
"""Classes that TensorFlow itself registers and that only hold a value: Keras 2's Normalization."""

_KINDS = ("user_object", "function", "bare_concrete_function", "variable", "constant",
          "captured_tensor")  # fmt: skip
_OPAQUE_TYPES = (20, 21)
"""DT_RESOURCE and DT_VARIANT: constants that are made by code of their own."""

MAX_FUNCTIONS = 100_000
MAX_NODES = 2_000_000
"""Most operators, and most once every call of a function is replaced by what it does."""

MAX_OBJECT_DEPTH = 500
"""Deepest object inside of objects, by the shortest way: layers in layers come to about 20."""

MAX_CALL_DEPTH = 100
"""Deepest call of a function inside of functions: those of Keras come to about 10."""

_FREE_BYTES = 256 << 20
_RATIO = 100


def check_graph(parsed: Any, where: str) -> None:
    """Checks a parsed SavedModel of TensorFlow 2, and takes out its saver.

    Args:
        parsed: The ``SavedModel`` message; changed in place.
        where: The folder, for messages.

    Raises:
        CodeRefused: It holds operators that are not on the list, or resources that run code.
        ModelError: It is none of TensorFlow 2, or damaged.
    """
    meta = _only_graph(parsed, where)
    _check_objects(meta.object_graph_def, where)
    _check_functions(meta.graph_def.library, where)
    names = {function.signature.name for function in meta.graph_def.library.function}
    _check_operators(meta.graph_def.node, names, where, operator_list(SAVER))
    _drop_saver(meta, where)
    _check_operators(
        _nodes(meta), {f.signature.name for f in meta.graph_def.library.function}, where
    )
    _check_calls(meta.graph_def.library, where)
    _check_constants(_nodes(meta), parsed.ByteSize(), where)


def _only_graph(parsed: Any, where: str) -> Any:
    if len(parsed.meta_graphs) != 1:
        raise ModelError(f"{where}: saved_model.pb holds {len(parsed.meta_graphs)} graphs, not one")
    meta = parsed.meta_graphs[0]
    if not meta.HasField("object_graph_def"):
        raise CodeRefused(
            f"{where}: is a SavedModel of TensorFlow 1, which runs parts of its graph when it is "
            f"loaded: save it again with TensorFlow 2, or {_HOW}"
        )
    return meta


def _check_objects(objects: Any, where: str) -> None:
    """The saved Python objects: none that is made by code of its own."""
    count = len(objects.nodes)
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind == "asset":
            raise CodeRefused(f"{where}: reads a file of its own (an asset): {_HOW}")
        if kind == "resource":
            raise CodeRefused(
                f"{where}: holds a table or another resource, whose functions run when it is "
                f"loaded: {_HOW}"
            )
        if kind is not None and kind not in _KINDS:
            raise CodeRefused(f"{where}: holds an object of the kind {kind}: {_HOW}")
        name = node.registered_name or node.registered_saver
        if name and name not in _REGISTERED:
            raise CodeRefused(f"{where}: names the registered class {name[:60]!r}: {_HOW}")
        references = (*node.children, *node.dependencies)
        if any(not 0 <= reference.node_id < count for reference in references):
            raise ModelError(f"{where}: damaged saved_model.pb: an object refers to none")
    _check_depth(objects, where)


def _check_depth(objects: Any, where: str) -> None:
    """Goes from object to object as TensorFlow does, which takes ever longer the deeper it comes.

    Raises:
        ModelError: Some lie deeper than any that people save.
    """
    seen, level, depth = {0}, [0] if objects.nodes else [], 0
    while level:
        children = {child.node_id for one in level for child in objects.nodes[one].children}
        level = sorted(children - seen)
        seen |= children
        depth += 1
        if depth > MAX_OBJECT_DEPTH:
            raise ModelError(
                f"{where}: its objects lie in each other more than {MAX_OBJECT_DEPTH} deep"
            )


def _drop_saver(meta: Any, where: str) -> None:
    """Takes out the functions that save and restore, and all nodes but constants.

    Raises:
        CodeRefused: Something else calls one of them.
    """
    files = operator_list(SAVER)
    library = meta.graph_def.library
    savers = {
        function.signature.name
        for function in library.function
        if any(node.op in files for node in function.node_def)
    }
    called = {
        name
        for function in library.function
        if function.signature.name not in savers
        for node in function.node_def
        for name in (node.op, *_called(node))
    }
    called |= set(meta.object_graph_def.concrete_functions)
    for name in sorted(savers & called):
        operators = sorted(
            {
                node.op
                for function in library.function
                if function.signature.name == name
                for node in function.node_def
            }
            & files
        )
        raise CodeRefused(
            f"{where}: function {name[:60]!r} holds the operators {', '.join(operators)}, which "
            f"touch files: {_HOW}"
        )
    kept = [f for f in library.function if f.signature.name not in savers]
    constants = [node for node in meta.graph_def.node if node.op == "Const"]
    del library.function[:], meta.graph_def.node[:]
    library.function.extend(kept)
    meta.graph_def.node.extend(constants)
    for node in _nodes(meta):
        if "config_proto" in node.attr:  # settings for the machine that wrote the file
            node.attr["config_proto"].s = b""
    for field in ("saver_def", "collection_def", "signature_def", "asset_file_def"):
        meta.ClearField(field)


def _nodes(meta: Any) -> Iterator[Any]:
    """All operators, those in functions included."""
    yield from meta.graph_def.node
    for function in meta.graph_def.library.function:
        yield from function.node_def


def _called(node: Any) -> Iterator[str]:
    """Names of the functions that an operator is given."""
    for value in node.attr.values():
        if value.WhichOneof("value") == "func":
            yield value.func.name
        elif value.WhichOneof("value") == "list":
            yield from (function.name for function in value.list.func)


def _check_functions(library: Any, where: str) -> None:
    names = [function.signature.name for function in library.function]
    if len(names) != len(set(names)) or len(names) > MAX_FUNCTIONS:
        raise ModelError(
            f"{where}: damaged saved_model.pb: its functions have no names of their own"
        )
    for gradient in library.registered_gradients:
        if not gradient.registered_op_type.startswith("CustomGradient-"):
            kind = gradient.registered_op_type[:60]
            raise CodeRefused(f"{where}: replaces the gradient of the operator {kind!r}: {_HOW}")


def _check_operators(
    nodes: Iterable[Any], functions: set[str], where: str, also: frozenset[str] = frozenset()
) -> None:
    """Each operator is listed, or a function of the graph, which cannot bear an operator's name.

    Args:
        nodes: The operators.
        functions: Names of the graph's functions.
        where: The folder, for messages.
        also: What is allowed beside the list.

    Raises:
        CodeRefused: One is not; the message names them.
    """
    listed = operator_list(STATELESS) | operator_list(STATEFUL) | also
    refused: set[str] = set()
    for count, node in enumerate(nodes):
        if count > MAX_NODES:
            raise ModelError(f"{where}: saved_model.pb holds more than {MAX_NODES:,} operators")
        is_call = node.op in functions and node.op.startswith("__")
        if node.op not in listed and not is_call:
            refused.add(node.op)
        refused.update(f"{name} (a function)" for name in _called(node) if name not in functions)
    if refused:
        shown = ", ".join(sorted(ascii(name)[1:-1][:60] for name in refused)[:8])
        raise CodeRefused(
            f"{where}: holds the operators {shown}, which are not on the list of those that touch "
            f"nothing but tensors: {_HOW}"
        )


def _check_calls(library: Any, where: str) -> None:
    """Functions end: none calls itself, and their calls do not multiply without end.

    TensorFlow replaces calls by what they do, one after the other, and stops nowhere.

    Raises:
        ModelError: They do not.
    """
    functions = {function.signature.name: function for function in library.function}
    calls = {
        name: [
            called
            for node in function.node_def
            for called in (node.op, *_called(node))
            if called in functions
        ]
        for name, function in functions.items()
    }
    try:
        order = tuple(graphlib.TopologicalSorter(calls).static_order())
    except graphlib.CycleError as error:
        raise ModelError(
            f"{where}: function {error.args[1][0][:60]!a} calls itself, and never ends"
        ) from error
    sizes: dict[str, int] = {}
    depths: dict[str, int] = {}
    for name in order:
        inner = calls[name]
        sizes[name] = len(functions[name].node_def) + sum(sizes[one] for one in inner)
        depths[name] = 1 + max((depths[one] for one in inner), default=0)
        if sizes[name] > MAX_NODES or depths[name] > MAX_CALL_DEPTH:
            raise ModelError(
                f"{where}: its functions call each other more than {MAX_CALL_DEPTH} deep, or come "
                f"to more than {MAX_NODES:,} operators"
            )


def _check_constants(nodes: Iterator[Any], file_bytes: int, where: str) -> None:
    """Constants are as large as what is stored for them, or small.

    Raises:
        CodeRefused: One is an object that code makes.
        ModelError: Together they would unpack to far more than the file.
    """
    limit, total = max(_FREE_BYTES, _RATIO * file_bytes), 0
    for node in nodes:
        for value in node.attr.values():
            if value.WhichOneof("value") != "tensor":
                continue
            tensor = value.tensor
            if tensor.dtype in _OPAQUE_TYPES or tensor.variant_val or tensor.resource_handle_val:
                raise CodeRefused(f"{where}: a constant holds an object, not numbers: {_HOW}")
            sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
            if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
                raise ModelError(f"{where}: damaged saved_model.pb: a constant has no shape")
            total += min(math.prod(sizes), limit) * np.dtype(np.float64).itemsize
    if total > limit:
        raise ModelError(
            f"{where}: its constants declare more than {limit:,} bytes, the limit for a file of "
            "its size"
        )
