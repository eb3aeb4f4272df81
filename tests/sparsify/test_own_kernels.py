"""Which layers run in edgeprune's own kernels, and what becomes of the others."""

import nets
import numpy as np
import pytest
from int8_layers import random_layer
from int8_networks import mobilenet_v1

from edgeprune.devices.boards import load_board
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import own_layers
from edgeprune.quantize import quantize
from edgeprune.sparsify import sparsify
from edgeprune.sparsify.kernel_choice import MIN_BLOCK_SPARSITY
from edgeprune.sparsify.own_kernels import (
    layers_if_int8,
    layers_of,
    sparsified_for_agent,
    with_own_kernels,
)

CPU = load_board("rpi5").cpu


def mixed():
    """Strides, padding, channels that are no multiple of 4, groups, and a dense layer."""
    net = nets.Net()
    x = net.conv(net.input(1, 17, 23, 3), 18, kernel=3, stride=2, padding="SAME")
    x = net.conv(x, 16, kernel=5, padding="VALID", act="RELU")
    x = net.conv(net.depthwise(x), 24, kernel=1, stride=2, padding="SAME", act="RELU6")
    return net.build(net.dense(net.mean(x), 10))


def with_zeros(tflite, share, every):
    """Zeros the first blocks of every so-manieth convolution; names of these layers."""
    model, names = graph.read(tflite), []
    subgraph = model.subgraphs[0]
    convolutions = [op for op in subgraph.operators if graph.op_name(model, op) == "CONV_2D"]
    for op in convolutions[1::every]:
        tensor = subgraph.tensors[op.inputs[1]]
        blocks = graph.constant(model, tensor).reshape(-1, 4).copy()
        blocks[: int(np.ceil(share * len(blocks)))] = 0
        tensor.buffer = graph.add_buffer(model, blocks.tobytes())
        names.append(graph.tensor_name(subgraph.tensors[op.outputs[0]]))
    return graph.write(model), names


def made(share, every=2):
    tflite, names = with_zeros(mobilenet_v1().tflite, share, every)
    sparsified = sparsify(tflite, CPU)
    return sparsified, sparsified_for_agent(sparsified, CPU, "edgeprune", encode=True), names


def test_layers_of_which_half_the_blocks_are_zero_are_replaced_and_no_others():
    before, after, names = made(MIN_BLOCK_SPARSITY)
    assert list(after.own.layers) == names == [name for name, _ in own_layers(
        graph.view(after.own.tflite)).values()]  # fmt: skip
    assert set(names) <= set(after.expected_there)
    assert after.tflite == before.tflite and after.deployed == after.own.tflite


def test_auto_replaces_the_layers_that_are_predicted_to_gain_and_no_others():
    tflite, names = with_zeros(mobilenet_v1().tflite, 0.95, 1)
    before = sparsify(tflite, CPU)
    after = sparsified_for_agent(before, CPU, "auto", encode=True)
    chosen = {choice.name for choice in after.choices if choice.is_own}
    assert chosen and chosen < set(names)  # some are too small
    assert {name for name, _ in own_layers(graph.view(after.deployed)).values()} == chosen
    assert after.tflite == before.tflite
    assert any(line.startswith("kernels auto: ") for line in after.reasons)


@pytest.mark.parametrize("tflite", [nets.eligible(0.0), mixed()])
def test_what_a_float_file_would_have_as_int8_is_told_before_it_is_stored_so(tflite):
    told = layers_if_int8(tflite)
    found = layers_of(quantize(tflite, "int8", None).tflite)
    assert [(one.op, one.geometry, bool(one.reason)) for one in told] == [
        (one.op, one.geometry, bool(one.reason)) for one in found
    ]
    assert all(one.weights == other.weights for one, other in zip(told, found, strict=True))


def test_a_file_shrinks_by_its_zeros():
    _, after, _ = made(0.9, every=1)
    assert len(after.deployed) < 0.5 * len(mobilenet_v1().tflite)


def test_without_zeros_enough_the_file_stays_and_says_why():
    before, after, _ = made(0.4)
    assert after.own is None and after.deployed == before.tflite
    assert "no layer runs in edgeprune's own kernels" in after.reasons[-1]


@pytest.mark.parametrize(("op", "channels"), [("CONV_2D", 24), ("FULLY_CONNECTED", 4)])
def test_a_layer_says_how_many_of_its_blocks_are_zero(op, channels):
    for seed in range(20):
        layer = random_layer(seed, op, 0.5, 4)
        model = graph.view(layer.tflite)
        subgraph = model.subgraphs[0]
        weights = graph.constant(model, subgraph.tensors[subgraph.operators[0].inputs[1]])
        if weights.shape[-1] % 4 == 0:
            zero = 1 - weights.reshape(-1, 4).any(axis=1).mean()
            (found,) = layers_of(layer.tflite)
            assert found.block_sparsity == pytest.approx(zero) and not found.reason


def test_a_layer_that_no_plan_can_stand_for_stays_and_says_why():
    model = graph.read(random_layer(3, "CONV_2D", 0.9, 4).tflite)
    model.subgraphs[0].operators[0].builtinOptions.fusedActivationFunction = 4  # TANH
    tflite = graph.write(model)
    assert "fused activation" in layers_of(tflite)[0].reason
    assert with_own_kernels(tflite) == (tflite, ())
