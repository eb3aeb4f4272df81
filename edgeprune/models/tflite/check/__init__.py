"""The one validation of a TFLite file: after it, every index and size in the graph can be used.

:func:`edgeprune.models.tflite.graph.read` calls it, and nothing else reads the format. What it
refuses, LiteRT refuses or reads out of bounds; what LiteRT runs, it lets through.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgeprune.errors import ModelError
from edgeprune.models.tflite.check.operators import BUILTIN_NAMES, FORMS, MAP, Form
from edgeprune.models.tflite.check.options import check_options
from edgeprune.models.tflite.check.order import check_order
from edgeprune.models.tflite.check.shapes import check_shapes
from edgeprune.models.tflite.check.sparsity import dense_bytes
from edgeprune.models.tflite.check.subgraphs import check_calls
from edgeprune.models.tflite.check.tensors import ELEMENT_BITS, check_tensor

MAX_TABLES = 1_000_000
"""Tables in one file. Source: ``max_tables`` of FlatBuffers' verifier, which LiteRT runs."""

_MAX_DENSE_BYTES = 1 << 31
"""What a file's sparse tensors may become: TFLite's own limit of a whole file."""


def check_table_count(packed: Any) -> None:
    """Refuses a file whose vectors refer to the same tables again and again.

    Args:
        packed: The file as ``schema.Model``, before its tables are made objects.

    Raises:
        ModelError: There are more than :data:`MAX_TABLES`.
    """
    count = packed.OperatorCodesLength() + packed.BuffersLength() + packed.MetadataLength()
    count += packed.SubgraphsLength() + packed.ExternalBuffersLength()
    count += packed.ExternalBufferGroupsLength() + packed.SignatureDefsLength()
    _within(count)
    for number in range(packed.SignatureDefsLength()):
        signature = packed.SignatureDefs(number)
        count += signature.InputsLength() + signature.OutputsLength()
        _within(count)
    for number in range(packed.SubgraphsLength()):
        subgraph = packed.Subgraphs(number)
        count += subgraph.TensorsLength() + subgraph.OperatorsLength()
        _within(count)
        for index in range(subgraph.TensorsLength()):
            tensor = subgraph.Tensors(index)
            count += tensor.VariantTensorsLength()
            if (sparsity := tensor.Sparsity()) is not None:
                count += sparsity.DimMetadataLength()
            _within(count)


def check(model: Any, file_bytes: int) -> None:
    """Checks a parsed file, and completes what the format lets be absent.

    Lists that are absent become empty ones, and options that are absent those of the schema's
    default values, as the runtime reads them.

    Args:
        model: ``ModelT``, changed in place as said.
        file_bytes: Size of the file, behind whose tables large models keep their buffers.

    Raises:
        ModelError: The file is damaged; the message names operator or tensor, and what is wrong.
    """
    _complete(model)
    for code in model.operatorCodes:
        _check_code(code)
    for index, buffer in enumerate(model.buffers):
        if buffer.offset and buffer.offset + buffer.size > file_bytes:
            raise ModelError(f"buffer {index} lies behind the end of the file")
    dense = 0
    for number, subgraph in enumerate(model.subgraphs):
        prefix = f"subgraph {number}, " if number else ""
        dense += _check_tensors(model, subgraph, prefix)
        if dense > _MAX_DENSE_BYTES:
            raise ModelError("the tensors that are stored sparse are together larger than 2 GB")
        for index, op in enumerate(subgraph.operators):
            name = BUILTIN_NAMES[_code(model, op, f"{prefix}operator {index}")]
            where = f"{prefix}operator {index} ({name})"
            _check_operator(subgraph, op, name, where, file_bytes)
            check_options(op, where)
            check_shapes(model, subgraph, op, name, where)
        check_order(model, subgraph, prefix)
    check_calls(model)
    _check_references(model)


def _within(count: int) -> None:
    if count > MAX_TABLES:
        raise ModelError(f"more than {MAX_TABLES:,} tables")


def _complete(model: Any) -> None:
    """Gives every list that later code walks along a value."""
    for key in ("operatorCodes", "subgraphs", "buffers", "metadata", "signatureDefs"):
        setattr(model, key, getattr(model, key) or [])
    for subgraph in model.subgraphs:
        _fill(subgraph, "tensors", "operators", "inputs", "outputs")
        for op in subgraph.operators:
            _fill(op, "inputs", "outputs")
    for signature in model.signatureDefs:
        _fill(signature, "inputs", "outputs")


def _fill(table: Any, *keys: str) -> None:
    for key in keys:
        if getattr(table, key) is None:
            setattr(table, key, [])


def _check_code(code: Any) -> None:
    value = max(code.builtinCode, code.deprecatedBuiltinCode)
    if value not in BUILTIN_NAMES:
        raise ModelError(
            f"TFLite file with the operator code {value}, which this edgeprune does not know: "
            "it is damaged, or made for a newer LiteRT"
        )
    if value == schema.BuiltinOperator.CUSTOM and not code.customCode:
        raise ModelError("an operator code is of a custom operator without a name")


