"""The runtime's kernel events as the model's layers.

The runtime names kernels, not layers: ``Convolution (NCHW, F32) SPMM``. Within the delegate kernels
run in the order of its partitions, outside of it in the file's; so the k-th kernel of a family on
either side belongs to the k-th operator of that family there. Where the two counts differ, nothing
is guessed and the kernel's own name stands for the layer.

Source: XNNPACK ``src/xnnpack/operator-type-defs.inc`` and ``microkernel-type-defs.inc``.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from edgeprune.agents.session import Profile, ProfileEvent
from edgeprune.artifacts.measurement import LayerTiming
from edgeprune.errors import DeviceError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import PREFIX, own_layers
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.prediction.xnnpack.spmm import filter_matrix

SPARSE_KERNEL = "SPMM"

DELEGATE_KERNELS = 2  # the event source of a delegate's kernels, after device_agents/PROTOCOL.md
_BUILT_IN = 1  # of the interpreter's: its own kernels, and frames around them
_FRAMES = ("Invoke", "AllocateTensors", "ModifyGraphWithDelegate")

# Start of a delegate's kernel's name, and the family of operators that it may belong to.
_FAMILIES = (
    ("Convolution (", "weights"),
    ("Fully Connected", "weights"),
    ("Average Pooling", "AVERAGE_POOL_2D"),
    ("Max Pooling", "MAX_POOL_2D"),
    ("Mean", "MEAN"),
    ("Global Average Pooling", "MEAN"),
    ("Softmax", "SOFTMAX"),
    ("Add", "ADD"),
    ("Subtract", "SUB"),
    ("Multiply", "products"),
    ("Divide", "DIV"),
    ("Maximum", "MAXIMUM"),
    ("Minimum", "MINIMUM"),
    ("Squared Difference", "SQUARED_DIFFERENCE"),
    ("Reduce Min", "REDUCE_MIN"),
    ("Reduce Max", "REDUCE_MAX"),
    ("Sigmoid", "LOGISTIC"),
    ("TanH", "TANH"),
    ("HardSwish", "HARD_SWISH"),
    ("PReLU", "PRELU"),
    ("Leaky ReLU", "LEAKY_RELU"),
    ("ELU", "ELU"),
    ("GELU", "GELU"),
    ("Exp (", "EXP"),
    ("Square (", "products"),
    ("Square Root", "SQRT"),
    ("Reciprocal Square Root", "RSQRT"),
    ("Negate", "NEG"),
    ("Abs", "ABS"),
    ("Static Reshape", "RESHAPE"),
    ("Slice", "slices"),
    ("Transpose (", "TRANSPOSE"),
    ("Resize Bilinear", "RESIZE_BILINEAR"),
    ("Constant Pad", "PAD"),
    ("Depth To Space", "DEPTH_TO_SPACE"),
    ("Space To Depth", "SPACE_TO_DEPTH"),
    ("Batch Matrix Multiply", "BATCH_MATMUL"),
    ("Deconvolution", "TRANSPOSE_CONV"),
    ("Convert (", "conversions"),
)
_FAMILY_OF = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), "weights"),
    **dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), "conversions"),
    **dict.fromkeys(("MUL", "SQUARE"), "products"),  # a product of a tensor with itself is a square
    **dict.fromkeys(("SLICE", "STRIDED_SLICE"), "slices"),
}


def layer_timings(profile: Profile, tflite: bytes, *, emulated: bool) -> tuple[LayerTiming, ...]:
    """Kernels of one inference in execution order, with their layers' names.

    Args:
        profile: One or more profiled inferences; times are their means.
        tflite: The file that ran.
        emulated: Times mean nothing and are left out.
    """
    runs = [[event for event in run if is_kernel(event)] for run in profile.events]
    if not runs:
        return ()
    tags = [event.tag for event in runs[0]]
    is_steady = all([event.tag for event in run] == tags for run in runs)
    model = graph.view(tflite)
    _check_sparse(tags, model)
    names = _names(runs[0], model)
    layers = []
    for i, tag in enumerate(tags):
        mean_us = sum(run[i].elapsed_us for run in runs) / len(runs) if is_steady else None
        if not mean_us:  # below the profiler's clock, which ticks in microseconds
            mean_us = None
        name, op = names.get(i, (tag, "UNKNOWN"))
        layers.append(
            LayerTiming(
                name=name,
                op=op,
                kernel=tag,
                sparse=_is_sparse(tag),
                latency_us=None if emulated else mean_us,
            )
        )
    return tuple(layers)


def is_kernel(event: ProfileEvent) -> bool:
    """Whether an event is a kernel's, and no frame of the runtime around some."""
    return event.source == DELEGATE_KERNELS or (
        event.source == _BUILT_IN and not event.tag.startswith(_FRAMES)
    )


