import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import Net

from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.gates import gate
from edgeprune.rewrite.gates.channel_groups import Groups, batches, is_summed_late
from edgeprune.verify import reference_outputs, sample_inputs


def outputs(tflite):
    return reference_outputs(tflite, sample_inputs(tflite, None, 1))[0]


@given(st.integers(1, 200))
def test_the_groups_of_a_gate_hold_each_channel_once(channels):
    groups = gate.channel_groups(channels)
    assert sorted(np.concatenate(groups).tolist()) == list(range(channels))
    assert all(len(group) <= gate.GROUP_CHANNELS for group in groups)


@pytest.mark.parametrize("channels", [1, 3, 4, 12, 13, 16, 30, 48])
@pytest.mark.parametrize("size", [(4, 4), (5, 3), (1, 1)])
def test_an_entry_hands_over_every_channel_to_the_bit(channels, size):
    net = Net()
    x = net.relu(net.input(1, *size, channels))
    model = graph.read(net.build(x))
    parts = gate.enter(model, x, is_walled=True)
    subgraph = model.subgraphs[0]
    subgraph.outputs = np.array([x, *(part for part, _ in parts)], np.int32)
    edit.sort(subgraph)
    whole, *found = outputs(graph.write(model))
    for (_, held), part in zip(parts, found, strict=True):
        np.testing.assert_array_equal(part, whole[..., held])


@pytest.mark.parametrize("shape", [(4, 4, 8), (3, 5, 4), (1, 1, 7)])
def test_an_exit_is_the_identity_and_keeps_the_name(shape):
    net = Net()
    x = net.relu(net.input(1, *shape))
    before = net.build(x)
    model = graph.read(before)
    gate.leave(model, x)
    edit.sort(model.subgraphs[0])
    after = graph.write(model)
    np.testing.assert_array_equal(outputs(before)[0], outputs(after)[0])
    names = [graph.tensor_name(m.subgraphs[0].tensors[x]) for m in map(graph.read, (before, after))]
    assert names[0] == names[1]


def test_a_map_with_odd_channels_cannot_leave():
    assert gate.can_leave((1, 4, 4, 8))
    assert not gate.can_leave((1, 4, 4, 6))
    assert gate.can_leave((1, 1, 1, 6))
    assert not gate.can_leave((1, 8))


def test_a_wall_copies():
    net = Net()
    x = net.relu(net.input(1, 3, 5, 2))
    before = net.build(net.relu(x))
    model = graph.read(before)
    gate.wall(model, x)
    edit.sort(model.subgraphs[0])
    np.testing.assert_array_equal(outputs(before)[0], outputs(graph.write(model))[0])


def carried(net, x, last):
    """The net before, and after a gate at ``x`` with everything behind it in the cluster."""
    before = net.build(last)
    model = graph.read(before)
    subgraph = model.subgraphs[0]
    behind, inside = {x}, set()
    for op in subgraph.operators:
        if any(int(i) in behind for i in op.inputs):
            inside.add(id(op))
            behind.update(int(out) for out in op.outputs)
    reader = Reader(model, model.subgraphs[0])
    Groups(reader, gate.enter(model, x, is_walled=False), x, inside).carry()
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return before, graph.write(model)


def relative_gap(before, after):
    expected, found = outputs(before)[0], outputs(after)[0]
    return float(np.abs(expected - found).max() / np.abs(expected).max())


@pytest.mark.parametrize("channels", [8, 24, 30, 150])
@pytest.mark.parametrize("filters", [4, 64, 200])
def test_groups_pass_a_separable_block(channels, filters):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), channels, kernel=3)
    y = net.depthwise(net.pad(net.op("HARD_SWISH", [x], net.shape(x))), stride=2, padding="VALID")
    act = None if filters == 4 else "RELU6"
    before, after = carried(net, x, net.conv(y, filters, act=act))
    assert relative_gap(before, after) < 1e-6


def test_groups_are_put_together_for_an_operator_that_mixes_maps():
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 40, kernel=3)
    squeezed = net.conv(net.mean(x, keep=True), 40)
    y = net.op("MUL", [x, squeezed], net.shape(x), "MulOptions")
    before, after = carried(net, x, net.conv(net.add(x, y), 8))
    assert relative_gap(before, after) < 1e-6


def test_two_maps_of_the_same_groups_are_multiplied_group_by_group():
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 40, kernel=3)
    swish = net.op("MUL", [x, net.op("LOGISTIC", [x], net.shape(x))], net.shape(x), "MulOptions")
    before, after = carried(net, x, net.conv(swish, 8))
    names = [graph.op_name(m, op) for m in [graph.read(after)] for op in m.subgraphs[0].operators]
    assert names.count("LOGISTIC") == names.count("MUL") == len(gate.channel_groups(40))
    assert relative_gap(before, after) < 1e-6


def test_a_constant_is_cut_by_channels():
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 40, kernel=3)
    scaled = net.op("MUL", [net.const(net.weights((1, 1, 1, 40))), x], net.shape(x), "MulOptions")
    before, after = carried(net, x, net.conv(scaled, 8))
    assert relative_gap(before, after) < 1e-6


def test_batches_lose_nothing():
    assert [list(b) for b in batches(range(7))] == [[0, 1, 2], [3, 4, 5], [6]]


def test_few_outputs_are_summed_late_and_many_early():
    assert is_summed_late(3, 32, 16)
    assert not is_summed_late(3, 32, 256)
    assert is_summed_late(1, 12, 1000)