def _code(model: Any, op: Any, where: str) -> int:
    if not 0 <= op.opcodeIndex < len(model.operatorCodes):
        raise ModelError(
            f"{where} has the operator code {op.opcodeIndex} of {len(model.operatorCodes)}"
        )
    code = model.operatorCodes[op.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _check_tensors(model: Any, subgraph: Any, prefix: str) -> int:
    """Checks every tensor; returns the bytes that its sparse ones become."""
    dense = 0
    for index, tensor in enumerate(subgraph.tensors):
        where = f"{prefix}tensor {index}"
        if not 0 <= tensor.buffer < max(len(model.buffers), 1):
            raise ModelError(f"{where} has the buffer {tensor.buffer} of {len(model.buffers)}")
        buffer = model.buffers[tensor.buffer] if model.buffers else schema.BufferT()
        check_tensor(tensor, buffer, where)
        _check_blockwise(tensor, len(subgraph.tensors), where)
        if tensor.sparsity is not None:
            dense += dense_bytes(tensor, ELEMENT_BITS[tensor.type])
    for what, indices in (("input", subgraph.inputs), ("output", subgraph.outputs)):
        for position, index in enumerate(indices):
            if not 0 <= index < len(subgraph.tensors):
                raise ModelError(
                    f"{prefix}{what} {position} is tensor {index} of {len(subgraph.tensors)}"
                )
    return dense


def _check_blockwise(tensor: Any, tensors: int, where: str) -> None:
    """Scales of blocks are kept in tensors of their own."""
    details = tensor.quantization.details if tensor.quantization is not None else None
    for key in ("scales", "zeroPoints"):
        if not -1 <= int(getattr(details, key, 0) or 0) < max(tensors, 1):
            raise ModelError(f"{where} has its {key} in a tensor that there is not")


def _check_operator(subgraph: Any, op: Any, name: str, where: str, file_bytes: int) -> None:
    """Operands exist, and are as many and of such ranks as the operator takes."""
    tensors = len(subgraph.tensors)
    form = FORMS.get(name)
    if op.largeCustomOptionsOffset + op.largeCustomOptionsSize > file_bytes:
        raise ModelError(f"{where} has options behind the end of the file")
    for what, indices, least in (
        ("reads", op.inputs, -1),
        ("writes", op.outputs, 0),
        ("keeps", () if op.intermediates is None else op.intermediates, -1),
    ):
        for index in indices:
            if not least <= index < tensors:
                raise ModelError(f"{where} {what} tensor {index} of {tensors}")
    if form is not None:
        _check_form(subgraph, op, form, where)


def _check_form(subgraph: Any, op: Any, form: Form, where: str) -> None:
    for what, indices, (fewest, most) in (
        ("inputs", op.inputs, form.inputs),
        ("outputs", op.outputs, form.outputs),
    ):
        if not fewest <= len(indices) <= most:
            raise ModelError(f"{where} has {len(indices)} {what}")
    for operand, index in enumerate(op.inputs):
        if index < 0:
            if operand not in form.optional:
                raise ModelError(f"{where} lacks its operand {operand}")
            continue
        if operand in form.ranks:
            _check_rank(subgraph, index, form.ranks[operand], where)
    if MAP in form.ranks.values():
        _check_rank(subgraph, op.outputs[0], MAP, where)
    if form.options is not None:
        _check_kind_of_options(op, form.options, where)


def _check_rank(subgraph: Any, index: int, wanted: int, where: str) -> None:
    tensor = subgraph.tensors[index]
    rank = 0 if tensor.shape is None else len(tensor.shape)
    if rank == 0:
        raise ModelError(
            f"TFLite file whose {where} has to do with tensor {index} of unknown dimensions, and "
            f"takes {wanted}: convert the model with known shapes"
        )
    if rank != wanted:
        raise ModelError(f"{where} takes {wanted} dimensions, and tensor {index} has {rank}")


def _check_kind_of_options(op: Any, name: str, where: str) -> None:
    if op.builtinOptions is None:
        op.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        op.builtinOptions = getattr(schema, f"{name}T")()
    elif type(op.builtinOptions).__name__ != f"{name}T":
        kind = type(op.builtinOptions).__name__.removesuffix("T")
        raise ModelError(f"{where} has options of the kind {kind}")


def _check_references(model: Any) -> None:
    """Signatures and metadata name what there is."""
    for entry in model.metadata:
        if not 0 <= entry.buffer < max(len(model.buffers), 1):
            raise ModelError(f"a metadata entry has the buffer {entry.buffer}")
    for number, signature in enumerate(model.signatureDefs):
        where = f"signature {number}"
        if not 0 <= signature.subgraphIndex < len(model.subgraphs):
            raise ModelError(f"{where} is of the subgraph {signature.subgraphIndex}")
        tensors = len(model.subgraphs[signature.subgraphIndex].tensors)
        for entry in (*signature.inputs, *signature.outputs):
            if not 0 <= entry.tensorIndex < tensors:
                raise ModelError(f"{where} names tensor {entry.tensorIndex} of {tensors}")
            _check_text(entry.name, where)
        _check_text(signature.signatureKey, where)


def _check_text(name: Any, where: str) -> None:
    try:
        (name or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{where} has a name that is no UTF-8") from error
