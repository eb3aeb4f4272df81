"""CIFAR-10's subset out of ``../shared``, for the benchmarks that train or score on it."""

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"


def decoded(source: Path, target: Path) -> None:
    """CIFAR-10 out of its JPEGs: uint8 images (n, 32, 32, 3) and their labels."""
    packed = np.load(source)
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        jpegs, offsets = packed[f"jpeg_{part}"], packed[f"offset_{part}"]
        images = [
            np.asarray(Image.open(io.BytesIO(jpegs[a:b].tobytes())))
            for a, b in itertools.pairwise(offsets)
        ]
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.stack(images), packed[f"y_{part}"]
    np.savez(target, **arrays)
