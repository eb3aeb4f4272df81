"""k-means of numbers on a line, exactly and fast: on sorted values a cluster is a range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.arrays import FloatArray
from edgeprune.errors import ModelError

MAX_ROUNDS = 300
"""Most rounds of Lloyd's algorithm; it stops earlier where no value changes its cluster.

Source: ours, as scikit-learn's default. LeNet's layers take 20 to 150.
"""

Floats = NDArray[np.float64]


def codebook(values: FloatArray, clusters: int, init: str, seed: int = 0) -> FloatArray:
    """The centroids that stand for values with a small squared error.

    Args:
        values: Any shape, at least one value.
        clusters: Most centroids, >= 1; fewer are made where there are fewer distinct values.
        init: One of :data:`INITIALISATIONS`.
        seed: Random seed of the initialisations that draw.

    Returns:
        Centroids in rising order, each of which stands for at least one value.

    Raises:
        ModelError: ``init`` or ``clusters`` is out of range, or a value is not finite.
    """
    if init not in INITIALISATIONS or clusters < 1:
        known = ", ".join(INITIALISATIONS)
        raise ModelError(
            f"expected at least 1 cluster and one of {known}, got {clusters} and {init!r}"
        )
    flat = np.sort(values, axis=None)
    if not np.isfinite(flat).all():
        raise ModelError("weights to cluster are not finite: train the model anew")
    distinct = np.unique(flat)
    if distinct.size <= clusters:
        return distinct
    ordered = flat.astype(np.float64)
    start = INITIALISATIONS[init](ordered, clusters, np.random.default_rng(seed))
    return np.unique(_lloyd(ordered, np.unique(start)).astype(np.float32))


def nearest(values: FloatArray, centroids: FloatArray) -> NDArray[np.intp]:
    """For each value the index of the nearest centroid; the lower one where two are as near.

    Args:
        values: Any shape.
        centroids: In rising order.
    """
    return np.searchsorted(_borders(centroids.astype(np.float64)), values, side="left")


def _borders(centroids: Floats) -> Floats:
    return (centroids[1:] + centroids[:-1]) / 2


def _lloyd(ordered: Floats, centroids: Floats) -> Floats:
    """Moves centroids to the means of their clusters until nothing changes.

    Sums of ranges come from running sums, so a round costs a binary search per centroid. A centroid
    without values is dropped.

    Source: Lloyd 1982, "Least squares quantization in PCM", method I.
    """
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    before: NDArray[np.intp] | None = None
    for _ in range(MAX_ROUNDS):
        inner = np.searchsorted(ordered, _borders(centroids), side="right")
        ends = np.concatenate([[0], inner, [ordered.size]])
        if before is not None and np.array_equal(ends, before):
            break
        counts = np.diff(ends)
        used = counts > 0
        centroids = (np.diff(sums[ends]) / np.maximum(counts, 1))[used]
        before = np.concatenate([[0], ends[1:][used]])
    return centroids


def _linear(ordered: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """Evenly between smallest and largest, which keeps the few large weights.

    Source: Han et al. 2015, "Deep Compression", section 3.2, where it does best.
    """
    return np.linspace(ordered[0], ordered[-1], clusters)


def _density(ordered: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """Evenly over the values' cumulative distribution. Source: the same section."""
    return np.quantile(ordered, (np.arange(clusters) + 0.5) / clusters)


def _random(ordered: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """Values drawn at random, each once. Source: the same section, there called Forgy."""
    return np.sort(rng.choice(np.unique(ordered), clusters, replace=False))


def _plus_plus(ordered: Floats, clusters: int, rng: np.random.Generator) -> Floats:
    """Values drawn with odds of their squared distance to the nearest one drawn before.

    Source: Arthur and Vassilvitskii 2007, "k-means++", section 2.2.
    """
    chosen = [float(rng.choice(ordered))]
    gaps = np.square(ordered - chosen[0])
    while len(chosen) < clusters and gaps.any():
        chosen.append(float(rng.choice(ordered, p=gaps / gaps.sum())))
        gaps = np.minimum(gaps, np.square(ordered - chosen[-1]))
    return np.sort(chosen)


INITIALISATIONS: dict[str, Callable[[Floats, int, np.random.Generator], Floats]] = {
    "linear": _linear,
    "density": _density,
    "random": _random,
    "kmeans++": _plus_plus,
}
"""Where the centroids start."""
