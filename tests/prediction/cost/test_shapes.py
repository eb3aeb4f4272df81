"""What a shape costs is what an operator of that shape costs, in a table as it ships."""

import nets
import numpy as np
import pytest
from nets import Net

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction import cost
from edgeprune.prediction.xnnpack.reader import Reader


@pytest.fixture(scope="module")
def table():
    return cost.cost_table(Cpu("cortex-a72", "aarch64", ()))


def read(tflite):
    model = graph.read(tflite)
    return Reader(model, model.subgraphs[0])


def cost_of(table, build, *, nchw=False):
    net = Net()
    reader = read(net.build(build(net)))
    return cost.op_cost(table, reader, reader.subgraph.operators[-1], nchw=nchw)


def integers(net, *values):
    return net.const(np.array(values, np.int32))


def blocks(net, name, before, after, options):
    return net.op(name, [net.input(1, *before)], (1, *after), options, blockSize=2)


def test_a_shape_of_a_copy_costs_what_an_operator_of_that_shape_costs(table):
    def flat(net):
        return net.op("RESHAPE", [net.input(2, 6), integers(net, 12)], (12,), "ReshapeOptions")

    def wider(net):
        return blocks(net, "DEPTH_TO_SPACE", (3, 4, 64), (6, 8, 16), "DepthToSpaceOptions")

    def deeper(net):
        return blocks(net, "SPACE_TO_DEPTH", (6, 8, 16), (3, 4, 64), "SpaceToDepthOptions")

    def part(net):
        inputs = [net.input(1, 6, 9, 5), integers(net, 0, 0, 0, 0), integers(net, 1, 6, 7, 5)]
        return net.op("SLICE", inputs, (1, 6, 7, 5), "SliceOptions")

    def turned(net):
        inputs = [net.input(1, 6, 7, 5), integers(net, 1, 2)]
        return net.op("REVERSE_V2", inputs, (1, 6, 7, 5), "ReverseV2Options")

    assert cost.reshape(table) == cost_of(table, flat)
    for nchw in (False, True):
        assert cost.depth_to_space(table, 768, nchw=nchw) == cost_of(table, wider, nchw=nchw)
    assert cost.space_to_depth(table, 768) == cost_of(table, deeper)
    assert cost.strided_slice(table, 210, 35) == cost_of(table, part)
    assert cost.reverse(table, 210, 5) == cost_of(table, turned)


def test_a_map_smaller_than_a_block_costs_as_much_as_one(table):
    for nchw in (False, True):
        smallest = cost.depth_to_space(table, 64, nchw=nchw)
        assert cost.depth_to_space(table, 10, nchw=nchw) == smallest
        assert smallest < cost.depth_to_space(table, 64 * 64, nchw=nchw)
    assert cost.space_to_depth(table, 10) == cost.space_to_depth(table, 32)
    assert cost.space_to_depth(table, 32) < cost.space_to_depth(table, 64)


def test_loops_run_whole_times(table):
    assert cost.space_to_depth(table, 64 + 31) == cost.space_to_depth(table, 64)
    assert cost.strided_slice(table, 210 + 34, 35) == cost.strided_slice(table, 210, 35)
    assert cost.reverse(table, 210 + 4, 5) == cost.reverse(table, 210, 5)
    for nchw in (False, True):
        whole, more = (cost.depth_to_space(table, n, nchw=nchw) for n in (768, 768 + 64 * 2))
        assert whole == more  # three rows of four pixels and two thirds of one


def test_a_shape_of_a_layer_costs_what_an_operator_of_that_shape_costs(table):
    found = cost_of(table, lambda net: net.conv(net.input(1, 7, 5, 12), 24))
    assert cost.gemm(table, 35, 12, 24) == found
    found = cost_of(table, lambda net: net.conv(net.input(1, 7, 5, 12), 24), nchw=True)
    assert cost.spmm(table, 35, 6, 6 * 12, 4, 12) == found
    for kernel in (2, 3, 5):
        found = cost_of(table, lambda net, k=kernel: net.depthwise(net.input(1, 7, 5, 12), k))
        assert cost.depthwise(table, 7, 5, 12, kernel, 1, nchw=False) == found

    def mean(net):
        axes = integers(net, 1, 2)
        inputs = [net.input(1, 1, 1, 20), axes]
        return net.op("MEAN", inputs, (1, 1, 1, 20), "ReducerOptions", keepDims=True)

    reader = read(nets.eligible())
    (op,) = (op for op in reader.subgraph.operators if graph.op_name(reader.model, op) == "MEAN")
    found = cost.op_cost(table, reader, op)
    assert found == cost.op_cost(table, reader, op, nchw=False)
    assert found != cost.op_cost(table, reader, op, nchw=True)
    assert cost.mean_of_pixel(table, 20) == cost_of(table, mean, nchw=True)
