"""Which kernels an operator runs, on shapes small enough to be worked out by hand."""

import numpy as np
import pytest
from nets import Net

from edgeprune.models.tflite import graph
from edgeprune.prediction.cost.kernel_calls import Place, kernel_calls
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.xnnpack.reader import Reader

TILES = (1, 4, 6)


def calls(build, *, nchw=False, last=-1):
    """Kernel calls of an operator of a net, by default its last one.

    Args:
        build: Given a net, adds operators and returns the index of the net's output.
        nchw: Whether the operator stands in a sparse cluster.
        last: Which operator.
    """
    net = Net()
    model = graph.read(net.build(build(net)))
    reader = Reader(model, model.subgraphs[0])
    return kernel_calls(Place(reader, TILES, nchw), reader.subgraph.operators[last])


def integers(net, *values):
    return net.const(np.array(values, np.int32))


def test_a_pointwise_convolution_is_a_gemm_with_a_row_for_each_pixel():
    found = calls(lambda net: net.conv(net.input(1, 2, 3, 5), 16))
    assert found == [Call("gemm.6x8", (6, 5, 16, (6, 8), 1, 1))]


def test_a_pointwise_convolution_in_a_cluster_is_sparse_with_the_blocks_of_its_weights():
    # Weights without a zero fill every block of four channels: 16 channels, 5 inputs.
    found = calls(lambda net: net.conv(net.input(1, 2, 3, 5), 16), nchw=True)
    assert found == [Call("spmm.4", (6, 4, 20, 5))]


def test_the_convolution_of_an_image_in_a_cluster_is_the_one_that_begins_it():
    found = calls(lambda net: net.conv(net.input(1, 8, 6, 3), 16, kernel=3, stride=2), nchw=True)
    assert found == [Call("hwc2chw", (4, 3, 16))]


def test_a_convolution_with_a_kernel_is_an_indirect_gemm_with_its_taps():
    found = calls(lambda net: net.conv(net.input(1, 8, 6, 5), 16, kernel=3, stride=2))
    assert found == [Call("igemm.6x8", (12, 5, 16, (6, 8), 9, 1))]


def grouped(net, groups, depth, columns, kernel=3):
    """A CONV_2D whose filters see only their group's share of the channels."""
    x = net.input(1, 4, 6, groups * depth)
    filters = net.const(net.weights((columns, kernel, kernel, depth)))
    bias = net.const(np.zeros(columns, np.float32))
    return net.op(
        "CONV_2D",
        [x, filters, bias],
        (1, 4, 6, columns),
        "Conv2DOptions",
        strideH=1,
        strideW=1,
        dilationHFactor=1,
        dilationWFactor=1,
    )


@pytest.mark.parametrize(
    ("groups", "depth", "columns", "kernel", "expected"),
    [
        (2, 5, 16, 3, Call("igemm.6x8", (24, 5, 8, (6, 8), 9, 2))),
        (4, 1, 8, 3, Call("igemm.4x2", (24, 1, 2, (4, 2), 9, 4))),
        (8, 1, 8, 3, Call("dwconv.9", (4, 6, 8, 1))),  # a depthwise one by another name
        (8, 1, 8, 5, Call("dwconv.25", (4, 6, 8, 1))),
        (8, 1, 8, 6, Call("igemm.4x2", (24, 1, 1, (4, 2), 36, 8))),  # more than 25 taps
        (2, 1, 2, 3, Call("dwconv.9", (4, 6, 2, 1))),
        (1, 1, 1, 3, Call("igemm.4x2", (24, 1, 1, (4, 2), 9, 1))),  # one group is no depthwise
        (4, 2, 4, 3, Call("igemm.4x2", (24, 2, 1, (4, 2), 9, 4))),
    ],
)
def test_a_convolution_in_groups_runs_them_one_after_another(
    groups, depth, columns, kernel, expected
):
    assert calls(lambda net: grouped(net, groups, depth, columns, kernel)) == [expected]


@pytest.mark.parametrize(
    ("kernel", "stride", "nchw", "expected"),
    [
        (3, 1, False, [Call("dwconv.9", (9, 8, 10, 1))]),
        (5, 2, False, [Call("dwconv.25", (5, 4, 10, 2))]),
        (7, 1, False, [Call("igemm.4x2", (72, 1, 1, (4, 2), 49, 10))]),  # too many taps
        (3, 2, True, [Call("dwconv_chw.3x3s2", (5, 4, 10, 2))]),
        (5, 1, True, [Call("dwconv_chw.5x5s1", (9, 8, 10, 4))]),
        (7, 1, True, None),  # there is no such kernel
        (3, 3, True, None),
    ],
)
def test_a_depthwise_convolution_takes_a_kernel_of_its_layout(kernel, stride, nchw, expected):
    found = calls(
        lambda net: net.depthwise(net.input(1, 9, 8, 10), kernel=kernel, stride=stride), nchw=nchw
    )
    assert found == expected


