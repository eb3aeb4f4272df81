import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net
from same_outputs import ARM, Built, gap

from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite import gates, turn
from edgeprune.rewrite.gates import placement


def placed(tflite, table=None):
    model = graph.read(tflite)
    turn.apply(model, turn.best_axes(model))
    found = placement.place(Reader(model, model.subgraphs[0]), ARM, table)
    notes = gates.apply(model, found)
    return model, notes


class Costs:
    """Costs by chance, so that clusters begin and end anywhere."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def op_cost(self, table, reader, op, *, nchw):
        return float(self.rng.exponential(10.0))

    def gate_instructions(self, *_):
        return float(self.rng.exponential(5.0))


def patched(patch, costs):
    patch.setattr(placement, "op_cost", costs.op_cost)
    patch.setattr(placement, "entry_cost", costs.gate_instructions)
    patch.setattr(placement, "exit_cost", costs.gate_instructions)


@st.composite
def nets(draw):
    """Branches, residuals, excitation, pools and heads of layers that are 90 % zeros."""
    net = Net(draw(st.integers(0, 99)))
    size, channels = draw(st.integers(6, 12)), draw(st.sampled_from([3, 1]))
    x = net.conv(
        net.input(1, size, size, channels),
        draw(st.sampled_from([8, 16, 28])),
        kernel=3,
        stride=draw(st.integers(1, 2)),
    )
    outputs = []
    for _ in range(draw(st.integers(1, 7))):
        x = draw(st.sampled_from(STEPS))(net, x, draw)
        if draw(st.integers(0, 9)) == 0:
            outputs.append(x)
    return Built(net.build(*outputs, draw(st.sampled_from([_flat, _mean, _map]))(net, x)))


def _pointwise(net, x, draw):
    return net.conv(x, draw(st.sampled_from([8, 16, 28, 40])), sparsity=0.9)


def _dense(net, x, draw):
    return net.conv(x, 16, kernel=3)


def _separable(net, x, draw):
    x = net.depthwise(x, kernel=draw(st.sampled_from([3, 5, 7])), stride=draw(st.integers(1, 2)))
    return net.conv(x, 16, sparsity=0.9)


def _residual(net, x, draw):
    return net.add(x, net.conv(net.conv(x, 24, sparsity=0.9), net.shape(x)[3], sparsity=0.9))


def _excited(net, x, draw):
    inner = net.conv(net.mean(x, keep=True), 8, sparsity=0.9)
    gate = net.op("LOGISTIC", [inner], net.shape(inner))
    return net.op(
        "MUL", [x, net.conv(gate, net.shape(x)[3], sparsity=0.9)], net.shape(x), "MulOptions"
    )


def _pooled(net, x, draw):
    return net.max_pool(x) if min(net.shape(x)[1:3]) > 1 else x


def _branches(net, x, draw):
    one, two = net.conv(x, 8, sparsity=0.9), net.depthwise(x)
    shape = (*net.shape(x)[:3], 8 + net.shape(x)[3])
    return net.op("CONCATENATION", [one, two], shape, "ConcatenationOptions", axis=3)


def _flat(net, x):
    size = int(np.prod(net.shape(x)))
    shape = net.const(np.array([1, size], np.int32))
    return net.dense(net.op("RESHAPE", [x, shape], (1, size), "ReshapeOptions"), 5)


def _mean(net, x):
    return net.dense(net.mean(x), 5)


def _map(net, x):
    return x


STEPS = [_pointwise, _dense, _separable, _residual, _excited, _pooled, _branches]


@given(nets(), st.integers(0, 999))
@settings(max_examples=examples(20, 200))
def test_wherever_costs_put_the_gates_outputs_stay_and_nothing_is_computed_wrong(before, seed):
    with pytest.MonkeyPatch.context() as patch:
        patched(patch, Costs(seed))
        model, _ = placed(before)
    after = graph.write(model)
    assert explain(after, ARM, assume_hint=True).wrong == ()
    assert gap(before, after, count=1) < 1e-5


@given(nets(), st.integers(0, 999))
@settings(max_examples=examples(12, 100))
def test_every_pointwise_layer_that_is_placed_inside_will_run_sparse(before, seed):
    with pytest.MonkeyPatch.context() as patch:
        patched(patch, Costs(seed))
        model = graph.read(before)
        turn.apply(model, turn.best_axes(model))
        reader = Reader(model, model.subgraphs[0])
        found = placement.place(reader, ARM, None)
        inside = [
            reader.name(int(op.outputs[0]))
            for op in model.subgraphs[0].operators
            if id(op) in found.inside and graph.is_pointwise(model, model.subgraphs[0], op)
        ]
        gates.apply(model, found)
    sparse = {
        name.split("/product")[0].removesuffix("/nchw")
        for name in explain(model, ARM, assume_hint=True).sparse
    }
    assert set(inside) <= sparse


@given(st.integers(8, 16), st.integers(0, 999))
@settings(max_examples=examples(12, 50))
def test_what_is_cheaper_inside_goes_inside_as_a_whole(blocks, seed):
    rng = np.random.default_rng(seed)
    net = Net(0)
    x = net.conv(net.input(1, 17, 17, 3), 16, kernel=3, stride=2)
    for _ in range(blocks):
        x = _excited(net, _residual(net, x, None), None)
    model = graph.read(net.build(net.dense(net.mean(x), 5)))
    turn.apply(model, turn.best_axes(model))

    def cost(table, reader, op, *, nchw):
        return 1e3 * float(rng.exponential(10.0 if nchw else 30.0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "op_cost", cost)
        patch.setattr(placement, "entry_cost", lambda *_: 1e9 / 3)
        patch.setattr(placement, "exit_cost", lambda *_: 1e9 / 7)
        found = placement.place(Reader(model, model.subgraphs[0]), ARM, None)
    operators = model.subgraphs[0].operators
    outside = [graph.op_name(model, op) for op in operators if id(op) not in found.inside]
    assert outside == ["PAD", "CONV_2D", "FULLY_CONNECTED"]  # padding, entry and head


@pytest.mark.parametrize(("exit_cost", "is_inside"), [(0.0, True), (1e9, False)])
def test_a_map_that_the_graph_hands_out_pays_its_way_out_of_the_cluster(exit_cost, is_inside):
    net = Net(0)
    x = net.conv(net.input(1, 17, 17, 3), 16, kernel=3, stride=2)
    for _ in range(3):
        x = net.conv(x, 16, sparsity=0.9)
    model = graph.read(net.build(x))
    turn.apply(model, turn.best_axes(model))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "op_cost", lambda *_, nchw: 1e3 if nchw else 2e3)
        patch.setattr(placement, "entry_cost", lambda *_: 0.0)
        patch.setattr(placement, "exit_cost", lambda *_: exit_cost)
        found = placement.place(Reader(model, model.subgraphs[0]), ARM, None)
    assert bool(found.inside) == is_inside
