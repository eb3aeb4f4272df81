"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts`,
:mod:`edgeprune.prune.patterns`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeprune.cluster import cluster_model as cluster
    from edgeprune.prune import masks as masks
    from edgeprune.prune import prune_model as prune
else:

    def __getattr__(name: str) -> Any:
        """What is in ``__all__``, imported when asked for: it brings libraries."""
        if name not in ("cluster", "masks", "prune"):
            raise AttributeError(f"module 'edgeprune' has no attribute {name!r}")
        if name == "masks":
            return importlib.import_module("edgeprune.prune").masks
        return importlib.import_module(f"edgeprune.{name}")


__all__ = ["__version__", "cluster", "masks", "prune"]
