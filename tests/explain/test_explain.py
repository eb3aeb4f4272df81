import nets
import pytest
from nets import Net

from edgeprune.board import Cpu
from edgeprune.explain import explain

A72 = Cpu("cortex-a72", "aarch64", ())


def stem(net, padding="VALID", low=1, high=1, channels=3):
    x = net.input(1, 32, 32, channels)
    if padding == "VALID":
        x = net.pad(x, low, high)
    return net.conv(x, 16, kernel=3, stride=2, padding=padding)


def plan(build, sparsity=0.9):
    net = Net()
    x = net.conv(stem(net), 64, sparsity=sparsity)
    x = build(net, x)
    x = net.conv(x, 64, sparsity=sparsity)
    return explain(net.build(net.mean(x)), A72, assume_armed=True)


SAME_CLUSTER = {
    "depthwise stride 1 SAME": lambda net, x: net.depthwise(x),
    "depthwise stride 2 padded 1,1": lambda net, x: net.depthwise(
        net.pad(x), stride=2, padding="VALID"
    ),
    "depthwise 5x5 padded 2,2": lambda net, x: net.depthwise(
        net.pad(x, 2, 2), kernel=5, stride=2, padding="VALID"
    ),
    "residual add": lambda net, x: net.add(x, net.depthwise(x)),
    "relu": lambda net, x: net.relu(x),
}
WRONG = {
    "depthwise stride 2 SAME": lambda net, x: net.depthwise(x, stride=2),
    "depthwise stride 2 padded 0,1": lambda net, x: net.depthwise(
        net.pad(x, 0, 1), stride=2, padding="VALID"
    ),
    "max pool": lambda net, x: net.max_pool(x),
    "dense 3x3": lambda net, x: net.conv(x, 64, kernel=3),
    "depthwise 7x7": lambda net, x: net.depthwise(x, kernel=7),
    "strided 1x1": lambda net, x: net.conv(x, 64, stride=2),
}


@pytest.mark.parametrize("name", SAME_CLUSTER)
def test_compatible_operators_keep_the_cluster_together(name):
    found = plan(SAME_CLUSTER[name])
    assert len(found.sparse) == 2 and not found.wrong


@pytest.mark.parametrize("name", WRONG)
def test_operators_without_an_nchw_kernel_leave_a_cluster_without_an_end(name):
    found = plan(WRONG[name])
    assert not found.sparse
    assert found.wrong


@pytest.mark.parametrize("sparsity, count", [(0.60, 0), (0.66, 0), (0.672, 2), (0.72, 2)])
def test_more_than_two_thirds_of_zeros_are_needed(sparsity, count):
    assert len(plan(SAME_CLUSTER["relu"], sparsity).sparse) == count


@pytest.mark.parametrize(
    "stem_args, reason",
    [
        ({"padding": "SAME"}, "SAME with a stride"),
        ({"low": 0, "high": 1}, "padding 0,1,1,0"),
        ({"channels": 1}, "on 1 channels"),
    ],
)
def test_a_stem_that_cannot_begin_a_cluster_is_named(stem_args, reason):
    net = Net()
    x = net.conv(stem(net, **stem_args), 64, sparsity=0.9)
    found = explain(net.build(net.mean(x)), A72, assume_armed=True)
    assert not found.sparse and not found.wrong
    assert reason in found.layers[0].reason


def test_without_a_sparse_weight_nothing_runs_sparse():
    found = explain(nets.eligible(), A72)
    assert not found.sparse
    assert {layer.reason for layer in found.layers} == {"no weight of the graph is stored sparse"}


def test_x86_with_avx_never_runs_sparse():
    avx = Cpu("host", "x86_64", ("avx",))
    found = explain(nets.eligible(), avx, assume_armed=True)
    assert not found.sparse and "AVX" in found.layers[0].reason
    sse = Cpu("host", "x86_64", ("sse4_1",))
    assert len(explain(nets.eligible(), sse, assume_armed=True).sparse) == 2


def test_a_head_that_keeps_dimensions_joins_the_cluster_and_its_weights_count():
    def head(sparsity):
        net = Net()
        x = net.conv(stem(net), 64, sparsity=0.9)
        x = net.conv(net.mean(x, keep=True), 200, sparsity=sparsity)
        return explain(net.build(net.mean(x)), A72, assume_armed=True)

    assert len(head(0.9).sparse) == 2
    assert not head(0.0).sparse


def test_a_dense_layer_after_the_mean_does_not_count():
    net = Net()
    x = net.conv(stem(net), 64, sparsity=0.9)
    found = explain(net.build(net.dense(net.mean(x), 500)), A72, assume_armed=True)
    assert found.sparse == (found.layers[0].name,)
    assert "keep_num_dims" in found.layers[1].reason
