"""What a board's runtime cannot run, said by the host before anything is trained or sent.

LiteRT's native interface, which the agent in C opens, runs less than its interpreter does: it takes
no variable tensors and no outputs whose size an inference decides. The agents themselves carry only
tensors of a fixed size. Source: ours, models of each kind on LiteRT 2.1.0, 2.1.6, 2.2.0 and 2.3.0,
and LiteRT ``litert/core/model/model_load.cc``, ``UnpackTensor``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema
from packaging.version import Version

from edgeprune.devices.boards import Runtime
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.host_shapes import native_trouble, planned_tensors
from edgeprune.models.tflite.loop_turns import never_ends
from edgeprune.prediction.operator_versions import newest_versions

RUNTIME_CUSTOM = frozenset({"TFLite_Detection_PostProcess"})
"""Custom operators that the runtime's own library holds, and edgeprune has run."""

_FIRST_RESOURCES = "2.1.6"
"""The first release asked whose native interface takes tensors of type resource; 2.1.0 does not."""

_MAX_TRIED_BYTES = 64 << 20
"""Of a file that is tried on the host before the board has it. Source: ours; a second or two."""

_FLEX = "Flex"  # what the converter puts before the name of an operator of TensorFlow


@dataclass(frozen=True)
class Refusal:
    """One thing in a model that a board cannot run.

    Attributes:
        what: The operator or tensor, by its kind and name.
        why: What the runtime lacks, as the rest of a sentence.
        remedy: What to do.
    """

    what: str
    why: str
    remedy: str

    @property
    def text(self) -> str:
        """All of it, without a full stop."""
        return f"{self.what} {self.why}: {self.remedy}"


