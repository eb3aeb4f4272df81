import nets
import numpy as np
import pytest
from nets import Net
from random_nets import all_sparse
from random_ops import Ops

from edgeprune.devices.boards import Cpu
from edgeprune.errors import ConfigError
from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.prediction.xnnpack import releases
from edgeprune.prediction.xnnpack.nodes import explicit_pads, fused_pad
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.sparsify import sparsify

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
    return explain(net.build(net.mean(x)), A72, assume_hint=True)


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
    found = explain(net.build(net.mean(x)), A72, assume_hint=True)
    assert not found.sparse and not found.wrong
    assert reason in found.layers[0].reason


def test_without_a_sparse_weight_nothing_runs_sparse():
    found = explain(nets.eligible(), A72)
    assert not found.sparse
    assert {layer.reason for layer in found.layers} == {"no weight of the graph is stored sparse"}


def test_x86_with_avx_never_runs_sparse():
    avx = Cpu("host", "x86_64", ("avx",))
    found = explain(nets.eligible(), avx, assume_hint=True)
    assert not found.sparse and "AVX" in found.layers[0].reason
    sse = Cpu("host", "x86_64", ("sse4_1",))
    assert len(explain(nets.eligible(), sse, assume_hint=True).sparse) == 2


def test_a_head_that_keeps_dimensions_joins_the_cluster_and_its_weights_count():
    def head(sparsity):
        net = Net()
        x = net.conv(stem(net), 64, sparsity=0.9)
        x = net.conv(net.mean(x, keep=True), 200, sparsity=sparsity)
        return explain(net.build(net.mean(x)), A72, assume_hint=True)

    assert len(head(0.9).sparse) == 2
    assert not head(0.0).sparse


def test_a_dense_layer_after_the_mean_does_not_count():
    net = Net()
    x = net.conv(stem(net), 64, sparsity=0.9)
    found = explain(net.build(net.dense(net.mean(x), 500)), A72, assume_hint=True)
    assert found.sparse == (found.layers[0].name,)
    assert "keep_num_dims" in found.layers[1].reason


def test_operators_without_inputs_or_outputs_are_no_trouble():
    net = Ops()
    handle = net.op("VAR_HANDLE", [], (1,), "VarHandleOptions")
    net.op("ASSIGN_VARIABLE", [handle, net.input(1, 8)], (1,))
    net.graph.operators[-1].outputs = np.array([], np.int32)
    read = net.op("READ_VARIABLE", [handle], (1, 8))
    found = explain(net.build(net.fully_connected(read, 4, 0.5, "float32", keep=False)), A72)
    assert [layer.op for layer in found.layers] == ["FULLY_CONNECTED"] and not found.wrong


def test_a_pointwise_layer_takes_no_pad_but_a_strided_one_does():
    net = Net()
    x = net.input(1, 8, 8, 4)
    plain = net.pad(x)
    net.conv(plain, 8, padding="VALID")
    strided = net.pad(x)
    net.conv(strided, 8, padding="VALID", stride=2)
    model = graph.read(net.build(*(int(op.outputs[0]) for op in net.graph.operators[1::2])))
    reader = Reader(model, model.subgraphs[0])
    assert fused_pad(reader, plain) is None
    assert fused_pad(reader, strided) is not None


def test_padding_in_front_of_same_padding_adds_up():
    net = Net()
    x = net.pad(net.input(1, 8, 8, 4), 1, 0)
    out = net.depthwise(x, padding="SAME")
    model = graph.read(net.build(out))
    reader = Reader(model, model.subgraphs[0])
    assert explicit_pads(reader, model.subgraphs[0].operators[-1], (3, 3)) == (2, 1, 1, 2)


@pytest.mark.parametrize(
    ("name", "release"),
    [("2.1", "2.1"), ("2.1.3", "2.1"), ("2.1.6", "2.1.6"), ("2.3.0", "2.3"), ("2.2", "2.2")],
)
def test_a_version_belongs_to_a_release(name, release):
    assert releases.release(name) is releases.RELEASES[release]


@pytest.mark.parametrize("name", ["1.4", "2.4.0", "", "latest", "9" * 5000])
def test_an_unknown_release_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=r"known: 2\.1"):
        explain(nets.eligible(), A72, release=name)


def test_a_logarithm_parts_the_graph_in_2_1_alone():
    net = Net()
    x = net.conv(stem(net), 64, sparsity=0.9)
    x = net.op("LOG", [x], net.shape(x))
    tflite = net.build(net.mean(net.conv(x, 64, sparsity=0.9)))
    count = {
        r: len(explain(tflite, A72, assume_hint=True, release=r).sparse) for r in ("2.1", "2.3")
    }
    assert count == {"2.1": 0, "2.3": 2}


def test_a_sparse_constant_that_nothing_unpacks_is_wrong_on_any_cpu():
    net = Net()
    out = net.dense(net.input(1, 64), 32, sparsity=0.9, version=12)
    model = graph.read(sparsify(net.build(out), A72).tflite)
    dense, layer = model.subgraphs[0].operators
    layer.inputs[1] = dense.inputs[0]
    model.subgraphs[0].operators = [layer]
    avx = Cpu("host", "x86_64", ("avx",))
    assert explain(graph.write(model), avx).wrong
    layer.opcodeIndex = graph.opcode_index(model, "FULLY_CONNECTED", 8)
    assert not explain(graph.write(model), avx).wrong


def test_integer_weights_that_xnnpack_cannot_unpack_are_wrong():
    net = Ops()
    x = net.input(1, 64)
    values = net.weights((32, 64), 0.9)
    kept = net.const(np.rint(values * 100).astype(np.int8), scale=0.01)
    out = net.op("FULLY_CONNECTED", [x, kept, -1], (1, 32), "FullyConnectedOptions", version=12)
    assert explain(all_sparse(net.build(out)), A72).wrong


def test_layers_of_every_subgraph_are_checked():
    good, bad = graph.read(nets.eligible()), graph.read(nets.wrong_on_arm())
    offset = len(good.buffers)
    good.buffers += bad.buffers
    other = bad.subgraphs[0]
    for tensor in other.tensors:
        tensor.buffer += offset
    for op in other.operators:
        code = bad.operatorCodes[op.opcodeIndex]
        op.opcodeIndex = graph.opcode_index(good, graph.op_name(bad, op), code.version)
    good.subgraphs.append(other)
    assert explain(good, A72, assume_hint=True).wrong
    good.subgraphs.pop()
    assert not explain(good, A72, assume_hint=True).wrong