def test_a_dense_layer_that_drops_dimensions_copies_its_output_into_shape():
    product = Call("gemm.4x2", (15, 7, 4, (4, 2), 1, 1))
    for keep, expected in ((True, [product]), (False, [Call("copy.reshape", (1, 0)), product])):
        found = calls(lambda net, keep=keep: net.dense(net.input(3, 5, 7), 4, keep=keep))
        assert found == expected


def test_a_dense_layer_in_a_cluster_is_sparse():
    found = calls(lambda net: net.dense(net.input(3, 7), 8), nchw=True)
    assert found == [Call("spmm.4", (3, 2, 14, 7))]


def sum_of(net, first, second, act=0):
    inputs = [net.input(*first), net.input(*second)]
    shape = np.broadcast_shapes(first, second)
    return net.op("ADD", inputs, shape, "AddOptions", fusedActivationFunction=act)


def test_a_sum_with_an_activation_takes_a_second_pass():
    shapes = ((1, 2, 3, 4), (1, 2, 3, 4))
    plain = Call("binary.plain", (1, 24))
    assert calls(lambda net: sum_of(net, *shapes)) == [plain]
    assert calls(lambda net: sum_of(net, *shapes, act=1)) == [plain, Call("unary.CLAMP", (1, 24))]


@pytest.mark.parametrize(
    ("name", "options", "kernel"),
    [
        ("SQUARED_DIFFERENCE", "SquaredDifferenceOptions", "square"),
        ("MAXIMUM", "MaximumMinimumOptions", "plain"),
        ("PRELU", None, "prelu"),
        ("MUL", "MulOptions", "plain"),
    ],
)
def test_operators_on_two_operands_take_one_pass_of_their_kernel(name, options, kernel):
    def on_two(net):
        inputs = [net.input(1, 2, 3, 4), net.const(np.ones((1, 2, 3, 4), np.float32))]
        return net.op(name, inputs, (1, 2, 3, 4), options)

    assert calls(on_two) == [Call(f"binary.{kernel}", (1, 24))]


@pytest.mark.parametrize(
    ("second", "nchw", "expected"),
    [
        ((1, 1, 1, 4), False, Call("binary.plain", (6, 4))),
        ((1, 1, 1, 4), True, Call("binary.plain_scalar", (4, 6))),
        ((4,), True, Call("binary.plain_scalar", (4, 6))),
        ((3, 1), True, Call("binary.plain", (8, 3))),
        ((1, 2, 3, 1), True, Call("binary.plain", (4, 6))),
    ],
)
def test_a_sum_in_a_cluster_has_its_channels_outside(second, nchw, expected):
    assert calls(lambda net: sum_of(net, (1, 2, 3, 4), second), nchw=nchw) == [expected]


def reduced(net, axes, shape=(2, 3, 5, 7), name="MEAN"):
    x = net.input(*shape)
    kept = tuple(1 if axis in {a % 4 for a in axes} else n for axis, n in enumerate(shape))
    return net.op(name, [x, integers(net, *axes)], kept, "ReducerOptions", keepDims=True)


@pytest.mark.parametrize(
    ("axes", "nchw", "expected"),
    [
        ((1, 2), False, Call("mean_columns", (15, 14))),
        ((1, 2), True, Call("mean_rows", (14, 15))),
        ((3,), False, Call("mean_rows", (30, 7))),
        ((-1,), False, Call("mean_rows", (30, 7))),
        ((2, -1), False, Call("mean_rows", (6, 35))),
        ((2, -2), False, Call("mean_columns", (5, 42))),  # one axis, said twice
        ((0,), False, Call("mean_columns", (2, 105))),
    ],
)
def test_a_mean_runs_along_rows_where_the_last_axis_goes(axes, nchw, expected):
    assert calls(lambda net: reduced(net, axes), nchw=nchw) == [expected]
    assert calls(lambda net: reduced(net, axes, name="SUM"), nchw=nchw) == [expected]


