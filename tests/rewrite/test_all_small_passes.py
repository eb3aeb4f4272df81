"""Every small pass on random graphs, and on what it must leave alone."""

import numpy as np
import pytest
from full_range import examples
from hypothesis import HealthCheck, assume, given, settings
from nets import Net
from random_nets import graphs
from small_passes import applied, find, operators

from edgeprune.models.tflite import graph
from edgeprune.rewrite.passes import (
    average_pool,
    constant_operands,
    dense_head,
    dense_to_pointwise,
    hard_swish,
    prelu,
    scalar_folding,
    stem_channels,
    strided_pointwise,
)


def joined_heads(model):
    dense = [op for op in model.subgraphs[0].operators if _is(model, op, "FULLY_CONNECTED")]
    return [dense_head.join_dense(model, op) for op in dense]


def _is(model, op, name):
    return graph.op_name(model, op) == name


PASSES = {
    "average_pool": average_pool.apply,
    "constant_operands": constant_operands.apply,
    "dense_to_pointwise": dense_to_pointwise.apply,
    "hard_swish": hard_swish.apply,
    "join_dense": joined_heads,
    "prelu": prelu.apply,
    "scalar_folding": scalar_folding.apply,
    "stem_channels": stem_channels.apply,
    "strided_pointwise": strided_pointwise.apply,
}


@settings(
    deadline=None, max_examples=examples(10, 25), suppress_health_check=[HealthCheck.too_slow]
)
@given(tflite=graphs())
@pytest.mark.parametrize("name", PASSES)
def test_random_graphs_compute_the_same(name, tflite):
    assume("FLOOR" not in operators(tflite))  # the last bits decide where it jumps
    applied(tflite, PASSES[name])


@settings(
    deadline=None, max_examples=examples(15, 60), suppress_health_check=[HealthCheck.too_slow]
)
@given(tflite=graphs())
def test_random_graphs_compute_the_same_after_all_passes(tflite):
    assume("FLOOR" not in operators(tflite))
    applied(tflite, lambda model: [note for apply in PASSES.values() for note in apply(model)])


def everything():
    """A net in which every pass but the dense heads' finds something."""
    net = Net()
    x = net.conv(net.pad(net.input(1, 17, 17, 1)), 8, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 8, act=None)
    three = net.const(np.float32(3))
    clamped = net.op("ADD", [x, three], net.shape(x), "AddOptions", fusedActivationFunction=3)
    x = net.op("MUL", [x, clamped], net.shape(x), "MulOptions")
    x = net.op("DIV", [x, net.const(np.float32(6))], net.shape(x), "DivOptions")
    slopes = net.const(np.linspace(0, 1, 8, dtype=np.float32))
    x = net.op("PRELU", [net.conv(x, 8, stride=2, act=None), slopes], (1, 5, 5, 8))
    x = net.op("SUB", [x, three], net.shape(x), "SubOptions")
    x = net.relu(x)
    shape = np.array([1, 1, 1, 8], np.int32)
    gate = net.op("RESHAPE", [net.mean(x), net.const(shape)], shape, "ReshapeOptions")
    x = net.op("MUL", [x, gate], net.shape(x), "MulOptions")
    n, h, w, c = net.shape(x)
    pooled = {"padding": 1, "strideH": 1, "strideW": 1, "filterHeight": h, "filterWidth": w}
    return net.build(net.op("AVERAGE_POOL_2D", [x], (n, 1, 1, c), "Pool2DOptions", **pooled))


APPLIED = [name for name in PASSES if name != "join_dense"]


@pytest.mark.parametrize("name", APPLIED)
def test_a_pass_that_finds_something_finds_nothing_the_second_time(name):
    after, notes = applied(everything(), PASSES[name])
    assert any(note.done for note in notes)
    again = graph.read(after)
    assert not any(note.done for note in PASSES[name](again))
    assert operators(graph.write(again)) == operators(after)


@pytest.mark.parametrize("name", APPLIED)
def test_notes_carry_the_name_of_the_pass_and_of_a_layer(name):
    _, notes = applied(everything(), PASSES[name])
    model = graph.read(everything())
    layers = {graph.tensor_name(tensor) for tensor in model.subgraphs[0].tensors}
    assert {note.rewrite for note in notes} == {name}
    assert {note.layer for note in notes} <= layers


def test_no_pass_touches_a_model_that_computes_on_integers():
    net = Net()
    x = net.tensor((1, 4, 4, 3), "int8", scale=0.1)
    net.graph.inputs.append(x)
    for name, options in (("SUB", "SubOptions"), ("DIV", "DivOptions")):
        constant = net.const(np.int8(4), scale=0.1)
        net.op(name, [x, constant], (1, 4, 4, 3), options)
        x = net.graph.operators[-1].outputs[0]
        net.graph.tensors[x].type = net.graph.tensors[net.graph.inputs[0]].type
    pool = {"padding": 1, "strideH": 1, "strideW": 1, "filterHeight": 4, "filterWidth": 4}
    y = net.op("AVERAGE_POOL_2D", [x], (1, 1, 1, 3), "Pool2DOptions", **pool)
    net.graph.tensors[y].type = net.graph.tensors[net.graph.inputs[0]].type
    model = graph.read(net.build(y))
    for apply in PASSES.values():
        assert not apply(model)
    assert find(model, "AVERAGE_POOL_2D")
