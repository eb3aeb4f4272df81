"""Stage ``cluster``: few distinct values per weight tensor, each trained; zeros stay zeros."""

from __future__ import annotations

import sys
from types import ModuleType

from edgeprune.cluster.api import Wishes, cluster_model
from edgeprune.cluster.codebooks import Codebooks
from edgeprune.cluster.stage import cluster

__all__ = ["Codebooks", "Wishes", "cluster", "cluster_model"]


class _Stage(ModuleType):
    """This package, which is a function as well: ``edgeprune.cluster(model, clusters=32)``."""

    __call__ = staticmethod(cluster_model)


sys.modules[__name__].__class__ = _Stage