def pooled(net, name, kernel=(2, 3), padding=1, stride=1, shape=(2, 6, 7, 5)):
    count, height, width, channels = shape
    if padding:
        height, width = height - kernel[0] + 1, width - kernel[1] + 1
    return net.op(
        name,
        [net.input(*shape)],
        (count, -(-height // stride), -(-width // stride), channels),
        "Pool2DOptions",
        padding=padding,
        strideH=stride,
        strideW=stride,
        filterHeight=kernel[0],
        filterWidth=kernel[1],
    )


@pytest.mark.parametrize(
    ("name", "padding", "expected"),
    [
        ("MAX_POOL_2D", 1, Call("pooling.max", (5, 5, 5, 6))),
        ("MAX_POOL_2D", 0, Call("pooling.max", (6, 7, 5, 6))),
        ("AVERAGE_POOL_2D", 1, Call("pooling.average", (5, 5, 5, 6))),
        ("AVERAGE_POOL_2D", 0, Call("pooling.average_padded", (6, 7, 5, 6))),
    ],
)
def test_an_average_over_a_padded_map_has_a_kernel_of_its_own(name, padding, expected):
    assert calls(lambda net: pooled(net, name, padding=padding)) == [expected]


@pytest.mark.parametrize(
    ("name", "builtin"), [("MAX_POOL_2D", "max_pool"), ("AVERAGE_POOL_2D", "average_pool")]
)
def test_a_pooling_layer_that_only_leaves_pixels_out_runs_in_the_interpreter(name, builtin):
    # The delegate refuses strides larger than the window; the map is 2 x 6 x 7 pixels.
    found = calls(lambda net: pooled(net, name, kernel=(1, 1), stride=2))
    assert found == [Call(f"builtin.{builtin}", (84, 5))]
    for kernel in ((1, 2), (2, 2)):
        assert calls(lambda net, k=kernel: pooled(net, name, kernel=k, stride=3)) is None


def test_a_softmax_is_a_row_a_call():
    def softmax(net):
        return net.op("SOFTMAX", [net.input(2, 3, 10)], (2, 3, 10), "SoftmaxOptions", beta=1.0)

    assert calls(softmax) == [Call("softmax", (6, 10))]


def joined(net, axis, parts=(2, 5), copies=1):
    shapes = [(3, 4, size) if axis % 3 == 2 else (3, size, 4) for size in parts]
    inputs = [net.input(*shape) for shape in shapes]
    total = sum(parts) * copies
    shape = (3, 4, total) if axis % 3 == 2 else (3, total, 4)
    return net.op("CONCATENATION", inputs * copies, shape, "ConcatenationOptions", axis=axis)


@pytest.mark.parametrize(
    ("axis", "runs", "lengths"), [(2, 12, (2, 5)), (-1, 12, (2, 5)), (1, 3, (8, 20))]
)
def test_a_concatenation_copies_each_input_in_runs(axis, runs, lengths):
    expected = [Call("copy.concatenation", (runs, length)) for length in lengths]
    assert calls(lambda net: joined(net, axis)) == expected


def test_a_concatenation_of_more_than_five_inputs_runs_in_the_interpreter():
    # 3 x 4 rows of six pieces, of 252 elements in all: 3 in each, rounded down.
    found = calls(lambda net: joined(net, -1, copies=3))
    assert found == [Call("builtin.concatenation", (72, 3))]
    found = calls(lambda net: joined(net, 1, parts=(2, 2), copies=3))
    assert found == [Call("builtin.concatenation", (18, 8))]


def part_of(net, size, whole=(2, 4, 6, 8)):
    begin = [0] * len(whole)
    inputs = [net.input(*whole), integers(net, *begin), integers(net, *size)]
    return net.op("SLICE", inputs, size, "SliceOptions")


@pytest.mark.parametrize(
    ("size", "arguments"),
    [
        ((2, 4, 6, 3), (48, 3)),
        ((2, 4, 5, 8), (8, 40)),
        ((2, 3, 6, 8), (2, 144)),
        ((1, 4, 6, 8), (1, 192)),
        ((1, 4, 5, 8), (4, 40)),
        ((2, 4, 6, 8), (1, 384)),
    ],
)
def test_a_slice_copies_runs_from_the_last_dimension_that_it_cuts(size, arguments):
    assert calls(lambda net: part_of(net, size)) == [Call("copy.slice", arguments)]


def test_a_slice_to_another_number_of_dimensions_is_not_predicted():
    def flat(net):
        inputs = [net.input(2, 3), integers(net, 0, 0), integers(net, 1, 3)]
        return net.op("SLICE", inputs, (3,), "SliceOptions")

    assert calls(flat) is None


def test_a_pad_copies_what_was_there_row_by_row():
    def padded(net):
        return net.relu(net.pad(net.input(1, 4, 5, 8), 1, 2))

    assert calls(padded, last=-2) == [Call("pad", (56, 448, 160))]


def test_a_pad_that_the_next_layer_takes_in_costs_nothing():
    def fused(net):
        x = net.pad(net.input(1, 4, 5, 8))
        return net.conv(x, 4, kernel=3, padding="VALID")

    assert calls(fused, last=-2) == []


def blocks(net, name, shape, size):
    count, height, width, depth = shape
    after = (count, height * size, width * size, depth // size**2)
    if name == "SPACE_TO_DEPTH":
        after = (count, height // size, width // size, depth * size**2)
    options = {"DEPTH_TO_SPACE": "DepthToSpaceOptions", "SPACE_TO_DEPTH": "SpaceToDepthOptions"}
    return net.op(name, [net.input(*shape)], after, options[name], blockSize=size)


@pytest.mark.parametrize(
    ("name", "shape", "size", "nchw", "expected"),
    [
        # 4 x 5 pixels of 18 channels in blocks of 3: 2 channels, in 60 runs of 6.
        ("DEPTH_TO_SPACE", (1, 4, 5, 18), 3, False, Call("copy.depth_to_space", (60, 6))),
        ("DEPTH_TO_SPACE", (1, 4, 5, 18), 3, True, Call("transpose.depth_to_space", (36, 2, 5))),
        # 8 x 6 pixels of 5 channels in blocks of 2: 4 x 3 pixels, each of 2 runs of 10.
        ("SPACE_TO_DEPTH", (1, 8, 6, 5), 2, False, Call("copy.space_to_depth", (24, 10))),
    ],
)
def test_blocks_of_pixels_are_moved_in_runs_of_their_channels(name, shape, size, nchw, expected):
    assert calls(lambda net: blocks(net, name, shape, size), nchw=nchw) == [expected]


def transposed(net, order, shape=(2, 3, 5, 7)):
    after = tuple(shape[axis] for axis in order)
    return net.op("TRANSPOSE", [net.input(*shape), integers(net, *order)], after)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((0, 2, 1, 3), Call("copy.transpose", (30, 7))),  # channels stay together
        ((0, 3, 1, 2), Call("transpose.general", (6, 5, 7))),
        ((0, 2, 3, 1), Call("transpose.general", (10, 3, 7))),
        ((3, 2, 1, 0), Call("transpose.general", (15, 2, 7))),
    ],
)
def test_a_transpose_copies_channels_or_turns_matrices(order, expected):
    assert calls(lambda net: transposed(net, order)) == [expected]


def test_a_resize_has_a_kernel_for_each_layout():
    def resized(net):
        inputs = [net.input(1, 2, 3, 5), integers(net, 4, 6)]
        return net.op("RESIZE_BILINEAR", inputs, (1, 4, 6, 5), "ResizeBilinearOptions")

    assert calls(resized) == [Call("resize", (4, 6, 5))]
    assert calls(resized, nchw=True) == [Call("resize_chw", (4, 6, 5))]


@pytest.mark.parametrize("name", ["RESHAPE", "EXPAND_DIMS", "SQUEEZE"])
def test_another_shape_of_the_same_elements_costs_the_same_whatever_the_size(name):
    def reshaped(net):
        more, options = ([], ["SqueezeOptions"]) if name == "SQUEEZE" else ([integers(net, 12)], [])
        return net.op(name, [net.input(2, 6), *more], (12,), *options)

    assert calls(reshaped) == [Call("copy.reshape", (1, 0))]


def reversed_along(net, axes, shape=(2, 3, 4, 5)):
    inputs = [net.input(*shape), integers(net, *axes)]
    return net.op("REVERSE_V2", inputs, shape, "ReverseV2Options")


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ((1, 2), (2, 3, 4, 5), Call("builtin.reverse", (24, 5))),  # pixels of 5 channels move
        ((3,), (2, 3, 4, 5), Call("builtin.reverse_run", (24, 5))),
        ((2, 3), (2, 3, 4, 5), Call("builtin.reverse_run", (6, 20))),
        # Of one channel, the width is the last dimension.
        ((1, 2), (2, 3, 4, 1), Call("builtin.reverse_run", (2, 12))),
        ((1,), (2, 3, 4, 1), Call("builtin.reverse", (6, 4))),
        ((0,), (6, 1, 1), Call("builtin.reverse_run", (1, 6))),
        ((0,), (1, 1), Call("builtin.reverse_run", (1, 1))),
    ],
)
def test_a_reverse_moves_runs_of_what_stays_together(axes, shape, expected):
    assert calls(lambda net: reversed_along(net, axes, shape)) == [expected]


def test_an_operator_on_one_operand_visits_each_element_once():
    found = calls(lambda net: net.op("TANH", [net.input(2, 3, 5)], (2, 3, 5)))
    assert found == [Call("unary.TANH", (1, 30))]


def test_what_nobody_measured_has_no_kernels():
    assert calls(lambda net: net.op("SIGN", [net.input(2, 3)], (2, 3))) is None
    assert calls(lambda net: reduced(net, (1,), name="REDUCE_MAX")) is None


def test_weights_that_the_graph_computes_have_no_sparse_kernel():
    def computed(net):
        x, y = net.input(4, 6), net.input(8, 6)
        return net.op("FULLY_CONNECTED", [x, y, -1], (4, 8), "FullyConnectedOptions")

    assert calls(computed, nchw=True) is None
