"""What a TFLite file says is checked where it is read: a graph, or one line that says where."""

import functools
import random
import re

import damaged_networks
import flatbuffers
import nets
import numpy as np
import pytest
import random_nets
from ai_edge_litert import schema_py_generated as schema
from beside import shared_models
from damage import damage_tflite
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net

from edgeprune.errors import ModelError
from edgeprune.models.tflite import check, graph
from edgeprune.models.tflite.check.subgraphs import MAX_DEPTH


def raw(tflite):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(tflite)))


def packed(model):
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def changed(change, tflite=None):
    """The file after ``change(model, subgraph)``."""
    model = raw(tflite or nets.eligible())
    change(model, model.subgraphs[0])
    return packed(model)


def number_of(model, name):
    """Position of the first operator of a kind."""
    ops = model.subgraphs[0].operators
    return next(i for i, op in enumerate(ops) if graph.op_name(model, op) == name)


def operator(model, name):
    return model.subgraphs[0].operators[number_of(model, name)]


def refused(change, says, tflite=None):
    with pytest.raises(ModelError, match=says) as found:
        graph.read(changed(change, tflite))
    assert "\n" not in str(found.value)


def with_value(key, value):
    return lambda model, subgraph: setattr(subgraph.operators[0], key, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m, s: setattr(s.operators[1], "opcodeIndex", 99), "operator 1 has the operator co"),
        (lambda m, s: setattr(s.operators[1], "inputs", [999]), r"tor 1 \(.*\) reads tensor 999"),
        (lambda m, s: setattr(s.operators[1], "outputs", [-1]), r"tor 1 \(.*\) writes tensor -1"),
        (lambda m, s: setattr(s.operators[1], "outputs", []), r"operator 1 \(.*\) has 0 outputs"),
        (lambda m, s: setattr(s.operators[1], "inputs", None), r"operator 1 \(.*\) has 0 inputs"),
        (lambda m, s: setattr(s, "inputs", [500]), r"input 0 is tensor 500 of"),
        (lambda m, s: setattr(s, "outputs", [-3]), r"output 0 is tensor -3 of"),
        (lambda m, s: setattr(s.tensors[0], "buffer", 77), r"tensor 0 has the buffer 77 of"),
        (lambda m, s: setattr(s.tensors[0], "type", 99), r"tensor 0 has the unknown type 99"),
        (lambda m, s: setattr(s.tensors[0], "shape", [-1, 4, 4, 3]), "tensor 0 has the impossible"),
        (lambda m, s: setattr(s.tensors[0], "shape", [2**30] * 4), "tensor 0 has the impossible"),
        (lambda m, s: setattr(s.tensors[0], "shape", [1] * 70), r"tensor 0 has 70 dimensions"),
        (lambda m, s: setattr(m.operatorCodes[0], "builtinCode", 250), r"operator code 250"),
        (lambda m, s: s.operators.reverse(), r"operator 0 .*reads tensor \d+ before it is made"),
        (lambda m, s: s.operators.append(s.operators[0]), r"makes tensor \d+, which is there"),
        (lambda m, s: s.operators.pop(0), r"reads tensor \d+, which nothing makes"),
    ],
)  # fmt: skip
def test_indices_sizes_and_order(change, says):
    refused(change, says)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("strideH", 0, "has a strideH of 0"),
        ("dilationWFactor", -1, "has a dilationWFactor of -1"),
        ("padding", 7, "has the unknown padding 7"),
        ("fusedActivationFunction", 99, "has the unknown fusedActivationFunction 99"),
    ],
)
def test_options_of_a_convolution(key, value, says):
    refused(lambda m, s: setattr(operator(m, "CONV_2D").builtinOptions, key, value), says)


def test_options_of_another_operator_are_refused_and_absent_ones_are_those_of_the_schema():
    def swap(model, subgraph):
        op = operator(model, "CONV_2D")
        op.builtinOptions, op.builtinOptionsType = schema.SoftmaxOptionsT(), 9

    def drop(model, subgraph):
        for op in subgraph.operators:
            if graph.op_name(model, op) in ("MEAN", "FULLY_CONNECTED"):
                op.builtinOptions, op.builtinOptionsType = None, 0

    refused(swap, "has options of the kind SoftmaxOptions")
    net = Net()
    out = net.dense(net.input(1, 8), 4)
    model = graph.read(changed(drop, net.build(out)))
    assert model.subgraphs[0].operators[0].builtinOptions.keepNumDims is False


def test_stored_values_are_as_many_as_the_shape_says():
    def cut(model, subgraph):
        tensor = subgraph.tensors[operator(model, "CONV_2D").inputs[1]]
        model.buffers[tensor.buffer].data = model.buffers[tensor.buffer].data[:-4]

    refused(cut, r"tensor \d+ has \d+ stored bytes, and its shape \(.*\) needs \d+")


