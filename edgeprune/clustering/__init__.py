"""Stage ``cluster``: few distinct values per weight tensor, each trained; zeros stay zeros."""

from edgeprune.clustering.stage import cluster

__all__ = ["cluster"]
