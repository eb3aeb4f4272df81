"""What ``explain`` says is what the emulated board does, for every supported release."""

import random

import pytest
import random_nets
import sweep
from full_range import TIMES, also, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_ops import NO_ACTIVATION, RELU6, TANH, Ops

from edgeprune.prediction.xnnpack.releases import RELEASES

SEEDS = range(1_000_000, 1_000_060)


class Small(Ops):
    """Graphs that begin with an eligible stem, of one storage."""

    def __init__(self, channels=8, size=(12, 20), storage="float32", seed=0):
        super().__init__(seed)
        self.storage = storage
        self.half = "float16" if storage == "float16" else "float32"
        x = self.pad4(self.input(1, *size, 3), 1, 1, 1, 1)
        self.stem = self.layer(x, channels, kernel=(3, 3), strides=(2, 2), same=False)

    def layer(self, x, channels, sparsity=0.0, **rest):
        shape = (channels, *rest.get("kernel", (1, 1)), self.shape(x)[3])
        filters = self.filters(shape, sparsity, self.storage)
        return self.convolve(x, filters, bias=self.biases(channels, self.half), **rest)

    def pointwise(self, x, channels=16, **rest):
        return self.layer(x, channels, 0.8, **rest)

    def depthwise(self, x, kernel=3, **rest):
        channels = self.shape(x)[3]
        values = self.weights((1, kernel, kernel, channels)) * 4
        filters = self.stored(values, self.storage)
        bias = self.biases(channels, self.half)
        size = (kernel, kernel)
        return self.convolve(x, filters, kernel=size, depthwise=True, bias=bias, **rest)

    def ended(self, x):
        """One more pointwise layer, and a global mean."""
        return self.build(self.reduce("MEAN", self.pointwise(x), [1, 2], keep=False))


def between(layer, **rest):
    """Stem, pointwise, ``layer``, pointwise, mean."""

    def graph():
        net = Small(**rest)
        return net.ended(layer(net, net.pointwise(net.stem)))

    return graph


def head(layer, **rest):
    """Stem, pointwise, ``layer``."""

    def graph():
        net = Small(**rest)
        return net.build(layer(net, net.pointwise(net.stem)))

    return graph


def mean(net, x, keep=True):
    return net.reduce("MEAN", x, [1, 2], keep)


def gate(net, x):
    return net.binary("MUL", x, net.unary("TANH", mean(net, x)))


def padded(net, x):
    return net.depthwise(net.pad4(x, 0, 1, 0, 1), strides=(2, 2), same=False)


def refused(net, x):
    """A layer with an activation that XNNPACK lacks, so that it runs outside."""
    return net.pointwise(x, act=TANH)


def classified(net, x):
    return net.softmax(net.reshape(net.pointwise(mean(net, x), 5, act=NO_ACTIVATION), 1, 5))


def divided(net, x):
    y = net.pointwise(net.depthwise(x))
    return mean(net, net.binary("DIV", y, net.const(net.one((1, 1, 1, 1), 2)), RELU6))


def squared():
    """XNNPACK reads past the square for the mean, which so loses its reader in the cluster."""
    net = Small()
    square = net.unary("SQUARE", net.pointwise(net.pointwise(net.stem)))
    return net.build(mean(net, square), net.prelu(square))


def unread(net, x):
    net.prelu(x)
    return net.depthwise(x)


