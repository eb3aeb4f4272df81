"""Small TFLite graphs with what plain networks lack: state, loops, open and unknown shapes."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from nets import TYPES, Net

from edgeprune.models.tflite import graph

TYPES |= {
    "float64": schema.TensorType.FLOAT64,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "bool": schema.TensorType.BOOL,
    "int64": schema.TensorType.INT64,
    "string": schema.TensorType.STRING,
    "complex64": schema.TensorType.COMPLEX64,
    "resource": schema.TensorType.RESOURCE,
}


class OddNet(Net):
    """Operators with any number of outputs of any type, and more than one subgraph."""

    def open(self, tensor, *signature):
        self.graph.tensors[tensor].shapeSignature = np.array(signature, np.int32)
        return tensor

    def entry(self, shape, dtype="float32"):
        index = self.tensor(shape, dtype)
        self.graph.inputs.append(index)
        return index

    def raw(self, name, inputs, outputs, options=None, version=1, **values):
        """An operator whose output tensors exist already; ``name`` may be a custom one."""
        operator = schema.OperatorT()
        is_known = hasattr(schema.BuiltinOperator, name)
        code = name if is_known else "CUSTOM"
        operator.opcodeIndex = graph.opcode_index(self.model, code, version)
        if not is_known:
            self.model.operatorCodes[operator.opcodeIndex].customCode = name.encode()
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, options + "T")()
            for key, value in values.items():
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)
        return outputs[0] if outputs else None

    def handle(self):
        handle, names = self.tensor((), "resource"), {"container": b"", "sharedName": b"total"}
        return self.raw("VAR_HANDLE", [], [handle], "VarHandleOptions", **names)

    def branch(self, make):
        """A further subgraph: ``make(self)`` builds it and returns its outputs; its index."""
        before = self.graph
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], []
        self.model.subgraphs.append(self.graph)
        index = len(self.model.subgraphs) - 1
        self.graph.outputs = np.array(make(self), np.int32)
        self.graph.inputs = np.array(self.graph.inputs, np.int32)
        self.graph = before
        return index


def open_batch(then="RESHAPE", channels=2):
    """A convolution, flattened with the batch that the input has, and a dense layer."""
    net = OddNet()
    x = net.open(net.entry((1, 4, 4, 3)), -1, 4, 4, 3)
    y = net.open(net.conv(x, channels), -1, 4, 4, channels)
    shape = net.raw("SHAPE", [y], [net.tensor((4,), "int32")], "ShapeOptions", outType=2)
    ends = [net.const(np.array([k], np.int32)) for k in (0, 1, 1)]
    batch = net.tensor((), "int32")
    net.raw("STRIDED_SLICE", [shape, *ends], [batch], "StridedSliceOptions", shrinkAxisMask=1)
    rest = {"RESHAPE": [16 * channels], "FILL": [8], "BROADCAST_TO": [8]}[then]
    sizes = [batch, *(net.const(np.array(size, np.int32)) for size in rest)]
    packed = net.tensor((len(sizes),), "int32")
    net.raw("PACK", sizes, [packed], "PackOptions", valuesCount=len(sizes))
    if then == "RESHAPE":
        flat = net.open(net.tensor((1, 16 * channels)), -1, 16 * channels)
        net.raw("RESHAPE", [y, packed], [flat], "ReshapeOptions")
        return net.build(net.open(net.dense(flat, 3), -1, 3))
    made = net.open(net.tensor((1, 8)), -1, 8)
    if then == "FILL":
        net.raw("FILL", [packed, net.const(np.float32(0.5))], [made], "FillOptions")
    else:
        row = net.const(np.arange(8, dtype=np.float32))
        net.raw("BROADCAST_TO", [row, packed], [made], "BroadcastToOptions", version=2)
    pooled = net.open(net.mean(y), -1, channels)
    both = net.open(net.tensor((1, 8 + channels)), -1, 8 + channels)
    net.raw("CONCATENATION", [pooled, made], [both], "ConcatenationOptions", axis=1)
    return net.build(both)


def open_size():
    """A convolution over a map of any size, and its mean."""
    net = OddNet()
    x = net.open(net.entry((1, 1, 1, 3)), -1, -1, -1, 3)
    y = net.open(net.conv(x, 2), -1, -1, -1, 2)
    return net.build(net.open(net.mean(y), -1, 2))


def positions(kind="WHERE"):
    """An output as long as there are positive numbers, or distinct ones."""
    net = OddNet()
    x = net.dense(net.entry((1, 8)), 4)
    if kind == "WHERE":
        mask = net.tensor((1, 4), "bool")
        net.raw("GREATER", [x, net.const(np.float32(0))], [mask], "GreaterOptions")
        found = net.open(net.tensor((1, 2), "int64"), -1, 2)
        return net.build(net.raw("WHERE", [mask], [found], "WhereOptions"))
    row = net.op("RESHAPE", [x, net.const(np.array([4], np.int32))], (4,), "ReshapeOptions")
    values, places = net.open(net.tensor((1,)), -1), net.tensor((4,), "int32")
    net.raw("UNIQUE", [row], [values, places], "UniqueOptions", idxOutType=2)
    return net.build(values)


def summed_positions():
    """The sum of the places of positive numbers: sizes depend on the data, but not the output's."""
    net = OddNet()
    mask = net.tensor((1, 4), "bool")
    scores = net.dense(net.entry((1, 8)), 4)
    net.raw("GREATER", [scores, net.const(np.float32(0))], [mask], "GreaterOptions")
    found = net.open(net.tensor((1, 2), "int64"), -1, 2)
    net.raw("WHERE", [mask], [found], "WhereOptions")
    places = net.open(net.tensor((1, 2)), -1, 2)
    net.raw("CAST", [found], [places], "CastOptions", inDataType=4, outDataType=0)
    axes = net.const(np.array([0, 1], np.int32))
    total = net.op("SUM", [places, axes], (1, 1), "ReducerOptions", keepDims=True)
    return net.build(net.relu(total))