def test_a_filter_fits_the_map_that_it_reads():
    def swap(model, subgraph):
        tensor = subgraph.tensors[operator(model, "CONV_2D").inputs[1]]
        tensor.shape = np.array([tensor.shape[3], *tensor.shape[1:3], tensor.shape[0]], np.int32)

    refused(swap, r"operator \d+ \(CONV_2D\) ")


SPARSE = random_nets.all_sparse(nets.eligible())


def sparse_tensor(subgraph):
    return next(t for t in subgraph.tensors if t.sparsity is not None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: setattr(p, "traversalOrder", [0] * len(p.traversalOrder)), "traversal order"),
        (lambda p: setattr(p, "traversalOrder", None), "levels do not fit"),
        (lambda p: p.dimMetadata.pop(), "levels do not fit"),
        (lambda p: setattr(p, "blockMap", [9]), "block map names an axis"),
        (lambda p: setattr(p.dimMetadata[0], "denseSize", 1 << 30), "a level of 1073741824 stands"),
        (lambda p: setattr(p.dimMetadata[0], "format", 9), "unknown format 9"),
        (lambda p: setattr(levels(p), "arraySegments", None), "segments contradict"),
        (lambda p: setattr(levels(p).arrayIndices, "values", None), "segments contradict"),
        (lambda p: reverse(levels(p).arraySegments), "segments"),
        (lambda p: raise_one(levels(p).arrayIndices), "outside of its shape"),
    ],
)
def test_the_levels_of_a_sparse_tensor(change, says):
    refused(lambda m, s: change(sparse_tensor(s).sparsity), says, SPARSE)


def levels(sparsity):
    return next(one for one in sparsity.dimMetadata if one.arraySegments is not None)


def reverse(vector):
    vector.values = np.asarray(vector.values)[::-1].copy()


def raise_one(vector):
    values = np.asarray(vector.values).copy()
    values[0] = 100
    vector.values = values


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("scale", np.array([np.nan], np.float32), "no positive number"),
        ("scale", np.array([-1.0], np.float32), "no positive number"),
        ("zeroPoint", np.array([1, 2], np.int64), "1 scales and 2 zero points"),
        ("zeroPoint", np.array([999], np.int64), "outside of its type's range"),
        ("quantizedDimension", 9, None),
    ],
)
def test_quantization(key, value, says):
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = (
        np.array([0.5], np.float32),
        np.array([0], np.int64),
    )
    setattr(quantization, key, value)

    def change(model, subgraph):
        subgraph.tensors[0].type = schema.TensorType.INT8
        subgraph.tensors[0].quantization = quantization

    if says is None:  # one scale has no dimension
        graph.read(changed(change))
    else:
        refused(change, f"tensor 0 has .*{says}")


def test_an_empty_list_of_scales_says_as_much_as_none():
    def change(model, subgraph):
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = np.zeros(0, np.float32), np.zeros(0, np.int64)
        tensor = subgraph.tensors[operator(model, "CONV_2D").inputs[1]]
        tensor.quantization = quantization

    model = graph.read(changed(change))
    filters = model.subgraphs[0].tensors[operator(model, "CONV_2D").inputs[1]]
    assert filters.quantization.scale is None


def test_scales_along_a_dimension_are_as_many_as_it_is_long():
    def change(model, subgraph):
        subgraph.tensors[0].quantization = quantization = schema.QuantizationParametersT()
        quantization.scale = np.ones(2, np.float32)
        quantization.zeroPoint = np.zeros(2, np.int64)

    refused(change, r"tensor 0 has 2 scales along dimension 0 of its shape")


def loop(cond=1, body=2, inputs=1):
    """A WHILE whose condition and body are subgraphs of one operator each."""

    def change(model, subgraph):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE
        model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(model.operatorCodes) - 1
        op.inputs = [int(subgraph.inputs[0])] * inputs
        subgraph.tensors.append(subgraph.tensors[op.inputs[0]])
        op.outputs = [len(subgraph.tensors) - 1]
        op.builtinOptionsType = schema.BuiltinOptions.WhileOptions
        op.builtinOptions = schema.WhileOptionsT()
        op.builtinOptions.condSubgraphIndex, op.builtinOptions.bodySubgraphIndex = cond, body
        for _ in range(2):
            part = schema.SubGraphT()
            part.tensors, part.operators = [subgraph.tensors[op.inputs[0]]], []
            part.inputs, part.outputs = [0], [0]
            model.subgraphs.append(part)
        subgraph.operators.append(op)

    return change


