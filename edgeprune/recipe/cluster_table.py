"""The recipe's table ``[cluster]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.errors import ConfigError
from edgeprune.recipe.faults import LAYERS, not_among, too_small
from edgeprune.recipe.training import Training, training_faults, training_of
from edgeprune.text.share import Share

CLUSTER_INITS = ("linear", "density", "random", "kmeans++")


@dataclass(frozen=True)
class ClusterCount:
    """An entry of ``counts`` in the table ``[cluster]``.

    Attributes:
        layer: Name, or pattern of the shell.
        clusters: As in the table.
    """

    layer: str
    clusters: int


@dataclass(frozen=True)
class ClusterTable:
    """Table ``[cluster]``.

    Attributes:
        clusters: Most distinct values of a weight tensor beside zero; 0 clusters nothing.
        init: Where the centroids start, one of :data:`CLUSTER_INITS`.
        layers: As in the table ``[prune]``.
        counts: Layers with another number of clusters than the others; 0 leaves one alone.
        epochs: Passes over the training data in which the centroids are trained; 0 trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start. A centroid takes the gradients of all its weights, so
            it is lower than in the table ``[prune]``.
        distillation: As in the table ``[prune]``.
        temperature: As in the table ``[prune]``.
        fold_batch_norm: Fold batch normalization into the layer in front of it before clustering.
            Without, the converter folds it, and each output channel has a codebook of its own.
        biases: Most distinct values of a layer's biases beside zero, trained like the others; 0
            leaves biases alone. They are a tenth of a small model packed as ``.epz`` otherwise.
        bfloat16: Round centroids to bfloat16 at the end: the container stores them in half the
            bits.
    """

    clusters: int = 0
    init: str = "linear"
    layers: str = "all"
    counts: tuple[ClusterCount, ...] = ()
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 1e-4
    distillation: Share = 0.0
    temperature: float = 4.0
    fold_batch_norm: bool = True
    biases: int = 0
    bfloat16: bool = False

    @property
    def is_noop(self) -> bool:
        """Whether nothing is to be clustered."""
        return not self.clusters and not self.biases and not any(c.clusters for c in self.counts)

    def training(self, seed: int) -> Training:
        """How its epochs are trained."""
        return training_of(self, seed)


def cluster_faults(table: ClusterTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = not_among(table, {"init": CLUSTER_INITS, "layers": LAYERS})
    wrong += too_small(table, {"clusters": 0, "biases": 0})
    wrong += [
        f"counts: that of {one.layer} must be >= 0, got {one.clusters}"
        for one in table.counts
        if one.clusters < 0
    ]
    return wrong + training_faults(table)


def cluster_table_checked(table: ClusterTable) -> ClusterTable:
    """``table`` itself, if every value lies in its range.

    Raises:
        ConfigError: One does not; all faults are in one message.
    """
    wrong = cluster_faults(table)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return table