def unsupported(tflite: bytes, runtime: Runtime) -> tuple[Refusal, ...]:
    """What in a model a board's runtime cannot run; empty if it can.

    Args:
        tflite: A model whose open shapes are fixed.
        runtime: The board's.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.view(tflite)
    refusals = tuple(_by_structure(model, runtime))
    return refusals or tuple(_by_planning(model, tflite, runtime))


def check_runnable(tflite: bytes, runtime: Runtime, board: str) -> None:
    """Refuses a model that a board cannot run.

    Args:
        tflite: A model whose open shapes are fixed.
        runtime: The board's.
        board: The board's name, for the message.

    Raises:
        ModelError: It cannot run there; every reason is named, each once.
    """
    reasons = dict.fromkeys(refusal.text for refusal in unsupported(tflite, runtime))
    if reasons:
        first, *more = reasons
        others = f" (and {len(more)} more like it)" if more else ""
        raise ModelError(
            f"{board} ({runtime.use} {runtime.version}) cannot run the model: {first}{others}"
        )


def _by_structure(model: graph.Model, runtime: Runtime) -> Iterator[Refusal]:
    """What can be seen in the file."""
    newest = newest_versions(runtime)
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            name = _operator(model, op)
            version = int(model.operatorCodes[op.opcodeIndex].version)
            if version > newest.get(name, version):
                yield _too_new(_named(name, subgraph, op), version, newest[name])
            if name.startswith("CUSTOM ") and name.split()[1] not in RUNTIME_CUSTOM:
                yield _custom(name, subgraph, op)
            if name == "WHILE" and never_ends(model, subgraph, op):
                yield Refusal(
                    _named(name, subgraph, op),
                    "never ends once it has begun, since nothing that its condition reads changes",
                    "let the body change what the condition reads",
                )
            yield from _with_state(runtime, subgraph, op, name)
    yield from _at_border(model)


def _operator(model: graph.Model, op: graph.Operator) -> str:
    """Its kind, as ``CONV_2D``; a custom one with its own name."""
    name = graph.op_name(model, op)
    if name != "CUSTOM":
        return name
    code = model.operatorCodes[op.opcodeIndex].customCode or b"?"
    text = code.decode("utf-8", "replace") if isinstance(code, bytes) else str(code)
    return f"CUSTOM {text}"


def _named(kind: str, subgraph: graph.Subgraph, op: graph.Operator) -> str:
    tensor = next((subgraph.tensors[i] for i in op.outputs if i >= 0), None)
    name = "" if tensor is None else graph.tensor_name(tensor)
    return f"{kind} ({name})" if name else kind


def _custom(kind: str, subgraph: graph.Subgraph, op: graph.Operator) -> Refusal:
    name = kind.split(maxsplit=1)[1]
    if name.startswith(_FLEX):
        return Refusal(
            _named(f"{name.removeprefix(_FLEX)}, an operator of TensorFlow,", subgraph, op),
            "is not among TFLite's own",
            "replace that layer, and convert without SELECT_TF_OPS",
        )
    return Refusal(
        _named(f"the custom operator {name}", subgraph, op),
        "has no kernel in the runtime's library",
        "replace it by operators of TFLite's own",
    )


def _too_new(what: str, version: int, newest: int) -> Refusal:
    known = (
        f"and the runtime knows none newer than {newest}" if newest else "and the runtime has none"
    )
    return Refusal(
        what,
        f"has version {version}, {known}",
        "convert the model with the converter of an older TensorFlow",
    )


def _with_state(
    runtime: Runtime, subgraph: graph.Subgraph, op: graph.Operator, kind: str
) -> Iterator[Refusal]:
    """Operators that keep state in a variable tensor."""
    if runtime.use == "litert" and kind == "VAR_HANDLE" and _is_before(runtime, _FIRST_RESOURCES):
        yield Refusal(
            _named(kind, subgraph, op),
            f"makes a variable, which LiteRT's native interface takes from {_FIRST_RESOURCES} on",
            "use a newer runtime, or make the state an input and an output",
        )
    held = [int(i) for i in op.inputs if i >= 0 and subgraph.tensors[i].isVariable]
    if held and runtime.use == "litert":
        yield Refusal(
            _named(kind, subgraph, op),
            "keeps its state in a variable tensor, which LiteRT's native interface does not take",
            "hand in the Keras model, whose recurrent layers edgeprune converts as loops, or "
            "convert it anew with unroll=True in them, or make the state an input and an output",
        )


def _is_before(runtime: Runtime, version: str) -> bool:
    try:
        return Version(runtime.version) < Version(version)
    except ValueError:  # InvalidVersion, or a number of thousands of digits
        return False


def _at_border(model: graph.Model) -> Iterator[Refusal]:
    """Inputs and outputs that cannot be carried to or from a board."""
    subgraph = model.subgraphs[0]
    inputs, outputs = graph.io_tensors(model)
    for role, indices in (("input", inputs), ("output", outputs)):
        for index in indices:
            tensor = subgraph.tensors[index]
            what = f"{role} {graph.tensor_name(tensor)!r}"
            if tensor.type == schema.TensorType.STRING:
                yield Refusal(what, "holds strings, which have no fixed size", "cut them off")
            elif graph.dtype_of(tensor) is None:
                yield Refusal(
                    what,
                    f"is of type {_type_name(tensor)}, which edgeprune cannot make or compare",
                    "convert it to float32 inside the model",
                )
            elif math.prod(graph.shape_of(tensor)) == 0:
                yield Refusal(what, "has no elements", "leave it out")
    for position, index in enumerate(outputs):
        is_twice = index in outputs[:position]
        if index in inputs or is_twice:
            yield Refusal(
                f"output {graph.tensor_name(subgraph.tensors[index])!r}",
                "is there twice" if is_twice else "is an input as it came",
                "the runtime leaves one of the two unwritten, so leave it out",
            )


def _type_name(tensor: graph.Tensor) -> str:
    names = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
    return str(names.get(tensor.type, tensor.type)).lower()


def _by_planning(model: graph.Model, tflite: bytes, runtime: Runtime) -> Iterator[Refusal]:
    """What the runtime says when it plans the model's memory."""
    subgraph = model.subgraphs[0]
    try:
        plan = planned_tensors(tflite)
    except ModelError as error:
        yield _unprepared(str(error))
        return
    outputs = graph.io_tensors(model)[1]
    varying = [index for index in outputs if _is_open(subgraph.tensors[index])]
    planned_anew = [index for index in outputs if index in plan.dynamic]
    trouble = ""
    if not varying and runtime.use == "litert" and (planned_anew or _may_try(model, tflite)):
        trouble = native_trouble(tflite)
        varying = planned_anew if trouble else []
    for index in varying:
        op = _decides_size(model, subgraph, plan.dynamic, index)
        yield Refusal(
            _named(graph.op_name(model, op), subgraph, op),
            "has a result whose size the runtime learns at each inference, and so has the "
            f"output {graph.tensor_name(subgraph.tensors[index])!r}, which must have one size",
            "pad it to a fixed size inside the model, or cut it off",
        )
    if trouble and not varying:
        yield Refusal(
            "the model",
            "is refused by LiteRT's native interface, though older ones run it",
            f"{trouble}; cut off outputs that depend on no input, if there are such",
        )


def _may_try(model: graph.Model, tflite: bytes) -> bool:
    """Whether an inference may be tried: it ends, and takes neither long nor much memory."""
    kinds = {graph.op_name(model, op) for part in model.subgraphs for op in part.operators}
    return "WHILE" not in kinds and len(tflite) <= _MAX_TRIED_BYTES


def _is_open(tensor: graph.Tensor) -> bool:
    return tensor.shapeSignature is not None and -1 in tensor.shapeSignature


def _unprepared(text: str) -> Refusal:
    """What the runtime says against a model that it cannot prepare."""
    match = re.search(r"op for builtin opcode '(\w+)' version '(\d+)'", text)
    if match:
        return Refusal(
            match[1],
            f"has version {match[2]}, which the runtime does not have",
            "convert the model with the converter of an older TensorFlow",
        )
    text = text.removeprefix("LiteRT on the host cannot run the model: ")
    return Refusal("the model", "is refused by the runtime", text)


def _decides_size(
    model: graph.Model, subgraph: graph.Subgraph, dynamic: frozenset[int], index: int
) -> graph.Operator:
    """The operator behind a tensor that is the first on the way to be of a size of its own."""
    makers = graph.producers(subgraph)
    op = makers[index]
    seen = {index}
    while True:
        before = [int(i) for i in op.inputs if int(i) in dynamic and int(i) not in seen]
        before = [i for i in before if i in makers]
        if not before:
            return op
        seen.add(before[0])
        op = makers[before[0]]
