import numpy as np
import pytest
from keras_nets import build, dataset, shown_in_keras, shown_in_tf_keras, subclassed_in_keras

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.masks.masking import Masks


def masks_of(model, sparsity=0.7):
    weights = prunable_weights(model, "all")
    return Masks(model, weights, {weight.name: sparsity for weight in weights})


def zeros(masks):
    return [float((weight.value() == 0).mean()) for weight in masks.weights]


def compiled(model, keras):
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    return model


@subclassed_in_keras
def test_fit_keeps_zeros_and_trains_the_rest(flavour, kind):
    keras, data = import_keras(flavour), dataset()
    model = compiled(build(flavour, kind), keras)
    model.fit(data.x_train, data.y_train, verbose=0)  # traced before there were masks
    masks = masks_of(model)
    masks.update()
    before, kept = [w.value() for w in masks.weights], zeros(masks)
    with masks:
        model.fit(data.x_train, data.y_train, verbose=0)
        during = zeros(masks)
    assert during == kept == zeros(masks) and min(kept) > 0.5
    moved = [not np.array_equal(a, w.value()) for a, w in zip(before, masks.weights, strict=True)]
    assert all(moved)
    model.fit(data.x_train, data.y_train, verbose=0)
    assert max(zeros(masks)) < 0.1  # nothing is left behind


@shown_in_tf_keras
@pytest.mark.parametrize("is_traced", [False, True])
def test_a_custom_loop_keeps_zeros_in_every_step(flavour, is_traced):
    keras, tf, data = import_keras(flavour), import_tensorflow(), dataset()
    model = build(flavour, "functional")
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)

    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))
            )
        variables = model.trainable_variables
        gradients = tape.gradient(
            loss, [getattr(v, "value", v) for v in variables] if flavour == "keras" else variables
        )
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    masks = masks_of(model)
    run = tf.function(step) if is_traced else step
    with masks:
        for progress in (0.3, 1.0):
            masks.update(progress)
            wanted = zeros(masks)
            for _ in range(2):
                run(tf.constant(data.x_train[:16]), tf.constant(data.y_train[:16]))
                assert zeros(masks) == wanted


@shown_in_keras
def test_mixed_precision_keeps_zeros(flavour):
    keras, data = import_keras(flavour), dataset()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled(build(flavour, "functional"), keras)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    masks = masks_of(model)
    masks.update()
    kept = zeros(masks)
    with masks:
        model.fit(data.x_train, data.y_train, verbose=0)
        assert zeros(masks) == kept and min(kept) > 0.5


@shown_in_tf_keras
def test_the_users_own_constraint_holds_as_well_and_stays(flavour):
    keras, data = import_keras(flavour), dataset()
    model = build(flavour, "functional")
    kernel = model.get_layer("mix").kernel
    own = keras.constraints.MaxNorm(0.5)
    if flavour == "keras":
        kernel.constraint = own
    else:
        kernel._constraint = own
    compiled(model, keras)
    masks = masks_of(model)
    masks.update()
    with masks:
        model.fit(data.x_train, data.y_train, verbose=0)
        value = np.asarray(kernel.numpy())
    assert np.linalg.norm(value, axis=0).max() <= 0.5001 and (value == 0).mean() > 0.5
    assert kernel.constraint is own


def test_masks_that_are_held_are_not_held_twice():
    masks = masks_of(build("keras", "functional"))
    with masks, pytest.raises(ModelError, match="held already"):
        masks.__enter__()


def test_an_error_inside_takes_the_masks_off():
    model = build("tf_keras", "functional")
    masks = masks_of(model)
    with pytest.raises(KeyError), masks:
        raise KeyError("x")
    assert all(weight.variable.constraint is None for weight in masks.weights)


@shown_in_keras
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_masks_hold_weights_of_every_float_type_at_zero(flavour, dtype):
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((6,), dtype=dtype), layers.Dense(4, dtype=dtype, name="head")]
    )
    kernel = model.layers[-1].kernel
    with masks_of(model, 0.5) as masks:
        masks.update()
        kept = masks.masks["head/kernel"]
        before = np.asarray(kernel.numpy()).astype(np.float64)
        kernel.assign(np.where(kept, before, -3.0))
        masks.apply()
    after = np.asarray(kernel.numpy()).astype(np.float64)
    assert (~kept).sum() == 12
    assert np.array_equal(after, np.where(kept, before, 0)) and not np.signbit(after[~kept]).any()