def computed_shape():
    """A RESHAPE to what the second input says."""
    net = OddNet()
    x, shape = net.dense(net.entry((1, 8)), 4), net.entry((2,), "int32")
    flat = net.open(net.tensor((1, 1)), -1, -1)
    return net.build(net.raw("RESHAPE", [x, shape], [flat], "ReshapeOptions"))


def fused_lstm(units=4, steps=5, features=3):
    """The operator that keeps hidden and cell state in variable tensors."""
    net = OddNet()
    x = net.entry((1, steps, features))
    weights = [net.const(net.weights((units, features))) for _ in range(4)]
    weights += [net.const(net.weights((units, units))) for _ in range(4)]
    biases = [net.const(np.zeros(units, np.float32)) for _ in range(4)]
    state = [net.tensor((1, units)) for _ in range(2)]
    for tensor in state:
        net.graph.tensors[tensor].isVariable = True
    inputs = [x, *weights, -1, -1, -1, *biases, -1, -1, *state, -1, -1, -1, -1]
    sequence = net.tensor((1, steps, units))
    net.raw(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs,
        [sequence],
        "UnidirectionalSequenceLSTMOptions",
        fusedActivationFunction=4,
    )
    return net.build(sequence)


def accumulator(units=4):
    """Adds a dense layer's outputs up in a variable, inference after inference."""
    net = OddNet()
    x = net.entry((1, 8))

    def start(net):
        handle = net.handle()
        net.raw("ASSIGN_VARIABLE", [handle, net.const(np.zeros((1, units), np.float32))], [])
        return []

    net.raw("CALL_ONCE", [], [], "CallOnceOptions", initSubgraphIndex=net.branch(start))
    handle = net.handle()
    before = net.raw("READ_VARIABLE", [handle], [net.tensor((1, units))], "ReadVariableOptions")
    total = net.add(before, net.dense(x, units))
    net.raw("ASSIGN_VARIABLE", [handle, total], [], "AssignVariableOptions")
    return net.build(net.relu(total))


