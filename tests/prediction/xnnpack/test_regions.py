import nets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nets import Net

from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain

A72 = Cpu("cortex-a72", "aarch64", ())


def plan(tflite, **rest):
    return explain(tflite, A72, assume_hint=True, **rest)


def test_a_cluster_is_described_by_its_two_ends():
    (cluster,) = plan(nets.eligible()).clusters
    assert cluster.sparse and cluster.layers == 2
    assert cluster.begins.startswith("with CONV_2D") and cluster.ends.startswith("with MEAN")
    assert cluster.zeros / cluster.weights == pytest.approx(0.9, abs=0.001)


def test_what_stands_before_and_behind_a_cluster_is_named_with_its_fault():
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 16, kernel=7)
    x = net.max_pool(net.conv(x, 8, sparsity=0.9))
    (first, second) = plan(net.build(net.mean(net.conv(x, 8, sparsity=0.9)))).clusters
    assert "CONV_2D" in first.begins and "is a dense 7x7 convolution" in first.begins
    assert "MAX_POOL_2D" in first.ends and "MAX_POOL_2D" in second.begins
    assert second.ends.startswith("with MEAN")
    assert [first.number, second.number] == [1, 2]


def test_inputs_and_outputs_of_the_graph_are_ends():
    net = Net()
    x = net.input(1, 8, 8, 4)
    (cluster,) = plan(net.build(net.conv(x, 4, sparsity=0.9))).clusters
    assert cluster.begins == "at the input t0"
    assert cluster.ends.startswith("at the output")


def test_a_cluster_with_several_ends_says_how_many_more():
    net = Net()
    x = net.conv(net.input(1, 8, 8, 4), 4, sparsity=0.9)
    outputs = [net.max_pool(x), net.max_pool(net.conv(x, 4, sparsity=0.9))]
    (cluster,) = plan(net.build(*outputs)).clusters
    assert cluster.ends.endswith("and 1 more")


def test_a_board_without_sparse_kernels_has_no_clusters():
    found = explain(nets.eligible(), Cpu("host", "x86_64", ("avx",)))
    assert found.clusters == ()
    assert {layer.cluster for layer in found.operators} == {0}


def chain(kinds, is_eligible, sparsity):
    """A stem, then a layer for each letter, some of which part the cluster."""
    net = Net()
    x = net.pad(net.input(1, 32, 32, 3)) if is_eligible else net.input(1, 33, 33, 3)
    x = net.conv(x, 8, kernel=3, stride=2, padding="VALID")
    for kind in kinds:
        if kind == "p":
            x = net.conv(x, 8, sparsity=sparsity)
        elif kind == "s":
            x = net.depthwise(x, stride=2)
        elif kind == "m" and min(net.shape(x)[1:3]) > 1:
            x = net.max_pool(x)
        elif kind == "a":
            x = net.add(x, net.conv(x, 8, sparsity=0.9))
        elif kind == "r":
            x = net.relu(x)
        else:
            x = net.depthwise(x)
    return net.build(net.mean(x))


@given(st.text("pdsmar", max_size=8), st.booleans(), st.sampled_from([0.0, 0.6, 0.9]))
def test_clusters_and_layers_tell_the_same_story(kinds, is_eligible, sparsity):
    found = plan(chain(kinds, is_eligible, sparsity))
    by_number = {cluster.number: cluster for cluster in found.clusters}
    for layer in found.layers:
        cluster = by_number[layer.cluster]
        assert layer.sparse == cluster.sparse or layer.name in found.wrong
        assert bool(layer.kernel) == bool(layer.block) == layer.sparse
        assert layer.sparse or layer.reason != "runs sparse"
    for cluster in found.clusters:
        members = [layer for layer in found.layers if layer.cluster == cluster.number]
        assert cluster.layers == len(members)
        assert cluster.weights == sum(layer.weights for layer in members)
        assert cluster.zeros == sum(layer.zeros for layer in members)
        assert not cluster.sparse or cluster.zeros * 3 > cluster.weights * 2
