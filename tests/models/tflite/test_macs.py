import nets
import numpy as np
import odd_nets
import pytest
from nets import Net

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size


def test_a_small_network_is_counted_by_hand():
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 4, kernel=3, stride=2)  # 4x4 positions
    x = net.depthwise(x)
    x = net.conv(x, 6, sparsity=0.5)
    found = size(net.build(net.dense(net.mean(x), 5)))
    convolutions = 16 * 4 * 27 + 16 * 4 * 9 + 16 * 24
    assert found.macs == convolutions + 30
    assert found.nonzero_macs == pytest.approx(found.macs - 16 * 12, abs=16)
    assert found.parameters == (108 + 4) + (36 + 4) + (24 + 6) + 30
    assert found.nonzero_parameters == 108 + 36 + 12 + 30 + 4 + 4 + 6


def test_a_shared_weight_is_held_once_and_multiplied_twice():
    net = Net()
    x = net.input(1, 4)
    weights = net.const(np.ones((4, 4), np.float32))
    for _ in range(2):
        x = net.op("FULLY_CONNECTED", [x, weights, -1], (1, 4), "FullyConnectedOptions")
    found = size(net.build(x))
    assert (found.parameters, found.macs) == (16, 32)


def test_what_a_loop_multiplies_counts_as_often_as_it_turns():
    once, often = size(odd_nets.loop(1, 8)), size(odd_nets.loop(40, 8))
    assert once.parameters == often.parameters
    assert once.macs > 0 and (often.macs, often.nonzero_macs) == (40 * once.macs, 40 * once.macs)


def test_where_the_data_decide_how_often_nothing_is_counted():
    found = size(odd_nets.loop(counts_on_data=True))
    assert (found.macs, found.nonzero_macs) == (None, None) and found.parameters > 0


def quantized(mode, net):
    from edgeprune.quantize import quantize

    return quantize(net, mode, None).tflite


@pytest.mark.parametrize("mode", ["fp16", "int8", "int8-weights", "int16x8"])
def test_a_quantized_network_takes_what_its_float_does(mode):
    net = nets.eligible(0.5)
    dense, found = size(net), size(quantized(mode, net))
    assert (found.parameters, found.macs) == (dense.parameters, dense.macs)
    # Rounding makes some more zeros, and float biases of 0 stay 0.
    assert 0.8 * dense.nonzero_macs <= found.nonzero_macs <= dense.nonzero_macs


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_a_sparse_network_takes_what_its_dense_one_does(storage):
    from edgeprune.devices.boards import load_board, resolved_cpu
    from edgeprune.sparsify import sparsify

    net = nets.eligible(0.9, storage)
    stored = sparsify(net, resolved_cpu(load_board("rpi4").cpu)).tflite
    dense, found = size(net), size(stored)
    assert stored != net and dense.macs > 0
    assert found == dense


def test_weights_of_a_type_that_numpy_lacks_are_not_known_and_never_zero(monkeypatch):
    from ai_edge_litert import schema_py_generated as schema

    model = graph.read(nets.eligible())
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if graph.op_name(model, op) == "CONV_2D":
                subgraph.tensors[op.inputs[1]].type = schema.TensorType.INT4
    monkeypatch.setattr(graph, "view", lambda tflite: model)
    found = size(b"")
    assert found.macs > 0 and (found.nonzero_macs, found.nonzero_parameters) == (None, None)
