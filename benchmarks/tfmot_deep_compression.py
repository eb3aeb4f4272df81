"""What tensorflow-model-optimization makes of a network for ``deep_compression.py``.

Its own way, as its guides have it: prune_low_magnitude with a polynomial schedule, strip, cluster
with ``preserve_sparsity``, strip, convert, gzip. The second file is the same model through the
converter's ``EXPERIMENTAL_SPARSITY``, which is as small as tfmot's path gets without gzip.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from typing import Any

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras, import_tensorflow

Train = Callable[..., None]


def compressed(
    model: Any,
    shares: Mapping[str, float],
    clusters: int,
    epochs: tuple[int, int],
    steps: int,
    train: Train,
) -> list[tuple[bytes, int]]:
    """Prunes and clusters a Keras 2 model.

    Args:
        model: Trained.
        shares: Sparsity of each layer to prune, by name.
        clusters: Most distinct values beside zero.
        epochs: Of pruning and of training the centroids.
        steps: Training steps in the first of these.
        train: Trains a model for so many epochs, with callbacks.

    Returns:
        Per file its TFLite content and its bytes: gzipped, and stored sparse.
    """
    sparse = _pruned(model, shares, epochs[0], steps, train)
    clustered = _clustered(sparse, set(shares), clusters, epochs[1], train)
    plain, encoded = (_converted(clustered, sparsely=flag) for flag in (False, True))
    return [(plain, len(gzip.compress(plain, 9))), (encoded, len(encoded))]


def _pruned(model: Any, shares: Mapping[str, float], epochs: int, steps: int, train: Train) -> Any:
    """Half of the steps to grow the sparsity, like ours."""
    from tensorflow_model_optimization.sparsity import keras as tfmot

    def wrapped(layer: Any) -> Any:
        if layer.name not in shares:
            return layer
        schedule = tfmot.PolynomialDecay(0.0, shares[layer.name], 0, steps // 2)
        return tfmot.prune_low_magnitude(layer, pruning_schedule=schedule)

    with quiet():
        pruned = _copied(model, wrapped)
        train(pruned, epochs, [tfmot.UpdatePruningStep()])
        return tfmot.strip_pruning(pruned)


def _clustered(model: Any, names: set[str], clusters: int, epochs: int, train: Train) -> Any:
    """Zero is a centroid of its own, so there is one more of them."""
    from tensorflow_model_optimization.clustering import keras as tfmot
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    def wrapped(layer: Any) -> Any:
        if layer.name not in names:
            return layer
        return cluster.cluster_weights(
            layer,
            number_of_clusters=clusters + 1,
            cluster_centroids_init=tfmot.CentroidInitialization.LINEAR,
            preserve_sparsity=True,
        )

    with quiet():
        clustered = _copied(model, wrapped)
        train(clustered, epochs)
        return tfmot.strip_clustering(clustered)


def _copied(model: Any, wrapped: Callable[[Any], Any]) -> Any:
    """A copy whose layers are wrapped, with the weights of the original."""
    keras = import_keras("tf_keras")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return keras.Sequential([keras.Input(model.input_shape[1:]), *map(wrapped, copy.layers)])


def _converted(model: Any, *, sparsely: bool) -> bytes:
    tf = import_tensorflow()
    call = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec([1, *model.input_shape[1:]], tf.float32)],
    )
    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [call.get_concrete_function()], model
        )
        if sparsely:
            converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        return bytes(converter.convert())
