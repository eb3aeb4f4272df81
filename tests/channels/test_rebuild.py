import itertools

import numpy as np
import pytest
from channel_models import (
    SHAPE,
    answers,
    checked,
    difference,
    functional,
    randomized,
    sequential,
    shapes,
    sizes,
)
from full_range import also
from keras_nets import FLAVOURS, loaded, save, shown_in_keras, shown_in_tf_keras

from edgeprune.channels import prune_channels, rule
from edgeprune.channels.rules.base import RULES
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert
from edgeprune.errors import ModelError
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.verify.host import HostModel

both = pytest.mark.parametrize("flavour", FLAVOURS)


def residual(layers, x):
    x = layers.Conv2D(8, 3, padding="same", name="stem")(x)
    y = layers.Conv2D(12, 3, padding="same", activation="relu", name="wide")(x)
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(8, 1, name="narrow")(y))
    x = layers.Flatten()(layers.MaxPooling2D(4)(layers.Add()([x, y])))
    return layers.Dense(4, activation="softmax", name="head")(x)


@pytest.mark.parametrize(
    ("flavour", "ending"),
    [
        ("keras", ".keras"),
        ("tf_keras", ".h5"),
        also("keras", ".h5"),
        also("tf_keras", ".keras"),
    ],
)
def test_the_pruned_model_saves_and_loads(flavour, ending, tmp_path):
    pruned = checked(functional(flavour, residual))
    path = save(pruned.model, tmp_path / f"m{ending}")
    again = load(path)
    assert again.flavour == flavour
    assert difference(answers(again.keras), answers(pruned.model)) < 1e-6


