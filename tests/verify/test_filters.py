"""Weights as a file stores them, read back dense."""

import numpy as np
from forced import encoded
from nets import Net, eligible

from edgeprune.models.tflite import graph
from edgeprune.verify.filters import filters_of, paired


def test_filters_come_in_graph_order_with_the_axis_of_their_output_channels():
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 8)
    x = net.depthwise(x)
    x = net.dense(net.mean(x), 5)
    found = filters_of(net.build(x))
    assert [(one.op, one.stored.shape, one.channel_axis) for one in found] == [
        ("CONV_2D", (8, 1, 1, 3), 0),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), 3),
        ("FULLY_CONNECTED", (5, 8), 0),
    ]
    assert found[-1].name == f"t{x}"
    for one in found:
        assert np.array_equal(one.stored, one.values) and one.values.dtype == np.float32


def test_a_sparse_file_has_the_same_filters_as_the_dense_one():
    dense = filters_of(eligible(0.9))
    sparse = filters_of(encoded(eligible(0.9)))
    assert len(dense) == len(sparse) == 4
    for before, after in zip(dense, sparse, strict=True):
        assert (before.name, before.op) == (after.name, after.op)
        assert np.array_equal(before.values, after.values)


def quantized(scale, zero_point, axis=0, values=None):
    """A dense layer whose weights are int8 behind a DEQUANTIZE."""
    net = Net()
    x = net.input(1, 3)
    values = np.array([[1, 2, 3], [4, 5, 6]], np.int8) if values is None else values
    kept = net.const(values, scale=scale, axis=axis)
    if zero_point is not None:
        net.graph.tensors[kept].quantization.zeroPoint = np.asarray(zero_point, np.int64)
    real = net.op("DEQUANTIZE", [kept], (2, 3), "DequantizeOptions", version=3)
    out = net.op("FULLY_CONNECTED", [x, real, -1], (1, 2), "FullyConnectedOptions")
    return net.build(out)


def test_one_scale_holds_for_all_weights():
    (one,) = filters_of(quantized([0.5], [1]))
    assert one.stored.dtype == np.int8
    assert one.values.tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]] and one.values.dtype == np.float32


def test_several_scales_hold_for_the_slices_of_their_axis():
    (rows,) = filters_of(quantized([0.5, 2.0], [0, 1]))
    assert rows.values.tolist() == [[0.5, 1, 1.5], [6, 8, 10]]
    (columns,) = filters_of(quantized([1.0, 2.0, 3.0], [0, 0, 1], axis=1))
    assert columns.values.tolist() == [[1, 4, 6], [4, 10, 15]]


def test_integers_without_a_scale_are_what_they_are():
    net = Net()
    kept = net.const(np.array([[1, 2], [3, 4]], np.int8))
    out = net.op("FULLY_CONNECTED", [net.input(1, 2), kept, -1], (1, 2), "FullyConnectedOptions")
    (one,) = filters_of(net.build(out))
    assert one.values.tolist() == [[1, 2], [3, 4]] and one.values.dtype == np.float32


def test_floats_are_what_they_are_even_with_a_scale():
    net = Net()
    kept = net.const(np.array([[1, 2], [3, 4]], np.float32), scale=0.5)
    out = net.op("FULLY_CONNECTED", [net.input(1, 2), kept, -1], (1, 2), "FullyConnectedOptions")
    assert filters_of(net.build(out))[0].values.tolist() == [[1, 2], [3, 4]]


def test_weights_that_two_layers_share_are_one_filter_named_after_the_first():
    net = Net()
    x, kept = net.input(1, 4), net.const(net.weights((4, 4)))
    outs = []
    for _ in range(2):
        x = net.op("FULLY_CONNECTED", [x, kept, -1], (1, 4), "FullyConnectedOptions")
        outs.append(x)
    (one,) = filters_of(net.build(x))
    assert one.name == f"t{outs[0]}"


def test_weights_that_the_graph_computes_are_passed_over_and_those_behind_them_are_not():
    net = Net()
    x, y = net.input(1, 4), net.input(4, 4)
    x = net.op("FULLY_CONNECTED", [x, y, -1], (1, 4), "FullyConnectedOptions")
    x = net.dense(net.relu(x), 2)
    (one,) = filters_of(net.build(x))
    assert one.name == f"t{x}"
    assert graph.op_name(net.model, net.graph.operators[-1]) == one.op


def names(*pairs):
    return [(name, size) for name, size in pairs]


def test_as_many_tensors_of_the_same_sizes_are_paired_in_order_whatever_their_names():
    keys = names(("a", 4), ("b", 4)), names(("b", 4), ("c", 4))
    assert paired([1, 2], [3, 4], keys) == ([(1, 3), (2, 4)], [], [])


def test_else_tensors_are_paired_by_name_and_size_and_what_is_left_over_is_told():
    keys = names(("a", 4), ("b", 6), ("c", 8)), names(("c", 8), ("b", 3), ("d", 3), ("a", 4))
    pairs, lost, new = paired("ABC", "cxya", keys)
    assert (pairs, lost, new) == ([("A", "a"), ("C", "c")], ["B"], ["x", "y"])


def test_a_tensor_is_found_again_once():
    keys = names(("a", 4), ("a", 4)), names(("a", 4))
    assert paired("AB", "a", keys) == ([("A", "a")], ["B"], [])
