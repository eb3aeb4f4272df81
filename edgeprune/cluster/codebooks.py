"""Keeps weights on their codebooks while somebody trains the model.

Nothing is wrapped. Every weight of a cluster takes the sum of the cluster's gradients, so all of
them move alike; a constraint on the variable, which the optimizers of both Kerases apply inside
the compiled step, takes away what rounding may still leave between them. Zeros have no cluster and
stay zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from edgeprune.artifacts import FloatArray
from edgeprune.cluster.kmeans import codebook, nearest
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import import_tensorflow
from edgeprune.prune.keras_model import Weight
from edgeprune.prune.masking import constrain, forget_compiled_step


class Codebooks:
    """The codebooks of one model's weights; a hook of the training step.

    ``with codebooks:`` holds them. Inside, every step of a Keras optimizer leaves each weight on
    its codebook. The hook adds what training by the paper needs: summed gradients.

    Args:
        model: Either Keras.
        weights: What to cluster.
        clusters: Most values other than zero of each weight, by name.
        init: Where the centroids start, of :data:`edgeprune.cluster.kmeans.INITIALISATIONS`.
        seed: Of the initialisations that draw.

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
        self._codes: dict[str, Any] = {}
        self._firsts: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        for weight in weights:
            try:
                self._assign(weight, clusters[weight.name], init, seed)
            except ModelError as error:
                raise ModelError(f"{weight.name}: {error}") from error

    def values(self) -> dict[str, FloatArray]:
        """Each weight's distinct values other than zero, as they are now, in rising order."""
        found = {weight.name: np.unique(weight.value()) for weight in self.weights}
        return {name: values[values != 0] for name, values in found.items()}

    def before(self) -> Callable[[], None]:
        """Changes nothing in front of the forward pass."""
        return lambda: None

    def gradient(self, gradient: Any, variable: Any) -> Any:
        """Each weight's share becomes the sum over its cluster; a zero's becomes zero.

        Source: Han et al. 2015, "Deep Compression", section 3.3, equation 3.
        """
        for weight in self.weights:
            if weight.variable is variable:
                tf = import_tensorflow()
                dense = tf.convert_to_tensor(gradient)
                return self._gathered(weight, self._sums(weight, dense))
        return gradient

    def __enter__(self) -> Codebooks:
        """Lays the codebooks on the weights.

        Raises:
            ModelError: They are held already.
        """
        if self._before:
            raise ModelError("these codebooks are held already: leave the first `with` block")
        for weight in self.weights:
            before = weight.variable.constraint
            self._before[weight.name] = before
            constrain(weight.variable, self._constraint(weight, before))
        forget_compiled_step(self._model)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes them off again; the weights stay where they are."""
        for weight in self.weights:
            constrain(weight.variable, self._before.pop(weight.name))
        forget_compiled_step(self._model)

    def _assign(self, weight: Weight, clusters: int, init: str, seed: int) -> None:
        """Moves a weight onto its codebook; code 0 is zero, and centroids count from 1."""
        tf = import_tensorflow()
        values = weight.value().astype(np.float32)
        used = values != 0
        codes = np.zeros(values.shape, np.int32)
        if used.any():
            centroids = codebook(values[used], clusters, init, seed)
            codes[used] = nearest(values[used], centroids) + 1
            values[used] = centroids[codes[used] - 1]
        weight.variable.assign(values)
        # A rounded border may leave a centroid without weights: codes count those that have some.
        present, firsts, dense = np.unique(codes, return_index=True, return_inverse=True)
        if present[0] != 0:
            firsts, dense = np.concatenate([[0], firsts]), dense + 1
        self._codes[weight.name] = tf.constant(dense.reshape(-1), tf.int32)
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
        value = tf.convert_to_tensor(value)
        first = tf.gather(tf.reshape(value, [-1]), self._firsts[weight.name])
        sums = self._sums(
            weight, value - tf.reshape(tf.gather(first, self._codes[weight.name]), value.shape)
        )
        counts = self._sums(weight, tf.ones_like(value))
        return self._gathered(weight, first + sums / tf.maximum(counts, 1))

    def _sums(self, weight: Weight, value: Any) -> Any:
        """The sum over each cluster."""
        tf = import_tensorflow()
        flat, codes = tf.reshape(value, [-1]), self._codes[weight.name]
        return tf.math.unsorted_segment_sum(flat, codes, len(self._firsts[weight.name]))

    def _gathered(self, weight: Weight, per_cluster: Any) -> Any:
        """A value per cluster as one per weight, 0 where the weight is zero."""
        tf = import_tensorflow()
        is_used = tf.cast(tf.range(tf.size(per_cluster)) > 0, per_cluster.dtype)
        spread = tf.gather(per_cluster * is_used, self._codes[weight.name])
        return tf.reshape(spread, weight.variable.shape)