def loop(turns=10, units=8, counts_on_data=False):
    """A dense layer with ReLU, ``turns`` times; or as often as the first input says."""
    net = OddNet()
    x = net.entry((1, units))
    bound = net.entry((), "int32") if counts_on_data else net.const(np.int32(turns))

    def condition(net):
        counter, _, bound = net.entry((), "int32"), net.entry((1, units)), net.entry((), "int32")
        if not counts_on_data:
            bound = net.const(np.int32(turns))
        return [net.raw("LESS", [counter, bound], [net.tensor((), "bool")], "LessOptions")]

    def body(net):
        counter, y, bound = net.entry((), "int32"), net.entry((1, units)), net.entry((), "int32")
        more = net.tensor((), "int32")
        net.raw("ADD", [counter, net.const(np.int32(1))], [more], "AddOptions")
        return [more, net.relu(net.dense(y, units)), bound]

    inner = {"condSubgraphIndex": net.branch(condition), "bodySubgraphIndex": net.branch(body)}
    outputs = [net.tensor((), "int32"), net.tensor((1, units)), net.tensor((), "int32")]
    net.raw("WHILE", [net.const(np.int32(0)), x, bound], outputs, "WhileOptions", **inner)
    return net.build(outputs[1])


def endless(kind="constant"):
    """A loop whose condition is the same at each turn: a constant, or a number that stays."""
    net = OddNet()
    x, y = net.entry((1, 1)), net.dense(net.entry((1, 8)), 8)

    def condition(net):
        number, _ = net.entry((1, 1)), net.entry((1, 8))
        if kind == "constant":
            return [net.const(np.array(True))]
        flag = net.tensor((), "bool")
        total = net.raw(
            "SUM",
            [number, net.const(np.array([0, 1], np.int32))],
            [net.tensor(())],
            "ReducerOptions",
        )
        return [net.raw("GREATER", [total, net.const(np.float32(0))], [flag], "GreaterOptions")]

    def body(net):
        number, y = net.entry((1, 1)), net.entry((1, 8))
        changes = net.raw("NEG", [number], [net.tensor((1, 1))], "NegOptions")
        return [changes if kind == "changes" else number, net.relu(y)]

    inner = {"condSubgraphIndex": net.branch(condition), "bodySubgraphIndex": net.branch(body)}
    outputs = [net.tensor((1, 1)), net.tensor((1, 8))]
    net.raw("WHILE", [x, y], outputs, "WhileOptions", **inner)
    return net.build(outputs[1])


def choice(units=4):
    """One of two dense layers, by the sign of the sum."""
    net = OddNet()
    x = net.entry((1, 8))
    both = [net.branch(lambda net: [net.dense(net.entry((1, 8)), units)]) for _ in range(2)]
    total = net.tensor(())
    net.raw("SUM", [x, net.const(np.array([0, 1], np.int32))], [total], "ReducerOptions")
    is_up = net.tensor((), "bool")
    net.raw("GREATER", [total, net.const(np.float32(0))], [is_up], "GreaterOptions")
    inner = {"thenSubgraphIndex": both[0], "elseSubgraphIndex": both[1]}
    return net.build(net.raw("IF", [is_up, x], [net.tensor((1, units))], "IfOptions", **inner))


def custom(name="FlexErf"):
    """A dense layer behind an operator that is not TFLite's own."""
    net = OddNet()
    x = net.raw(name, [net.entry((1, 8))], [net.tensor((1, 8))])
    return net.build(net.dense(x, 4))


def bordered(dtype="float32", shape=(1, 2), passes=False):
    """A dense layer beside an input of another type or size, or one that is an output too."""
    net = OddNet()
    x, other = net.entry((1, 8)), net.entry(shape, dtype)
    return net.build(net.dense(x, 4), *([other] if passes else []))
