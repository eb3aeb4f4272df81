"""Hostile model files, each made when a test asks for it, after published descriptions.

An attack that succeeds writes the canary, reads the secret, never ends or asks for the memory of
ten machines. Nothing here was copied: each is the smallest file that does what a report describes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """Where an attack aims.

    Attributes:
        folder: Empty; the file is made here.
        canary: A file that does not exist, and must not come to be.
        secret: A file that must not be read.
    """

    folder: Path
    canary: Path
    secret: Path


@dataclass(frozen=True)
class Attack:
    """One hostile file.

    Attributes:
        name: What it does, and in which format.
        source: Where its kind was described.
        make: Writes the file and returns its path.
    """

    name: str
    source: str
    make: Callable[[Target], Path]
