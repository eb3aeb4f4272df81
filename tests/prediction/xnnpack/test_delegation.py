"""Which operators the delegate takes, beside the runtime's own word on this machine."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from odd_nets import OddNet

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.delegation import BINARY, UNARY
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader

SHAPE = (1, 4, 4, 8)
OPTIONS = {"LEAKY_RELU": ("LeakyReluOptions", {"alpha": 0.1}), "GELU": ("GeluOptions", {})}
BINARIES = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}


def integers(net, *values):
    return net.const(np.array(values, np.int32))


MOVES = {
    "RESHAPE": lambda net, x: net.op("RESHAPE", [x, integers(net, 4, 4, 8)], (4, 4, 8)),
    "EXPAND_DIMS": lambda net, x: net.op(
        "EXPAND_DIMS", [x, net.const(np.int32(1))], (1, 1, 4, 4, 8)
    ),
    "SQUEEZE": lambda net, x: net.op("SQUEEZE", [x], (4, 4, 8), "SqueezeOptions"),
    "TRANSPOSE": lambda net, x: net.op("TRANSPOSE", [x, integers(net, 0, 2, 1, 3)], SHAPE),
    "SLICE": lambda net, x: net.op(
        "SLICE", [x, integers(net, 0, 0, 0, 0), integers(net, 1, 2, 4, 8)], (1, 2, 4, 8)
    ),
    "PAD": lambda net, x: net.op(
        "PAD", [x, net.const(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))], (1, 6, 6, 8)
    ),
    "REVERSE_V2": lambda net, x: net.op("REVERSE_V2", [x, integers(net, 1)], SHAPE),
    "TILE": lambda net, x: net.op("TILE", [x, integers(net, 1, 2, 1, 1)], (1, 8, 4, 8)),
    "POW": lambda net, x: net.op("POW", [x, net.const(np.float32(2.0))], SHAPE),
    "SPACE_TO_DEPTH": lambda net, x: net.op(
        "SPACE_TO_DEPTH", [x], (1, 2, 2, 32), "SpaceToDepthOptions", blockSize=2
    ),
    "DEPTH_TO_SPACE": lambda net, x: net.op(
        "DEPTH_TO_SPACE", [x], (1, 8, 8, 2), "DepthToSpaceOptions", blockSize=2
    ),
    "SOFTMAX": lambda net, x: net.op("SOFTMAX", [x], SHAPE, "SoftmaxOptions", beta=1.0),
    "MEAN": lambda net, x: net.op(
        "MEAN", [x, integers(net, 1, 2)], (1, 1, 1, 8), "ReducerOptions", keepDims=True
    ),
    "REDUCE_MAX": lambda net, x: net.op(
        "REDUCE_MAX", [x, integers(net, 3)], (1, 4, 4, 1), "ReducerOptions", keepDims=True
    ),
    "REDUCE_PROD": lambda net, x: net.op(
        "REDUCE_PROD", [x, integers(net, 3)], (1, 4, 4, 1), "ReducerOptions", keepDims=True
    ),
}


def one_of(name):
    """The operator between two that the delegate takes."""
    net = OddNet()
    x = net.conv(net.input(*SHAPE), 8, act=None)
    if name in MOVES:
        y = MOVES[name](net, x)
    elif name in BINARY:
        other = net.const(np.linspace(0.5, 1, 8).astype(np.float32).reshape(1, 1, 1, 8))
        options = [BINARIES[name]] if name in BINARIES else []
        y = net.op(name, [x, other], SHAPE, *options)
    else:
        options, values = OPTIONS.get(name, (None, {}))
        y = net.op(name, [x], SHAPE, options, **values) if options else net.op(name, [x], SHAPE)
    return net.build(net.op("HARD_SWISH", [y], net.shape(y)))


@pytest.mark.parametrize("name", sorted({*UNARY, *BINARY, *MOVES}))
def test_a_graph_is_divided_as_the_runtime_divides_it(name):
    tflite = one_of(name)
    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    taken = [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]
    model = graph.read(tflite)
    assert len(partitions(Reader(model, model.subgraphs[0]))) == len(taken)
