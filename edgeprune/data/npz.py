"""Arrays in an ``.npz`` file."""

from __future__ import annotations

import math
import re
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from edgeprune.artifacts.arrays import Array
from edgeprune.data.memory import check_fits
from edgeprune.data.part_names import PARTS
from edgeprune.data.raw import RawData
from edgeprune.errors import ModelError

KEYS = ("x_train", "y_train", "x_test", "y_test")
HEADS = ("y_train_", "y_train/", "y_test_", "y_test/")
"""How names of targets begin that are for one of several outputs."""

_AXES = {
    "x": "x", "xs": "x", "input": "x", "inputs": "x", "image": "x", "images": "x", "data": "x",
    "features": "x", "feature": "x", "samples": "x", "y": "y", "ys": "y", "label": "y",
    "labels": "y", "target": "y", "targets": "y", "classes": "y",
}  # fmt: skip
"""Words that people use for inputs and targets."""

_KINDS = {
    "O": "Python objects, which could run code",
    "U": "text",
    "S": "text",
    "V": "records or raw bytes",
    "c": "complex numbers",
    "M": "dates",
    "m": "time spans",
}
"""Types of numpy that are no numbers."""

_FLOAT32_BYTES = 4

_DAMAGED = (
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UnicodeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise for files that are damaged, encrypted or none of theirs."""


@dataclass(frozen=True)
class Header:
    """What an array in the file says of itself.

    Attributes:
        shape: Its shape.
        dtype: Its type.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def npz_headers(path: Path) -> dict[str, Header]:
    """Looks at the arrays that are wanted without reading them.

    Returns:
        The file's arrays by name: those of :data:`KEYS`, then those of single outputs.

    Raises:
        ModelError: It is no ``.npz``, lacks what is needed, holds what are no numbers, or more than
            fits into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            names = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]
            wanted = sorted((n for n in names if n in KEYS or n.startswith(HEADS)), key=_place)
            headers = {name: _header(archive, f"{name}.npy") for name in wanted}
    except _DAMAGED as error:
        raise ModelError(_no_npz(path, error)) from error
    _check_names(path, names)
    for name, header in headers.items():
        _check_kind(path, name, header)
    _check_size(path, headers, members)
    return headers


def read_npz(path: Path) -> RawData:
    """The file's arrays, those of :data:`KEYS` that it has, and those of single outputs.

    Raises:
        ModelError: As :func:`npz_headers`, or an array is damaged.
    """
    headers = npz_headers(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays: dict[str, Array] = {name: archive[name] for name in headers}
            others = [name for name in archive.files if name not in headers]
    except _DAMAGED as error:
        raise ModelError(_no_npz(path, error)) from error
    shown = ", ".join(sorted(others)[:5])
    return RawData(arrays, notes=(f"ignored arrays of other names: {shown}",) if others else ())


def _header(archive: zipfile.ZipFile, member: str) -> Header:
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"{member} has version {version} of the format")
        shape, _, dtype = read(file)
    if any(type(size) is not int or size < 0 for size in shape):
        raise ValueError(f"{member} has the shape {shape}")
    return Header(shape, dtype)


def _no_npz(path: Path, error: BaseException) -> str:
    """What to say of a file that cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
    except OSError:
        head = b""
    save = "np.savez(FILE, x_train=..., y_train=..., x_test=..., y_test=...)"
    if head == b"\x93NUMPY":
        return f"{path}: cannot be read as an .npz file: it is one .npy array; save all with {save}"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{path}: cannot be read as an .npz file of plain arrays, as {save} writes: {reason}"


def _check_names(path: Path, names: list[str]) -> None:
    """Checks that there is enough under the right names.

    Raises:
        ModelError: There is no ``x_test``, or a name is almost one that is wanted.
    """
    meant = {name: key for name in names if (key := _asked(name, names))}
    hints = ", ".join(f"{name} (did you mean {key}?)" for name, key in meant.items())
    if "x_test" not in names:
        if not names:
            raise ModelError(
                f"{path}: has no x_test to score with, and no arrays at all; an archive of images "
                "must be unpacked, and the folder given"
            )
        rest = [name for name in names if name not in meant]
        found = ", ".join(filter(None, [hints, ", ".join(rest)]))
        raise ModelError(f"{path}: has no x_test to score with; found {found}")
    if meant:
        raise ModelError(f"{path}: has no {', '.join(map(str, meant.values()))}; found {hints}")


def _meant(name: str) -> str | None:
    """The key that a name stands for; ``X_train``, ``train_images`` and the like.

    >>> [_meant(name) for name in ("X_train", "testLabels", "y_val", "weights")]
    ['x_train', 'y_test', 'y_val', None]
    """
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).casefold())
    words = [part for word in words for part in _unglued(word)]
    axes, parts = ({table[w] for w in words if w in table} for table in (_AXES, PARTS))
    if len(words) == 2 and len(axes) == len(parts) == 1:
        return f"{axes.pop()}_{parts.pop()}"
    return None


def _asked(name: str, names: list[str]) -> str | None:
    """The key that a name was to be; None where it is right, or of no use."""
    if name in KEYS or name.startswith(HEADS):
        return None
    key = _meant(name)
    if key is not None and key.endswith("_val"):
        # Samples to choose by are of no use beside those to score with, which they can be.
        key = None if "x_test" in names else key.replace("_val", "_test")
    return None if key in names else key


def _unglued(word: str) -> list[str]:
    """``xtrain`` as ``x`` and ``train``."""
    return [word[0], word[1:]] if word[:1] in "xy" and word[1:] in PARTS else [word]


def _check_kind(path: Path, name: str, header: Header) -> None:
    kind = _KINDS.get(header.dtype.kind)
    if kind is None:
        return
    way = "expected numbers"
    if kind == "text" and name.startswith("y"):
        way = "expected class numbers: names, y = np.unique(y, return_inverse=True)"
    if header.dtype.kind == "O":
        way = "expected an array of numbers, all samples of one shape"
    raise ModelError(f"{path}: {name} holds {kind} ({header.dtype}), {way}")


def _check_size(
    path: Path, headers: dict[str, Header], members: dict[str, zipfile.ZipInfo]
) -> None:
    """Checks that the arrays are in the file, and fit into memory as float32."""
    needed = 0
    for name, header in headers.items():
        count = math.prod(header.shape)
        stored = members[f"{name}.npy"].file_size
        if count * header.dtype.itemsize > stored:
            raise ModelError(
                f"{path}: is damaged: {name} has the shape {header.shape}, and {stored:,} bytes"
            )
        is_float32 = header.dtype == np.float32
        needed += count * header.dtype.itemsize + (0 if is_float32 else count * _FLOAT32_BYTES)
    samples = "+".join(f"{headers[n].shape[0]:,}" for n in KEYS[::2] if len(_shape(headers, n)))
    check_fits(str(path), f"{samples} samples", needed)


def _shape(headers: dict[str, Header], name: str) -> tuple[int, ...]:
    return headers[name].shape if name in headers else ()


def _place(key: str) -> tuple[int, str]:
    return (KEYS.index(key) if key in KEYS else len(KEYS), key)