@shown_in_keras
def test_the_pruned_model_trains(flavour):
    model = checked(functional(flavour, residual)).model
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, *SHAPE)).astype(np.float32), rng.integers(0, 4, 64)
    with quiet():
        model.compile("adam", "sparse_categorical_crossentropy")
        history = model.fit(x, y, epochs=4, batch_size=16, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@shown_in_keras
def test_the_pruned_model_is_converted_and_runs(flavour):
    model = checked(functional(flavour, residual)).model
    host = HostModel(convert(loaded(model, flavour)), reference=False)
    x = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    assert difference(host([x]), [np.asarray(model(x))]) < 1e-5


@both
@pytest.mark.parametrize("most", [True, False])
def test_names_classes_and_frozen_layers_stay(flavour, most):
    model = functional(flavour, residual)
    model.trainable = most
    model.get_layer("wide").trainable = not most
    made = checked(model).model
    assert type(made) is type(model) and made.name == model.name
    assert [layer.name for layer in made.layers] == [layer.name for layer in model.layers]
    assert made.trainable == most
    assert [layer.trainable for layer in made.layers] == [one.trainable for one in model.layers]
    assert len(made.trainable_weights) == len(model.trainable_weights)


@shown_in_tf_keras
def test_normalization_that_was_adapted_keeps_its_numbers(flavour):
    keras = import_keras(flavour)
    adapted = keras.layers.Normalization()
    adapted.adapt(np.random.default_rng(0).normal(5, 3, (32, *SHAPE)).astype(np.float32))
    with quiet():
        inputs = keras.layers.Input(SHAPE)
        x = keras.layers.Conv2D(8, 3, activation="relu")(adapted(inputs))
        model = keras.Model(inputs, keras.layers.Conv2D(4, 1)(x))
    copied = prune_channels(model, pruning_ratio=0.0).model
    assert difference(answers(copied), answers(model)) < 1e-6
    checked(model)


@shown_in_keras
def test_a_model_in_mixed_precision_stays_in_it(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 3, dtype="mixed_float16", name="half")(x)
        return layers.Conv2D(4, 1, dtype="float32")(x)

    made = prune_channels(functional(flavour, body), pruning_ratio=0.5).model
    policy = getattr(made.get_layer("half"), "dtype_policy", None)
    assert policy.name == "mixed_float16" and made.get_layer("half").filters == 4


@both
def test_a_sequential_stays_one(flavour):
    layers = import_keras(flavour).layers
    model = sequential(
        flavour,
        layers.Conv2D(8, 3, name="a"),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(10, activation="relu", name="b"),
        layers.Dense(3, name="c"),
    )
    pruned = checked(model)
    assert type(pruned.model).__name__ == "Sequential" and sizes(pruned) == {"a": 4, "b": 5}


def inner_model(keras, kind, size):
    layers = keras.layers
    if kind == "Sequential":
        inner = [layers.Input((None, None, size)), layers.Conv2D(6, 1, name="mix")]
        return keras.Sequential([*inner, layers.ReLU(), layers.Conv2D(size, 1)], name="inner")
    if kind == "Sequential without input":
        inner = [layers.Conv2D(6, 1, input_shape=(None, None, size), name="mix")]
        return keras.Sequential([*inner, layers.ReLU(), layers.Conv2D(size, 1)], name="inner")
    x = inputs = layers.Input((None, None, size))
    x = layers.Conv2D(size, 1)(layers.Conv2D(6, 1, activation="relu", name="mix")(x))
    return keras.Model(inputs, layers.Add()([x, inputs]), name="inner")


WITHIN = ["Functional", "Sequential", "Sequential without input"]
SHAPES = list(itertools.product(FLAVOURS, WITHIN, (1, 2)))


@pytest.mark.parametrize(
    ("flavour", "kind", "calls"),
    [case if (k + k // 6 + k // 2) % 2 == 0 else also(*case) for k, case in enumerate(SHAPES)],
)
def test_models_within_stay_models_within(flavour, kind, calls, tmp_path):
    keras = import_keras(flavour)

    def body(layers, x):
        x = layers.Conv2D(8, 3, name="mix")(x)
        with quiet():
            inner = inner_model(keras, kind, 8)
        for _ in range(calls):
            x = inner(x)
        return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))

    pruned = checked(functional(flavour, body), ignored=["head"], limits={"inner/mix": 0.34})
    inner = pruned.model.get_layer("inner")
    assert type(inner).__name__ in (kind.split()[0], "Functional")
    assert sizes(pruned)["inner/mix"] == 2 and sizes(pruned)["mix"] == 4
    assert (1, 1, 4, 4) in shapes(inner).values()
    again = load(save(pruned.model, tmp_path / "m.keras")).keras
    assert difference(answers(again), answers(pruned.model)) < 1e-6


@shown_in_tf_keras
def test_a_layer_that_is_shared_stays_shared(flavour):
    def body(layers, x, y):
        stem = layers.Conv2D(8, 3, padding="same", name="stem")
        norm, mix = layers.BatchNormalization(), layers.Conv2D(8, 1, name="mix")
        x, y = (mix(mix(norm(stem(one)))) for one in (x, y))
        return layers.Conv2D(2, 1)(x), layers.Conv2D(2, 1)(y)

    pruned = checked(functional(flavour, body, SHAPE, SHAPE))
    assert [group.name for group in pruned.groups] == ["stem+mix"]
    assert len(pruned.model.layers) == 2 + 5


@shown_in_keras
def test_a_reshape_that_is_shared_ties_what_it_reshapes(flavour):
    def body(layers, x):
        rows = layers.Reshape((64, 8))
        a, b = (rows(layers.Conv2D(8, 1, name=name)(x)) for name in "ab")
        return layers.Dense(2)(a), layers.Dense(2)(b)

    (group,) = checked(functional(flavour, body)).groups
    assert set(group.name.split("+")) == {"a", "b"}


@shown_in_tf_keras
def test_one_layer_in_two_models_is_refused(flavour):
    keras = import_keras(flavour)

    def body(layers, x):
        shared = layers.Conv2D(3, 1, name="shared")
        inputs = layers.Input(SHAPE)
        inner = keras.Model(inputs, shared(inputs), name="inner")
        return layers.Conv2D(2, 1)(shared(inner(x)))

    model = functional(flavour, body)
    with pytest.raises(ModelError, match="in another model: use one copy in each"):
        prune_channels(model, pruning_ratio=0.5)


@shown_in_keras
def test_a_layer_of_ones_own_stays_until_it_has_a_rule(flavour):
    keras = import_keras(flavour)

    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(name="factor", shape=(shape[-1],))
            super().build(shape)

        def call(self, x):
            return x * self.factor

    def body(layers, x):
        x = Scale(name="scale")(layers.Conv2D(8, 1, name="a")(x))
        return layers.Conv2D(4, 1)(layers.Conv2D(6, 1, name="b")(x))

    model = functional(flavour, body)
    pruned = checked(model)
    assert sizes(pruned) == {"b": 3}
    assert "scale: stays whole: there is no rule for its class" in pruned.notes

    def scale(call):
        call.bind("factor", 0, call.inputs[0], "scale")
        return [call.inputs[0]]

    before = dict(RULES)
    try:
        rule(f"{Scale.__module__}.{Scale.__qualname__}")(scale)
        assert sizes(checked(model)) == {"a": 4, "b": 3}
    finally:
        RULES.clear()
        RULES.update(before)


@both
def test_a_class_derived_from_a_known_one_is_not_taken_for_it(flavour):
    keras = import_keras(flavour)

    class Standardized(keras.layers.Conv2D):
        pass

    def body(layers, x):
        x = Standardized(8, 1, name="own")(layers.Conv2D(6, 1, name="held")(x))
        return layers.Conv2D(4, 1)(layers.Conv2D(6, 1, name="free")(x))

    assert sizes(checked(functional(flavour, body))) == {"free": 3}


@shown_in_tf_keras
def test_a_rule_that_forgets_a_size_is_found_out(flavour, monkeypatch):
    def body(layers, x):
        return layers.Conv2D(4, 1)(layers.Conv2D(8, 1, name="a")(x))

    def forgetful(call):
        made = call.new(call.layer.filters)
        call.bind("kernel", -2, call.inputs[0], "input")
        call.bind("kernel", -1, made, "output")
        return [made]

    monkeypatch.setitem(RULES, "Conv2D", forgetful)
    with pytest.raises(ModelError, match=r"kernel.*should have the shape \(1, 1, 3, 4\)"):
        prune_channels(functional(flavour, body), pruning_ratio=0.5)


def test_both_kerases_give_the_same_model():
    made = [
        prune_channels(randomized(functional(one, residual)), pruning_ratio=0.5).model
        for one in FLAVOURS
    ]
    assert shapes(made[0]) == shapes(made[1])
