"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts`,
:mod:`edgeprune.pruning.patterns`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

import importlib
from typing import TYPE_CHECKING, Any

from edgeprune.version import __version__

if TYPE_CHECKING:
    from edgeprune.api.clustering import cluster as cluster
    from edgeprune.api.comparing import Comparison as Comparison
    from edgeprune.api.comparing import compare as compare
    from edgeprune.api.deploying import CompressedFile as CompressedFile
    from edgeprune.api.deploying import Deployment as Deployment
    from edgeprune.api.deploying import compress as compress
    from edgeprune.api.deploying import deploy as deploy
    from edgeprune.api.deploying import run as run
    from edgeprune.api.explaining import Explanation as Explanation
    from edgeprune.api.explaining import explain as explain
    from edgeprune.api.firmware_explaining import FirmwareExplanation as FirmwareExplanation
    from edgeprune.api.pruning import masks as masks
    from edgeprune.api.pruning import prune as prune
    from edgeprune.api.searching import FoundNetwork as FoundNetwork
    from edgeprune.api.searching import SearchResult as SearchResult
    from edgeprune.api.searching import search as search
    from edgeprune.api.tracking import log_to_mlflow as log_to_mlflow
else:
    _MODULES = {
        "clustering": ("cluster",),
        "comparing": ("Comparison", "compare"),
        "deploying": ("CompressedFile", "Deployment", "compress", "deploy", "run"),
        "explaining": ("Explanation", "explain"),
        "firmware_explaining": ("FirmwareExplanation",),
        "pruning": ("masks", "prune"),
        "searching": ("FoundNetwork", "SearchResult", "search"),
        "tracking": ("log_to_mlflow",),
    }

    def __getattr__(name: str) -> Any:
        """What is in ``__all__``, imported when asked for: it brings libraries."""
        for module, names in _MODULES.items():
            if name in names:
                return getattr(importlib.import_module(f"edgeprune.api.{module}"), name)
        raise AttributeError(f"module 'edgeprune' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """What there is, although it is not imported yet."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Comparison",
    "CompressedFile",
    "Deployment",
    "Explanation",
    "FirmwareExplanation",
    "FoundNetwork",
    "SearchResult",
    "__version__",
    "cluster",
    "compare",
    "compress",
    "deploy",
    "explain",
    "log_to_mlflow",
    "masks",
    "prune",
    "run",
    "search",
]