def _is_sparse(tag: str) -> bool:
    return _is_spmm(tag) or tag.startswith(PREFIX)


def _is_spmm(tag: str) -> bool:
    return tag.split()[-1:] == [SPARSE_KERNEL]


def _check_sparse(tags: list[str], model: graph.Model) -> None:
    """Holds the sparse kernels of a profile against the layers that can have run in them.

    Raises:
        DeviceError: There are more of them, each of these layers is at least half dense, or kernels
            of edgeprune's own ran that the file does not ask for.
    """
    own = own_layers(model)
    named = [tag.split()[0] for tag in tags if tag.startswith(PREFIX)]
    if len(set(named) & set(own)) < len(named):
        raise DeviceError(
            f"the device's answer is wrong: it names {len(named):,} of edgeprune's own kernels, "
            f"and the file asks for {len(own):,}, each of which runs once"
        )
    sparse_kernels = sum(map(_is_spmm, tags))
    if not sparse_kernels or len(model.subgraphs) > 1:  # a loop's body runs as often as it says
        return
    reader = Reader(model, model.subgraphs[0])
    able = [op for op in model.subgraphs[0].operators if _may_be_sparse(reader, op)]
    if all(_has_few_zeros(reader, op) for op in able):
        able = []
    if sparse_kernels > len(able):
        raise DeviceError(
            f"the device's answer is wrong: it names {sparse_kernels:,} sparse kernels, and the "
            f"model has {len(able):,} layers that can run in one"
        )


def _may_be_sparse(reader: Reader, op: graph.Operator) -> bool:
    """Whether XNNPACK may run an operator as SPMM: also one with few zeros, among others."""
    is_dense = graph.op_name(reader.model, op) == "FULLY_CONNECTED"
    return is_dense or graph.is_pointwise(reader.model, reader.subgraph, op)


def _has_few_zeros(reader: Reader, op: graph.Operator) -> bool:
    """Whether at most half of the weights are zero, where that is known: XNNPACK wants 2/3.

    Source: XNNPACK ``src/subgraph.c``, xnn_subgraph_rewrite_for_nchw.
    """
    weights = filter_matrix(reader, op)
    if weights is None or weights.dtype.kind not in "fi":
        return False
    return bool(2 * np.count_nonzero(weights) >= weights.size)


def _names(events: list[ProfileEvent], model: graph.Model) -> dict[int, tuple[str, str]]:
    """Position of a kernel to its layer's name and operator, where the two can be matched."""
    reader = Reader(model, model.subgraphs[0])
    delegated = [op for part in partitions(reader) for op in part]
    inside = {id(op) for op in delegated}
    outside = [
        op
        for op in model.subgraphs[0].operators
        if id(op) not in inside and not (len(op.outputs) and reader.is_static(int(op.outputs[0])))
    ]
    own = own_layers(model)
    named = {
        i: own[event.tag.split()[0]]
        for i, event in enumerate(events)
        if event.tag.split()[:1] and event.tag.split()[0] in own
    }
    for source, ops in ((DELEGATE_KERNELS, delegated), (_BUILT_IN, outside)):
        families = {
            i: family
            for i, event in enumerate(events)
            if event.source == source
            if (family := _family(event)) is not None
        }
        named |= _matched(reader, families, ops)
    return named


def _family(event: ProfileEvent) -> str | None:
    """Of the operators that a kernel may belong to; the interpreter's are named by the operator."""
    if event.source == _BUILT_IN:
        kind = event.tag.split(" ")[0]
        return _FAMILY_OF.get(kind, kind)
    return next((family for start, family in _FAMILIES if event.tag.startswith(start)), None)


def _matched(
    reader: Reader, families: dict[int, str], operators: list[graph.Operator]
) -> dict[int, tuple[str, str]]:
    """The k-th kernel of a family with the k-th operator of it, where there are equally many."""
    kernels: dict[str, list[int]] = defaultdict(list)
    for i, family in families.items():
        kernels[family].append(i)
    ops: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for op in operators:
        name = graph.op_name(reader.model, op)
        family = _FAMILY_OF.get(name, name)
        first = next((int(out) for out in op.outputs), -1)
        ops[family].append((reader.name(first) if first >= 0 else name, name))
    return {
        i: layer
        for family, found in kernels.items()
        if len(found) == len(ops[family])
        for i, layer in zip(found, ops[family], strict=True)
    }
