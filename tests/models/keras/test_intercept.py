import numpy as np
import pytest
from keras_nets import FLAVOURS, SHAPE, build, each_kind

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.intercept import run_until, spots, watched
from edgeprune.models.keras.weights import walk

X = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype(np.float32)


def named(model):
    return {path: layer for path, layer in walk(model) if hasattr(layer, "kernel")}


def is_clean(model):
    return all("call" not in layer.__dict__ for _, layer in walk(model))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_layers_come_in_the_order_of_their_calls_with_shared_ones_once(flavour):
    model = build(flavour, "nested")
    layers = named(model)
    found = spots(model, list(reversed(layers.values())), X[:1])
    assert [spot.layer.name for spot in found] == ["mix", "mix", "head"]
    assert found[0].layer is layers["mix"] and found[1].layer is layers["inner/mix"]
    assert [spot.calls for spot in found] == [2, 1, 1]
    assert is_clean(model)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_batch_normalization_behind_a_layer_is_found_in_subclassed_models_too(flavour):
    model = build(flavour, "subclassed")
    found = spots(model, list(named(model).values()), X[:1])
    assert [(s.layer.name, s.batch_norm) for s in found] == [
        ("mix0", None),
        ("mix1", model.norm),
        ("head", None),
    ]


@each_kind
def test_a_run_ends_once_the_layer_has_all_its_inputs(flavour, kind):
    model = build(flavour, kind)
    layers = named(model)
    spot = spots(model, [layers["mix0" if kind == "subclassed" else "mix"]], X[:1])[0]
    ran, taken = [], []
    with watched([layers["head"]], lambda *seen: ran.append(seen)):
        run_until(model, [spot], X, lambda layer, inputs: taken.append((layer, inputs)))
        assert len(taken) == spot.calls and not ran
        assert all(layer is spot.layer for layer, _ in taken)
        both = spots(model, [spot.layer, layers["head"]], X[:1])
        run_until(model, both, X, lambda layer, inputs: taken.append((layer, inputs)))
        assert len(taken) == 2 * spot.calls + 1
    assert taken[-1][0] is layers["head"]
    assert taken[-1][1].dtype == np.float32 and is_clean(model)
    before = np.asarray(model(X, training=False))
    assert before.shape == (4, 4)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_nothing_stays_on_the_model_after_an_exception(flavour):
    model = build(flavour, "functional")
    tf = import_tensorflow()

    def fails(layer, inputs, outputs):
        raise KeyError("stop")

    with pytest.raises(KeyError), watched(list(named(model).values()), fails):
        model(X)
    assert is_clean(model) and not tf.config.functions_run_eagerly()


def test_a_layer_that_the_model_does_not_call_is_an_error():
    model = build("keras", "functional")
    stray = import_keras("keras").layers.Dense(3, name="stray")
    with pytest.raises(ModelError, match="layer 'stray' was not called"):
        spots(model, [stray], X[:1])
