"""Plans read back: the same network for any runtime, and nothing that a stranger may forge."""

import dataclasses
import functools
import struct
import zlib

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_layers import random_layer
from int8_networks import mobilenet_v1
from kernel_rig import xnnpack_outputs

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph, plan_reader
from edgeprune.models.tflite.conv_plan import OPERATORS, own_layers, plan_of
from edgeprune.models.tflite.plan_reader import read_plan, with_runtime_kernels
from edgeprune.sparsify.own_kernels import layers_of, with_own_kernels

HEADER_BYTES, FIELDS = 96, 20


def own_file(seed=3, op="CONV_2D", zeros=0.5):
    return with_own_kernels(random_layer(seed, op, zeros, 4).tflite)[0]


@functools.cache
def plan(seed=3, op="CONV_2D"):
    model = graph.view(random_layer(seed, op, 0.5, 4).tflite)
    return plan_of(model, model.subgraphs[0], model.subgraphs[0].operators[0])


def forged(content):
    """The same with a length and a checksum that fit."""
    body = bytes(content[16:])
    return content[:8] + struct.pack("<II", len(content), zlib.crc32(body)) + body


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("seed", [*range(12), *map(also, range(12, 60))])
def test_a_layer_read_back_computes_the_same_to_the_bit(op, seed):
    layer = random_layer(seed, op, 0.5, 4, large=seed % 3 == 0)
    own, names = with_own_kernels(layer.tflite)
    if not names:
        assert layers_of(layer.tflite)[0].reason
        return
    back = with_runtime_kernels(own)
    assert not own_layers(graph.view(back))
    found = xnnpack_outputs(dataclasses.replace(layer, tflite=back))
    np.testing.assert_array_equal(found, xnnpack_outputs(layer))
    assert layers_of(back)[0].geometry == layers_of(layer.tflite)[0].geometry


def test_a_whole_network_read_back_is_the_same_network():
    tflite = mobilenet_v1().tflite
    back = with_runtime_kernels(with_own_kernels(tflite)[0])
    outputs = []
    for content in (tflite, back):
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        source = interpreter.get_input_details()[0]
        values = np.random.default_rng(1).integers(-128, 128, source["shape"]).astype(np.int8)
        interpreter.set_tensor(source["index"], values)
        interpreter.invoke()
        ends = interpreter.get_output_details()
        outputs.append([interpreter.get_tensor(end["index"]) for end in ends])
    np.testing.assert_equal(outputs[1], outputs[0])


def test_a_file_without_such_layers_comes_back_itself():
    tflite = mobilenet_v1().tflite
    assert with_runtime_kernels(tflite) is tflite


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=examples(60, 200), deadline=None)
def test_a_plan_with_any_bit_turned_is_refused(at, bit):
    damaged = bytearray(plan())
    damaged[at % len(damaged)] ^= 1 << bit
    with pytest.raises(ValueError):
        read_plan(bytes(damaged))


@given(
    number=st.integers(0, FIELDS - 1),
    value=st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1)),
    seed=st.integers(0, 5),
)
@settings(max_examples=examples(150, 400), deadline=None)
def test_a_forged_header_is_read_in_full_or_refused(number, value, seed):
    content = bytearray(plan(seed))
    content[16 + 4 * number : 20 + 4 * number] = struct.pack("<I", value)
    try:
        found = read_plan(forged(bytes(content)))
    except ValueError:
        return
    assert found.fields["blocks"] == len(found.position) == len(found.weights)
    assert found.dense_weights().shape[0] == found.fields["out_channels"] == len(found.scale)


@given(data=st.data())
@settings(max_examples=examples(80, 200), deadline=None)
def test_forged_arrays_are_read_in_full_or_refused(data):
    content = bytearray(plan(data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(HEADER_BYTES, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        found = read_plan(forged(bytes(content)))
    except ValueError:
        return
    assert np.count_nonzero(found.dense_weights()) <= found.weights.size


def changed(tflite, change):
    model = graph.read(tflite)
    change(model, model.subgraphs[0], model.subgraphs[0].operators[0])
    return graph.write(model)


def drop_plan(model, subgraph, op):
    op.customOptions = None


def widen_input(model, subgraph, op):
    source = subgraph.tensors[op.inputs[0]]
    source.shape = np.add(source.shape, [0, 0, 1, 0]).astype(np.int32)


def other_zero_point(model, subgraph, op):
    quantization = subgraph.tensors[op.inputs[0]].quantization
    quantization.zeroPoint = np.array([(int(quantization.zeroPoint[0]) + 129) % 256 - 128])


def no_scale(model, subgraph, op):
    subgraph.tensors[op.outputs[0]].quantization = None


def second_input(model, subgraph, op):
    op.inputs = np.array([op.inputs[0], op.inputs[0]], np.int32)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (drop_plan, "it is no plan of a convolution"),
        (widen_input, "its tensors have another size than it says"),
        (other_zero_point, "its tensors are not quantized as it says"),
        (no_scale, "its tensors are not quantized as it says"),
        (second_input, "it has not one input and one output"),
    ],
)
def test_a_plan_that_is_not_its_layers_is_refused_by_name(change, why):
    with pytest.raises(ModelError, match=rf"the plan of edgeprune\.conv\.0 is refused: {why}"):
        with_runtime_kernels(changed(own_file(), change))


def test_weights_that_would_fill_the_memory_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(plan_reader, "MAX_DENSE_BYTES", 10)
    with pytest.raises(ModelError, match="larger than 2 GB"):
        with_runtime_kernels(own_file())
