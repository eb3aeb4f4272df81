import pytest

from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.load.keras_size import check_activations, check_sizes
from edgeprune.load.keras_watch import bounded_building
from edgeprune.models.keras.flavours import import_keras


def tree(*layers):
    return {"class_name": "Sequential", "config": {"layers": list(layers)}}


def layer(kind, **config):
    return {"class_name": kind, "config": config}


@pytest.mark.parametrize(
    "layers",
    [
        [layer("Dense", units=5_000_000)],
        [layer("Dense", units=3_000_000)] * 2,
        [layer("Embedding", input_dim=100_000, output_dim=1_000)],
        [layer("Conv2D", filters=100_000, kernel_size=[9, 9])],
        [layer("DepthwiseConv2D", depth_multiplier=100_000, kernel_size=[9, 9])],
        [layer("LSTM", units=4_000, recurrent_initializer="orthogonal")],
        [layer("TimeDistributed", layer=layer("Dense", units=5_000_000))],
    ],
)
def test_weights_that_the_file_does_not_hold_are_refused(layers):
    with pytest.raises(ModelError, match=r"describes at least .* weights and holds 10:"):
        check_sizes(tree(*layers), 10, "m.h5")
    check_sizes(tree(*layers), 100_000_000, "m.h5")


def test_a_layer_that_two_networks_share_counts_once():
    shared = {**layer("Dense", units=3_000_000), "shared_object_id": 7}
    check_sizes(tree(shared, shared), 10, "m.h5")


@pytest.mark.parametrize(
    "item",
    [
        layer("InputLayer", batch_shape=[None, 100_000_000]),
        layer("InputLayer", batch_input_shape=[1, 50_000, 50_000, 3]),
        layer("UpSampling2D", size=[1_000_000_000, 1]),
        layer("ZeroPadding2D", padding=[[0, 100_000_000], [0, 0]]),
        layer("RepeatVector", n=1 << 40),
        layer("Reshape", target_shape=[30_000, 30_000]),
    ],
)
def test_sizes_that_fit_nowhere_are_refused(item):
    with pytest.raises(ModelError, match="more than any board could hold"):
        check_sizes(tree(item), 1 << 40, "m.h5")


@pytest.mark.parametrize(
    ("items", "line"),
    [
        ([layer("SpectralNormalization", power_iterations=10**9)], "power_iterations"),
        (
            [{**layer("Unstack"), "inbound_nodes": [{"args": [10**6], "kwargs": {}}]}],
            "splits a tensor",
        ),
        (
            [
                {
                    **layer("TFOpLambda", function="compat.v1.split"),
                    "inbound_nodes": [[["x", 0, 0, {"num_or_size_splits": 10**6}]]],
                }
            ],
            "splits a tensor",
        ),
    ],
)
def test_loops_that_take_hours_are_refused(items, line):
    with pytest.raises(ModelError, match=line):
        check_sizes(tree(*items), 1 << 40, "m.h5")


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_no_layer_makes_more_weights_than_the_file_holds(flavour):
    """Whatever a description hides, the variables show, before their values are made."""
    layers = import_keras(flavour).layers
    with quiet(), pytest.raises(ModelError, match="describes at least 100,"):
        with bounded_building(flavour, 1_000, "m.h5"):
            layers.Dense(1_000_000)(layers.Input((100_000,)))
    with quiet(), bounded_building(flavour, 1_000, "m.h5"):
        layers.Dense(10)(layers.Input((10,)))


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_only_what_is_unrolled_counts_as_unrolled(flavour):
    layers = import_keras(flavour).layers
    long, short = layers.Input((3_000, 1)), layers.Input((40, 1))
    with quiet(), bounded_building(flavour, 1_000, "m.h5"):
        layers.GRU(2)(long)
        layers.Bidirectional(layers.GRU(2, unroll=True))(short)
        layers.Dense(3_000)(long)
    with quiet(), pytest.raises(ModelError, match=r"^m\.h5: unrolls its .* into 3,000 steps"):
        with bounded_building(flavour, 1_000, "m.h5"):
            layers.GRU(2, unroll=True)(long)


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_activations_that_fit_nowhere_are_refused(flavour):
    keras = import_keras(flavour)
    layers = keras.layers
    inputs = layers.Input((1_000, 1_000, 1))
    with quiet():
        model = keras.Model(inputs, layers.UpSampling2D(100, name="huge")(inputs))
    with pytest.raises(ModelError, match="layer 'huge' returns 10,000,000,000 numbers"):
        check_activations(model, "m.h5")
