"""Where the folders of attempts lie."""

from __future__ import annotations

import re
from pathlib import Path

from edgeprune.files import paths


def farm_folder() -> Path:
    """Where the farm's files lie: a folder a night."""
    return paths.data_folder() / "farm"


def night_folder(night: str) -> Path:
    """Where the folders of a night's attempts lie, whatever the night is called.

    >>> night_folder("nightly 2026-11-29").name, night_folder("../../x").name
    ('nightly-2026-11-29', '-..-x')
    """
    name = re.sub(r"[^\w.-]+", "-", night).strip(".")[:100]
    return farm_folder() / (name or "night")
