"""Keeps weights on their codebooks while somebody trains the model.

Nothing is wrapped. Every weight of a cluster takes the sum of the cluster's gradients, so all of
them move alike; a constraint on the variable, which the optimizers of both Kerases apply inside
the compiled step, takes away what rounding may still leave between them. Zeros have no cluster and
stay zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError
from edgeprune.models.keras.constraints import Constraints
from edgeprune.models.keras.flavours import import_tensorflow
from edgeprune.models.keras.weights import Weight
from edgeprune.training.kmeans import codebook, nearest


class Codebooks:
    """The codebooks of one model's weights; a hook of the training step.

    ``with codebooks:`` holds them. Inside, every step of a Keras optimizer leaves each weight on
    its codebook. The hook adds what training by the paper needs: summed gradients.

    Args:
        model: Either Keras.
        weights: What to cluster.
        clusters: Most values other than zero of each weight, by name.
        init: Where the centroids start, of :data:`edgeprune.training.kmeans.INITIALISATIONS`.
        seed: Random seed of the initialisations that draw.

    Raises:
        ModelError: A weight is not finite, or an argument is out of range.
    """

    def __init__(
        self,
        model: Any,
        weights: list[Weight],
        clusters: Mapping[str, int],
        init: str = "linear",
        seed: int = 0,
    ) -> None:
        self.weights = weights
        self._model = model
        self._places: dict[str, Any] = {}
        self._codes: dict[str, Any] = {}
        self._firsts: dict[str, Any] = {}
        self._held = Constraints(model, weights, self._constraint, "codebooks")
        for weight in weights:
            try:
                self._assign(weight, clusters[weight.name], init, seed)
            except ModelError as error:
                raise ModelError(f"{weight.name}: {error}") from error

    def values(self) -> dict[str, FloatArray]:
        """Each weight's distinct values other than zero, as they are now, in rising order."""
        centroids = {weight.name: np.unique(weight.value()) for weight in self.weights}
        return {name: values[values != 0] for name, values in centroids.items()}

    def round(self) -> None:
        """Rounds every weight to bfloat16, to the nearest, ties to even."""
        tf = import_tensorflow()
        for weight in self.weights:
            rounded = tf.cast(tf.cast(weight.value(), tf.bfloat16), weight.variable.dtype)
            weight.variable.assign(rounded)

    def before(self) -> Callable[[], None]:
        """Changes nothing in front of the forward pass."""
        return lambda: None

    def gradient(self, gradient: Any, variable: Any) -> Any:
        """Each weight's share becomes the sum over its cluster; a zero's becomes zero.

        Source: Han et al. 2015, "Deep Compression", section 3.3, equation 3.
        """
        for weight in self.weights:
            if weight.variable is variable:
                dense = import_tensorflow().convert_to_tensor(gradient)
                return self._spread(weight, self._sums(weight, self._used(weight, dense)))
        return gradient

    def __enter__(self) -> Codebooks:
        """Attaches the codebooks to the weights.

        Raises:
            ModelError: They are held already.
        """
        self._held.attach()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Detaches the codebooks; the weights stay where they are."""
        self._held.detach()

    def _assign(self, weight: Weight, clusters: int, init: str, seed: int) -> None:
        """Moves a weight onto its codebook, and notes where its values lie that are not zero."""
        tf = import_tensorflow()
        values = weight.value().astype(np.float32)
        flat = values.reshape(-1)
        places = np.flatnonzero(flat)
        codes, firsts = places, places
        if places.size:
            centroids = codebook(flat[places], clusters, init, seed)
            near = nearest(flat[places], centroids)
            flat[places] = centroids[near]
            # A rounded border may leave a centroid without weights: those that have some count.
            _, first, codes = np.unique(near, return_index=True, return_inverse=True)
            firsts = places[first]
        weight.variable.assign(flat.reshape(values.shape))
        self._places[weight.name] = tf.constant(places, tf.int32)
        self._codes[weight.name] = tf.constant(codes.reshape(-1), tf.int32)
        self._firsts[weight.name] = tf.constant(firsts, tf.int32)

    def _constraint(self, weight: Weight, before: Any) -> Callable[[Any], Any]:
        def clustered(value: Any) -> Any:
            return self._on_codebook(weight, value if before is None else before(value))

        return clustered

    def _on_codebook(self, weight: Weight, value: Any) -> Any:
        """Every weight at the mean of its cluster.

        Differences from each cluster's first weight are averaged, not the weights: those of equal
        weights are exactly 0, while a long sum of equal numbers is rounded.
        """
        tf = import_tensorflow()
        used = self._used(weight, value)
        codes = self._codes[weight.name]
        first = tf.gather(tf.reshape(value, [-1]), self._firsts[weight.name])
        sums = self._sums(weight, used - tf.gather(first, codes))
        return self._spread(weight, first + sums / self._sums(weight, tf.ones_like(used)))

    def _used(self, weight: Weight, value: Any) -> Any:
        """What lies where the weight is not zero, flat: a pruned weight has few such places."""
        tf = import_tensorflow()
        return tf.gather(tf.reshape(value, [-1]), self._places[weight.name])

    def _sums(self, weight: Weight, used: Any) -> Any:
        """The sum over each cluster."""
        tf = import_tensorflow()
        clusters = len(self._firsts[weight.name])
        return tf.math.unsorted_segment_sum(used, self._codes[weight.name], clusters)

    def _spread(self, weight: Weight, per_cluster: Any) -> Any:
        """A value per cluster as one per weight, 0 where the weight is zero."""
        tf = import_tensorflow()
        values = tf.gather(per_cluster, self._codes[weight.name])
        places, shape = self._places[weight.name], weight.variable.shape
        flat = tf.scatter_nd(places[:, None], values, [math.prod(shape)])
        return tf.reshape(flat, shape)
