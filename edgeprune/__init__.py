"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts`,
:mod:`edgeprune.prune.patterns`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeprune.prune import masks as masks
    from edgeprune.prune import prune_model as prune
else:

    def __getattr__(name: str) -> Any:
        """``prune`` and ``masks``, imported when asked for: they bring libraries."""
        if name not in ("prune", "masks"):
            raise AttributeError(f"module 'edgeprune' has no attribute {name!r}")
        stage = importlib.import_module("edgeprune.prune")
        return stage if name == "prune" else stage.masks


__all__ = ["__version__", "masks", "prune"]
