"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts.compression`,
:mod:`edgeprune.pruning.patterns`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

import importlib
from typing import TYPE_CHECKING, Any

from edgeprune.version import __version__

if TYPE_CHECKING:
    from edgeprune.api.clustering import cluster as cluster
    from edgeprune.api.pruning import masks as masks
    from edgeprune.api.pruning import prune as prune
else:
    _MODULES = {"cluster": "clustering", "masks": "pruning", "prune": "pruning"}

    def __getattr__(name: str) -> Any:
        """What is in ``__all__``, imported when asked for: it brings libraries."""
        if name not in _MODULES:
            raise AttributeError(f"module 'edgeprune' has no attribute {name!r}")
        return getattr(importlib.import_module(f"edgeprune.api.{_MODULES[name]}"), name)


__all__ = ["__version__", "cluster", "masks", "prune"]
