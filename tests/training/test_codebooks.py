import numpy as np
import pytest
from keras_nets import build, dataset, nested_in_tf_keras

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.masks.masking import prune_weight
from edgeprune.training.codebooks import Codebooks


def pruned_and_clustered(flavour, kind, clusters=5):
    model = build(flavour, kind)
    weights = prunable_weights(model, "all")
    for weight in weights:
        prune_weight(weight, 0.5)
    return model, Codebooks(model, weights, {w.name: clusters for w in weights})


def codes(books):
    return [np.unique(w.value(), return_inverse=True)[1].reshape(-1) for w in books.weights]


@nested_in_tf_keras
def test_fit_moves_values_and_keeps_zeros_and_clusters(flavour, kind):
    keras, data = import_keras(flavour), dataset()
    model, books = pruned_and_clustered(flavour, kind)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    before, zeros = books.values(), [w.value() == 0 for w in books.weights]
    codes_before = codes(books)
    with books:
        model.fit(data.x_train, data.y_train, verbose=0)
        after = books.values()
    assert all(1 <= values.size <= 5 for values in after.values())
    assert all(np.array_equal(w.value() == 0, z) for w, z in zip(books.weights, zeros, strict=True))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    for old, new in zip(codes_before, codes(books), strict=True):
        pairs = {*zip(old.tolist(), new.tolist(), strict=True)}
        assert len(pairs) == len({a for a, _ in pairs})  # no cluster was torn apart
    model.fit(data.x_train, data.y_train, verbose=0)
    assert max(values.size for values in books.values().values()) > 5  # nothing is left behind


def test_a_centroids_gradient_is_the_sum_of_its_weights_and_a_zero_takes_none():
    tf = import_tensorflow()
    _, books = pruned_and_clustered("keras", "sequential", 3)
    weight = books.weights[0]
    values = weight.value()
    gradient = np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
    found = books.gradient(tf.constant(gradient), weight.variable).numpy()
    for value in np.unique(values):
        wanted = 0 if value == 0 else gradient[values == value].sum()
        assert found[values == value] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    other = tf.constant(gradient)
    assert books.gradient(other, object()) is other


def test_a_weight_without_zeros_and_one_of_zeros_alone_are_held_too():
    keras, data = import_keras("keras"), dataset()
    model = build("keras", "sequential")
    weights = prunable_weights(model, "all")
    weights[0].variable.assign(np.zeros_like(weights[0].value()))
    books = Codebooks(model, weights, {w.name: 4 for w in weights})
    model.compile("sgd", "sparse_categorical_crossentropy")
    with books:
        model.fit(data.x_train, data.y_train, verbose=0)
    assert [values.size for values in books.values().values()] == [0, 4, 4]
    assert keras is not None


def test_codebooks_that_are_held_are_not_held_twice():
    _, books = pruned_and_clustered("keras", "functional")
    with books, pytest.raises(ModelError, match="held already"):
        books.__enter__()


def test_a_weight_that_is_no_number_is_named():
    model = build("keras", "functional")
    weights = prunable_weights(model, "all")
    weights[1].variable.assign(np.full(weights[1].variable.shape, np.nan))
    with pytest.raises(ModelError, match=r"mix/kernel: .*not finite"):
        Codebooks(model, weights, {w.name: 4 for w in weights})
