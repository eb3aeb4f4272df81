"""Clustering from Python: ``edgeprune.cluster(model, clusters=32)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict, Unpack

from edgeprune.api.keywords import with_options
from edgeprune.api.options import table_of
from edgeprune.api.pruning import dataset_of, loaded
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.clustered import Clustered
from edgeprune.artifacts.dataset import Dataset
from edgeprune.clustering import stage
from edgeprune.recipe.cluster_table import ClusterCount, ClusterTable, cluster_table_checked
from edgeprune.training.context import StageContext, silent


class ClusterOptions(TypedDict, total=False):
    """How a model is clustered: the keys of a recipe's table ``[cluster]``.

    :class:`edgeprune.recipe.cluster_table.ClusterTable` says what each means, and its default.

    Attributes:
        counts: Numbers of clusters of some layers, by name, or by pattern of the shell.
    """

    init: str
    layers: str
    counts: Mapping[str, int]
    epochs: int
    batch_size: int
    learning_rate: float
    distillation: float
    temperature: float
    fold_batch_norm: bool
    biases: int
    bfloat16: bool


@with_options(ClusterOptions, ClusterTable)
def cluster(
    model: Any,
    clusters: int = 32,
    data: tuple[Array, Array] | Dataset | None = None,
    progress: Callable[[str], None] | None = None,
    seed: int = 0,
    **options: Unpack[ClusterOptions],
) -> Clustered:
    """Clusters a copy of a Keras model in memory: ``edgeprune.cluster(model, clusters=32)``.

    Args:
        model: A built model of either Keras, of any kind; it is not changed.
        clusters: Most distinct values of a weight tensor beside zero.
        data: Inputs ``(n, ...)`` and targets to train the centroids with; None trains nothing.
        progress: Told a line per epoch, or None.
        seed: Random seed of what is drawn and shuffled.
        options: Further keywords, below: the keys of a recipe's table ``[cluster]``.

    Returns:
        The clustered model is its ``keras``; what each codebook is like is beside it.

    Raises:
        ConfigError: A value lies outside its range.
        ModelError: As the stage.
    """
    values: dict[str, Any] = {**options, "clusters": clusters}
    counts = options.get("counts", {})
    values["counts"] = tuple(ClusterCount(*pair) for pair in counts.items())
    table = table_of(ClusterTable, values)
    context = StageContext(dataset_of(data), progress or silent, seed)
    return stage.cluster(loaded(model), cluster_table_checked(table), context)
