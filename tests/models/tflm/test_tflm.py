"""Weights for TensorFlow Lite Micro: what is encoded decodes to the same bits; damage is seen."""

import numpy as np
import pytest
from beside import shared_models
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from int8_layers import random_layer
from int8_networks import streaming_wakeword
from int8_operators import reference_outputs
from nets import Net

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflm import HEADER, OPERATOR
from edgeprune.models.tflm.decode import decoded
from edgeprune.models.tflm.encode import encoded, split

ELEMENTS = st.sampled_from([0, 0, 0, 1, -1, 127, -128])


def pruned(op="CONV_2D", seed=0, zeros=0.8):
    return random_layer(seed, op, zeros=zeros, usual=True).tflite


def operators(tflite):
    model = graph.view(tflite)
    return [model.operatorCodes[op.opcodeIndex].customCode or graph.op_name(model, op)
            for op in model.subgraphs[0].operators]  # fmt: skip


def test_the_first_element_is_the_highest_bit_and_the_header_stands_before_the_values():
    bitmap, values = split(np.array([5, 0, 0, 0, 0, 0, 0, -1, 0, 9], np.int8))
    assert bitmap == bytes([0b10000001, 0b01000000])
    assert values == bytes([2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 255, 9])


def test_a_negative_zero_is_a_value():
    bitmap, values = split(np.array([0.0, -0.0], np.float32))
    assert bitmap == bytes([0b01000000])
    assert values[len(HEADER) :] == np.array([-0.0], np.float32).tobytes()


@given(values=arrays.arrays(np.int8, st.integers(1, 70), elements=ELEMENTS))
def test_reading_by_bits_gives_the_elements(values):
    """As ``DecodeStatePrune::DecompressToBuffer`` goes through them."""
    bitmap, stored = split(values)
    kept = iter(np.frombuffer(stored[len(HEADER) :], np.int8))
    read = [next(kept) if bitmap[i >> 3] >> (~i & 7) & 1 else 0 for i in range(values.size)]
    assert read == values.tolist()
    assert next(kept, None) is None


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
@pytest.mark.parametrize("seed", range(4))
def test_a_layer_decodes_to_the_same_outputs(op, seed):
    layer = random_layer(seed, op, zeros=0.8, usual=True)
    made = encoded(layer.tflite)
    runs = [values.tobytes() for values in layer.inputs]
    again = reference_outputs(decoded(made.tflite), runs)
    np.testing.assert_array_equal(again, layer.outputs())


def test_decode_stands_before_the_layer_and_the_file_gets_smaller():
    tflite = pruned(seed=3, zeros=0.9)
    made = encoded(tflite)
    assert operators(made.tflite) == [OPERATOR, "CONV_2D"]
    (tensor,) = made.tensors
    assert tensor.bytes_after < tensor.bytes_before


def test_weights_that_would_grow_stay_as_they_are():
    tflite = pruned(zeros=0.0)
    made = encoded(tflite)
    assert made.tensors == ()
    assert operators(made.tflite) == ["CONV_2D"]


def test_weights_of_two_layers_are_stored_once_and_made_twice():
    net = Net()
    x = net.input(1, 4, 4, 32)
    y = net.conv(net.conv(x, 32, sparsity=0.9), 32, sparsity=0.9)
    first, second = net.graph.operators
    second.inputs[1] = first.inputs[1]
    net.graph.outputs = np.array([y], np.int32)
    net.graph.inputs = np.array([x], np.int32)
    tflite = bytes(graph.write(net.model))
    made = encoded(tflite)
    assert len(made.tensors) == 1
    assert operators(made.tflite) == [OPERATOR, "CONV_2D"] * 2
    assert len(made.tflite) < len(tflite)


def test_one_scale_has_axis_0_which_decode_asks_for():
    model = graph.read(pruned("FULLY_CONNECTED", zeros=0.9))
    op = model.subgraphs[0].operators[0]
    quantization = model.subgraphs[0].tensors[op.inputs[1]].quantization
    quantization.scale, quantization.zeroPoint = quantization.scale[:1], np.zeros(1, np.int64)
    quantization.quantizedDimension = 1
    read = graph.view(encoded(bytes(graph.write(model))).tflite)
    made = read.subgraphs[0].tensors[read.subgraphs[0].operators[0].outputs[0]]
    assert made.quantization.quantizedDimension == 0


def test_a_whole_network_keeps_its_outputs():
    case = streaming_wakeword()
    model = graph.read(case.tflite)
    chance = np.random.default_rng(0)
    for op in model.subgraphs[0].operators:
        if graph.op_name(model, op) in ("CONV_2D", "FULLY_CONNECTED"):
            buffer = model.buffers[model.subgraphs[0].tensors[op.inputs[1]].buffer]
            data = np.array(buffer.data)
            buffer.data = np.where(chance.random(data.size) < 0.75, 0, data).astype(np.uint8)
    tflite = bytes(graph.write(model))
    made = encoded(tflite)
    assert len(made.tensors) == 5
    assert len(made.tflite) < 0.6 * len(tflite)
    np.testing.assert_array_equal(
        reference_outputs(decoded(made.tflite), case.runs), reference_outputs(tflite, case.runs)
    )


@pytest.mark.parametrize("path", shared_models("*.tflite"), ids=lambda path: path.stem)
def test_real_models_come_back_whole(path):
    tflite = path.read_bytes()
    assert decoded(encoded(tflite).tflite)


def test_every_byte_of_an_encoded_tensor_is_looked_at():
    made = encoded(pruned(seed=3, zeros=0.9)).tflite
    model = graph.view(made)
    before = bytes(decoded(made))
    for index in model.subgraphs[0].operators[0].inputs:
        size = len(model.buffers[model.subgraphs[0].tensors[index].buffer].data)
        for at in range(size):
            changed = graph.read(made)
            buffer = changed.buffers[changed.subgraphs[0].tensors[index].buffer]
            data = np.array(buffer.data)
            data[at] ^= 0x80
            buffer.data = data
            try:
                assert bytes(decoded(bytes(graph.write(changed)))) != before
            except ModelError:
                continue