WRONG = {
    "depthwise of stride 2, SAME": between(lambda n, x: n.depthwise(x, strides=(2, 2))),
    "depthwise of stride 2 padded 0,1": between(padded),
    "max pool": between(lambda n, x: n.pool("MAX_POOL_2D", x, (2, 2), 2)),
    "average pool": between(lambda n, x: n.pool("AVERAGE_POOL_2D", x, (2, 2), 2)),
    "PRELU": between(lambda n, x: n.prelu(x)),
    "dense 3x3": between(lambda n, x: n.layer(x, 16, kernel=(3, 3))),
    "depthwise 7x7": between(lambda n, x: n.depthwise(x, 7)),
    "1x1 of stride 2": between(lambda n, x: n.pointwise(x, strides=(2, 2))),
    "a scalar added": between(lambda n, x: n.binary("ADD", x, n.const(n.one((), 3)))),
    "a constant multiplied second": between(
        lambda n, x: n.binary("MUL", x, n.const(n.one((1, 1, 1, 16), 3)))
    ),
    "a mean over the height alone": head(lambda n, x: n.reduce("MEAN", x, [1], True)),
    "a mean over the width alone": head(lambda n, x: n.reduce("MEAN", x, [2], False)),
    "a sum over width and channels": head(lambda n, x: n.reduce("SUM", x, [2, 3], True)),
    "a mean that gates without a layer between": between(gate),
    "a mean, a pointwise layer, a reshape": head(classified),
    "a mean before a strided 1x1": head(lambda n, x: n.pointwise(mean(n, x), strides=(2, 2))),
    "a division by 2 and RELU6 before the mean": head(divided),
    "a square that a mean and a PRELU read": squared,
    "fp16 behind a layer outside XNNPACK": between(refused, storage="float16"),
    "int8 behind a layer outside XNNPACK": between(refused, storage="int8"),
}
RIGHT = {
    "depthwise of stride 1, SAME": between(lambda n, x: n.depthwise(x)),
    "depthwise 5x5": between(lambda n, x: n.depthwise(x, 5)),
    "residual": between(lambda n, x: n.binary("ADD", x, n.depthwise(x))),
    "a value multiplied by itself": between(lambda n, x: n.binary("MUL", x, x)),
    "a maximum with a scalar": between(
        lambda n, x: n.binary("MAXIMUM", x, n.const(n.one((1, 1, 1, 1), 0.5)))
    ),
    "a constant multiplied first": between(
        lambda n, x: n.binary("MUL", n.const(n.one((1, 1, 1, 16), 3)), x)
    ),
    "resize": between(lambda n, x: n.resize(x, 12, 20)),
    "fp32 behind a layer outside XNNPACK": between(refused),
    "a mean over height, width and channels": head(
        lambda n, x: n.reduce("MEAN", x, [3, 1, 2], True)
    ),
    "two layers behind the mean": head(
        lambda n, x: n.reshape(n.pointwise(n.pointwise(mean(n, x)), 5), 1, 5)
    ),
    "RELU6 as an operator behind a dense 3x3": head(
        lambda n, x: mean(n, n.unary("RELU6", n.layer(x, 16, kernel=(3, 3), act=NO_ACTIVATION)))
    ),
    "an operator that nothing reads": between(unread),
    "depth to space": head(lambda n, x: n.depth_to_space(x)),
    "subtraction, which spoils the cluster": between(
        lambda n, x: n.binary("SUB", x, n.unary("TANH", x))
    ),
    "a value added to itself, which spoils it": between(lambda n, x: n.binary("ADD", x, x)),
}


EVERY = tuple(RELEASES)


def in_turn(graphs, suite):
    """The first graphs on one release each, in turn; all on every release in the full range."""
    shown = [(graph, (EVERY[k % len(EVERY)],)) for k, graph in enumerate(graphs) if k < suite]
    return pytest.mark.parametrize(
        ("graph", "releases"),
        [*shown, *(also(graph, EVERY) for graph in graphs)],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
    )


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards")
    made = {name: sweep.Board(name, found.last, folder) for name, found in RELEASES.items()}
    yield made
    for board in made.values():
        board.close()


@pytest.fixture
def asked(boards, releases):
    return [boards[release] for release in releases]


@pytest.mark.device
@in_turn(WRONG, suite=len(WRONG))
def test_a_bad_graph_is_wrong_on_every_release_and_known_to_be_and_ours_is_right(asked, graph):
    for release, verdict in sweep.check(WRONG[graph](), asked).items():
        assert verdict.raw.is_wrong and verdict.blames_sparsity, release
        assert verdict.raw.wrong and not verdict.failures(), release


@pytest.mark.device
@in_turn(RIGHT, suite=len(RIGHT))
def test_a_good_graph_is_right_on_every_release_and_known_to_be(asked, graph):
    for release, verdict in sweep.check(RIGHT[graph](), asked).items():
        assert not verdict.raw.is_wrong and not verdict.raw.wrong, release
        assert not verdict.failures(), release


@pytest.mark.device
def test_half_filters_with_a_float_bias_are_wrong_in_2_1_and_right_later(boards):
    net = Small(storage="float16")
    net.half = "float32"
    found = sweep.check(net.ended(net.pointwise(net.stem)), boards.values())
    for release, verdict in found.items():
        assert bool(verdict.raw.wrong) == verdict.raw.is_wrong == release.startswith("2.1")
        assert not verdict.failures(), release


@pytest.mark.device
@in_turn(SEEDS, suite=len(EVERY))
def test_explain_and_the_board_agree_on_random_graphs(asked, graph):
    made = random_nets.random_graph(random.Random(graph))
    for release, verdict in sweep.check(made, asked, graph).items():
        assert not verdict.failures(), release


@pytest.mark.device
@settings(
    max_examples=examples(5, 20),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(random_nets.graphs(), st.sampled_from(EVERY))
def test_explain_and_the_board_agree_on_any_graph(boards, graph, release):
    asked = boards.values() if TIMES else [boards[release]]
    for release, verdict in sweep.check(graph, asked).items():
        assert not verdict.failures(), release


@pytest.mark.parametrize(("count", "sparse", "wrong"), [(30, 3, 0), also(100, 10, 2)])
def test_random_graphs_hold_sparse_clusters_and_broken_ones(count, sparse, wrong):
    plans = [
        sweep.explain(random_nets.all_sparse(random_nets.random_graph(random.Random(s))), sweep.A72)
        for s in range(count)
    ]
    assert sum(bool(plan.sparse) for plan in plans) > sparse
    assert sum(bool(plan.wrong) for plan in plans) > wrong
