"""Values inside a graph, and reading them out."""

import numpy as np
import pytest
from nets import Net, eligible

from edgeprune import verify
from edgeprune.models.tflite import graph
from edgeprune.verify.probes import DIRECT, MEAN, can_be_read, computed_values, read_out


def test_values_are_those_that_depend_on_an_input_in_the_order_of_their_operators():
    net = Net()
    x = net.input(1, 4)
    first = net.dense(x, 3, storage="float16")  # its weights are unpacked by an operator
    second = net.relu(first)
    net.relu(net.const(np.ones((1, 4), np.float32)))
    model = graph.read(net.build(second))
    assert computed_values(model) == [first, second]


def test_an_operator_with_several_outputs_is_known_by_its_first():
    net = Net()
    x = net.input(1, 4)
    first = net.op("SPLIT", [net.const(np.int32(1)), x], (1, 2), "SplitOptions", numSplits=2)
    other = net.tensor((1, 2))
    net.graph.operators[-1].outputs = np.array([first, other], np.int32)
    last = net.relu(other)
    assert computed_values(graph.read(net.build(last))) == [first, last]


@pytest.mark.parametrize(
    ("shape", "dtype", "has_mean"),
    [
        ((1, 2, 3, 4), "float32", True),
        ((1, 1, 2, 4), "float32", True),
        ((1, 2, 1, 1), "float32", True),
        ((1, 1, 1, 4), "float32", False),  # the mean of one pixel is the pixel
        ((1, 2, 3, 4), "int8", False),
        ((1, 2, 3, 4), "float16", False),
        ((2, 3, 4), "float32", False),
        ((1, 0, 3, 4), "float32", False),
        ((0, 2, 3, 4), "float32", False),
    ],
)
def test_the_mean_of_a_float_map_of_several_pixels_can_be_read(shape, dtype, has_mean):
    net = Net()
    net.input(1, 4)
    model, value = net.model, net.tensor(shape, dtype)
    assert can_be_read(model, value, DIRECT)
    assert can_be_read(model, value, MEAN) is has_mean


def test_a_value_of_a_type_that_no_array_has_cannot_be_read():
    net = Net()
    value = net.input(1, 2, 3, 4)
    net.graph.tensors[value].type = 13  # RESOURCE
    assert not can_be_read(net.model, value, DIRECT) and not can_be_read(net.model, value, MEAN)


def test_values_are_read_out_behind_the_models_own_outputs():
    tflite = eligible(0.5)
    model = graph.read(tflite)
    values = computed_values(model)[1:3]
    samples = verify.sample_inputs(tflite, None, 1)
    (row,) = verify.reference_outputs(read_out(tflite, values), samples)
    own = verify.reference_outputs(tflite, samples)[0]
    assert len(row) == 3 and np.array_equal(row[0], own[0])
    shapes = [graph.shape_of(model.subgraphs[0].tensors[value]) for value in values]
    assert [value.shape for value in row[1:]] == shapes


def test_the_mean_of_a_value_is_the_mean_over_its_height_and_width():
    tflite = eligible(0.5)
    value = computed_values(graph.read(tflite))[1]
    samples = verify.sample_inputs(tflite, None, 1)
    (direct,) = verify.reference_outputs(read_out(tflite, [value]), samples)
    (mean,) = verify.reference_outputs(read_out(tflite, [value], MEAN), samples)
    assert mean[-1].shape == (1, 1, 1, direct[-1].shape[3])
    assert np.allclose(mean[-1], direct[-1].mean(axis=(1, 2), keepdims=True), atol=1e-6)


def test_the_signature_that_lists_the_old_outputs_is_dropped():
    model = graph.read(eligible())
    model.signatureDefs = []
    signed = graph.write(model)
    value = computed_values(model)[0]
    assert not graph.read(read_out(signed, [value])).signatureDefs
