"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts`,
:mod:`edgeprune.prune.highest`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

__version__ = "0.1.0"

import importlib as _importlib
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from edgeprune.cluster import cluster_model as cluster
    from edgeprune.prune import prune_model as prune
    from edgeprune.prune.api import masks as masks
else:

    def __getattr__(name: str) -> _Any:
        """What is in ``__all__``, imported when asked for: it brings libraries."""
        if name not in ("cluster", "masks", "prune"):
            raise AttributeError(f"module 'edgeprune' has no attribute {name!r}")
        if name == "masks":
            return _importlib.import_module("edgeprune.prune").masks
        return _importlib.import_module(f"edgeprune.{name}")


__all__ = ["__version__", "cluster", "masks", "prune"]
