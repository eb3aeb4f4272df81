import dataclasses

import emulated
import numpy as np
import odd_nets
import pytest
from full_range import also
from nets import Net, eligible
from same_outputs import ARM, gap

from edgeprune.devices.boards import Cpu, load_board
from edgeprune.prediction import explain
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify

DESKTOP = Cpu(core="x86-64", isa="x86_64", features=("avx", "avx2"))


def separable(stem=3, stride=2, channels=64, size=24, inputs=3, sparsity=0.9, head="mean"):
    """What Keras makes of a small separable net: SAME everywhere."""
    net = Net()
    x = net.conv(net.input(1, size, size, inputs), 16, kernel=stem, stride=stride)
    x = net.conv(x, channels, sparsity=sparsity)
    for step in (2, 1, 1):
        x = net.depthwise(x, stride=step)
        x = net.conv(x, channels, sparsity=sparsity)
    if head == "mean":
        return net.build(net.dense(net.mean(x), 10, sparsity=sparsity))
    x = net.max_pool(x)
    flat = int(np.prod(net.shape(x)))
    shape = net.const(np.array([1, flat], np.int32))
    return net.build(net.dense(net.op("RESHAPE", [x, shape], (1, flat), "ReshapeOptions"), 10))


CASES = {
    "stock": {},
    "stride-1 stem": {"stride": 1},
    "7x7 stem": {"stem": 7},
    "grayscale": {"inputs": 1},
    "max-pooled, flattened head": {"head": "flat"},
}


@pytest.mark.parametrize("case", CASES)
def test_a_stock_net_gets_a_cluster_wherever_it_begins_and_ends(case):
    before = separable(**CASES[case])
    assert not explain(before, ARM, assume_hint=True).sparse
    done = rewrite(before, ARM)
    assert len(explain(done.tflite, ARM, assume_hint=True).sparse) >= 4
    assert "predicted" in done.summary
    assert gap(before, done.tflite) < 1e-5


FIRST, *MIDDLE, LAST = CASES


@pytest.mark.device
@pytest.mark.parametrize("case", [FIRST, LAST, *map(also, MIDDLE)])
def test_on_the_board_it_is_right_and_what_was_predicted_runs_sparse(case, tmp_path):
    before = separable(**CASES[case])
    after = sparsify(rewrite(before, ARM).tflite, ARM)
    assert emulated.relative_error(after.tflite, tmp_path) < 1e-5
    ran = [layer.name for layer in emulated.kernels(after.tflite, tmp_path) if layer.sparse]
    assert len(ran) >= 4
    assert ran == list(explain(after.tflite, ARM).sparse)


def test_a_net_with_too_few_zeros_is_left_as_it_came():
    before = separable(sparsity=0.5)
    done = rewrite(before, ARM)
    assert done.tflite is before
    assert done.summary == "no layer would get faster by running sparse"


def test_a_net_that_runs_sparse_as_it_is_is_left_so():
    before = eligible(size=32)
    done = rewrite(before, ARM)
    assert done.tflite is before
    assert done.summary == "none needed: 2 layers run sparse in the graph as it is"


def test_a_desktop_gets_the_model_as_it_came():
    before = separable()
    done = rewrite(before, DESKTOP)
    assert done.tflite is before
    assert "no sparse kernels" in done.summary


def test_a_small_net_whose_gates_cost_more_than_they_win_stays():
    before = separable(stride=1, channels=16, size=8)
    done = rewrite(before, ARM)
    assert done.tflite is before


def test_dense_layers_in_a_sparse_net_stay_outside_so_that_the_rest_has_enough_zeros():
    net = Net()
    x = net.conv(net.input(1, 32, 32, 3), 16, kernel=3, stride=2)
    for sparsity in (0.9, 0.9, 0.0):
        x = net.conv(net.depthwise(x), 64, sparsity=sparsity)
    x = net.conv(x, 256)
    before = net.build(net.mean(x))
    done = rewrite(before, ARM)
    plan = explain(done.tflite, ARM, assume_hint=True)
    assert len(plan.sparse) == 2
    assert gap(before, done.tflite) < 1e-5


def test_where_a_part_is_not_predicted_nothing_is_rewritten_and_the_summary_says_so():
    done = rewrite(odd_nets.loop(counts_on_data=True), load_board("rpi4").cpu)
    assert done.notes == () and done.summary == "the cost of WHILE is not predicted"


def test_a_graph_that_the_runtime_would_compute_wrong_is_refused(monkeypatch):
    """The passes make none, so the verdict on what they made is put there."""
    original = separable()
    looks = []

    def wrong_after_the_passes(*args, **rest):
        plan = explain(*args, **rest)
        looks.append(plan)
        return dataclasses.replace(plan, wrong=("t8",)) if len(looks) > 1 else plan

    monkeypatch.setattr("edgeprune.rewrite.explain", wrong_after_the_passes)
    done = rewrite(original, ARM)
    assert done.tflite == original and not done.notes
    assert done.summary == "the runtime would compute t8 wrong"