def test_calls_of_subgraphs():
    graph.read(changed(loop()))
    refused(loop(body=7), r"operator \d+ calls subgraph 7 of 3")
    refused(loop(cond=-1), r"operator \d+ calls subgraph -1 of 3")
    refused(loop(inputs=2), r"operator \d+ calls a subgraph of 1 inputs and 1 outputs")
    refused(loop(body=0), r"subgraph 0 calls itself")


def test_loops_within_loops_are_followed_down_to_a_depth():
    def nested(depth):
        def change(model, subgraph):
            for level in range(depth):
                outer = subgraph if level == 0 else model.subgraphs[-1]
                loop(cond=1 + 2 * level, body=2 + 2 * level)(model, outer)

        return change

    graph.read(changed(nested(MAX_DEPTH - 1)))
    refused(nested(MAX_DEPTH), rf"subgraphs call one another more than {MAX_DEPTH} deep")


def test_names_in_signatures_are_text():
    def change(model, subgraph):
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.inputs, signature.outputs = b"\xff", [], []
        model.signatureDefs = [signature]

    refused(change, "signature 0 has a name that is no UTF-8")


def test_strings_stay_in_their_buffer():
    def with_strings(data):
        def change(model, subgraph):
            tensor = schema.TensorT()
            tensor.type, tensor.shape = schema.TensorType.STRING, np.array([1], np.int32)
            tensor.buffer = len(model.buffers)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data, np.uint8)
            model.buffers.append(buffer)
            subgraph.tensors.append(tensor)

        return change

    def words(*numbers):
        return np.array(numbers, "<i4").tobytes()

    graph.read(changed(with_strings(words(1, 12, 14) + b"ab")))
    for damaged in (words(1, 12, 99), words(5, 12), words(-1, 1), b"a", words(2, 16, 8, 16)):
        refused(with_strings(damaged), "damaged strings")


def test_what_a_file_may_leave_out():
    """Old files have no signatures, no metadata, and the operator's code in the older field."""

    def change(model, subgraph):
        model.signatureDefs = model.metadata = model.description = None
        for code in model.operatorCodes:
            code.builtinCode = 0
        for tensor in subgraph.tensors:
            tensor.name = tensor.quantization = None

    model = graph.read(changed(change))
    assert model.metadata == [] and model.signatureDefs == []


def test_large_files_keep_buffers_behind_their_tables():
    """As files of more than 2 GB do: at an offset into the file."""
    whole = nets.eligible()
    begin = 1 << 20
    data = bytearray()

    def change(model, subgraph):
        for buffer in model.buffers:
            if buffer.data is not None and len(buffer.data):
                buffer.offset, buffer.size = begin + len(data), len(buffer.data)
                data.extend(bytes(buffer.data) + bytes(-len(buffer.data) % 16))
                buffer.data = None

    tables = changed(change, whole)
    split = tables + bytes(begin - len(tables)) + bytes(data)
    assert graph.weight_sparsity(split) == graph.weight_sparsity(whole) > 0
    with pytest.raises(ModelError, match=r"buffer \d+ lies behind the end of the file"):
        graph.read(split[:-100])


def test_an_operator_without_inputs_and_outputs():
    def change(model, subgraph):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"Mystery"
        model.operatorCodes.append(code)
        op = schema.OperatorT()
        op.opcodeIndex = len(model.operatorCodes) - 1
        subgraph.operators.append(op)

    damaged_networks.through_passes(changed(change))


def test_a_small_file_that_claims_a_million_tables():
    model = raw(nets.eligible())
    model.subgraphs *= 10
    op = model.subgraphs[0].operators
    model.subgraphs[0].operators = op * 50
    many = packed(model)
    limit, check.MAX_TABLES = check.MAX_TABLES, 1000
    try:
        with pytest.raises(ModelError, match="more than 1,000 tables"):
            graph.read(many)
    finally:
        check.MAX_TABLES = limit


@pytest.mark.parametrize("file", shared_models("*.tflite"), ids=lambda file: file.name)
def test_real_files_are_read(file):
    graph.read(file.read_bytes())


@settings(max_examples=examples(10, 25))
@given(random_nets.graphs())
def test_no_whole_graph_is_refused(tflite):
    graph.read(random_nets.all_sparse(tflite))


NETWORKS = functools.cache(damaged_networks.networks)


@settings(max_examples=examples(15, 60), derandomize=True)
@given(st.integers(0, 1 << 40))
def test_damaged_files_are_read_or_refused_in_one_line(seed):
    dice = random.Random(seed)
    tflite = damage_tflite(dice.choice(NETWORKS()), dice)
    try:
        damaged_networks.through_passes(tflite)
    except ModelError as error:
        assert re.search(r"TFLite file", str(error)) and "\n" not in str(error)
