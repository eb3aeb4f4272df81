"""Checks an HDF5 file from group to group before anything reads its values.

HDF5 lets a dataset lie in another file, be put together from others, or be unpacked by a library
that is loaded for it; a group may hold itself. None of that is in a file of Keras.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeprune.errors import ModelError, from_extra
from edgeprune.load.checks import check_unpacked

MAX_OBJECTS = 50_000
"""Most groups and datasets in a file: a network of 1,000 layers has some 5,000."""

MAX_TEXTS = 20_000
"""Most values of one attribute: it names the layers of a network, or the weights of a layer."""

MAX_ATTRIBUTES = 1_000
"""Most attributes of one object: Keras cuts lists of names into pieces of 64 kB."""

MAX_DEPTH = 50
MAX_ATTRIBUTE_BYTES = 64 << 20

_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
_GZIP_RATIO = 1100
"""Deflate packs at most 1,032 to 1."""

_SLACK_BYTES = 1 << 16

_FREE_CHUNK_BYTES = 1 << 20
_CHUNK_RATIO = 4
"""Each chunk is unpacked whole, and may be as much longer than the dataset that it belongs to."""


def import_h5py() -> Any:
    """The module ``h5py``, whose HDF5 loads no filters from elsewhere.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    with from_extra("keras"):
        import h5py
    return h5py


@dataclass
class _Walk:
    """One pass over one file."""

    where: Path
    file_bytes: int
    seen: set[int] = field(default_factory=set)
    attributes: int = 0
    elements: int = 0
    unpacked_bytes: int = 0
    plain_bytes: int = 0

    def refuse(self, what: str) -> ModelError:
        return ModelError(f"{self.where}: {what}")


def check_hdf5(file: Any, path: Path, where: Path | None = None) -> int:
    """Checks every link, dataset and attribute.

    Args:
        file: The open ``h5py.File``.
        path: Where it lies.
        where: The file that the message names, where that is another.

    Returns:
        The number of elements in all its datasets.

    Raises:
        ModelError: Something lies outside the file, is linked twice, needs a filter that we do not
            know, or is far larger than the file.
    """
    walk = _Walk(where or path, path.stat().st_size)
    if file.userblock_size:
        raise walk.refuse(f"{file.userblock_size} bytes stand before its HDF5 data, expected none")
    _check_group(file, "/", walk, 0)
    if walk.plain_bytes > walk.file_bytes + _SLACK_BYTES:
        raise walk.refuse(
            f"its datasets declare {walk.plain_bytes:,} bytes, and the file has {walk.file_bytes:,}"
        )
    check_unpacked(path, walk.unpacked_bytes, where)
    return walk.elements


def _check_group(group: Any, name: str, walk: _Walk, depth: int) -> None:
    """Goes through a group and what lies in it.

    Raises:
        ModelError: As ``check_hdf5``.
    """
    h5py = import_h5py()
    if depth > MAX_DEPTH:
        raise walk.refuse(f"HDF5 groups are nested more than {MAX_DEPTH} deep")
    _once(group, name, walk)
    _check_attributes(group, name, walk)
    for key in group:
        link = group.get(key, getlink=True)
        shown = repr(f"{name}{key}"[:80])
        if not isinstance(link, h5py.HardLink):
            raise walk.refuse(f"{shown} is a link to elsewhere, expected data in the file")
        item = group[key]
        if isinstance(item, h5py.Group):
            _check_group(item, f"{name}{key}/", walk, depth + 1)
        elif isinstance(item, h5py.Dataset):
            _once(item, f"{name}{key}", walk)
            _check_attributes(item, f"{name}{key}", walk)
            _check_dataset(item, shown, walk)
        else:
            raise walk.refuse(f"{shown} is no group and no dataset")


def _once(item: Any, name: str, walk: _Walk) -> None:
    address = import_h5py().h5o.get_info(item.id).addr
    if address in walk.seen:
        raise walk.refuse(f"{name[:80]!r} appears at two places of the file")
    walk.seen.add(address)
    if len(walk.seen) > MAX_OBJECTS:
        raise walk.refuse(f"holds more than {MAX_OBJECTS:,} HDF5 objects")


def _check_dataset(item: Any, shown: str, walk: _Walk) -> None:
    if item.external or item.is_virtual:
        raise walk.refuse(f"{shown} keeps its data in another file")
    if item.dtype.kind not in "fiubVS" or item.dtype.names or item.dtype.subdtype:
        raise walk.refuse(f"{shown} holds {item.dtype}, expected numbers")
    filters = item.id.get_create_plist()
    for index in range(filters.get_nfilters()):
        number = filters.get_filter(index)[0]
        if number not in _FILTERS:
            raise walk.refuse(
                f"{shown} is packed by the HDF5 filter {number}, which is not allowed"
            )
    declared, stored = int(item.nbytes), int(item.id.get_storage_size())
    walk.elements += int(item.size)
    walk.unpacked_bytes += _unpacked_bytes(item, shown, walk)
    ratio = _GZIP_RATIO if filters.get_nfilters() else 1
    if not filters.get_nfilters():
        walk.plain_bytes += declared
    if stored > walk.file_bytes or declared > ratio * stored + _SLACK_BYTES:
        raise walk.refuse(
            f"{shown} declares {declared:,} bytes, more than its {stored:,} stored bytes can hold"
        )


def _unpacked_bytes(item: Any, shown: str, walk: _Walk) -> int:
    """What reading all of a dataset unpacks: its chunks, each of them whole."""
    if item.chunks is None:
        return int(item.nbytes)
    chunk_bytes = math.prod(item.chunks) * int(item.dtype.itemsize)
    if chunk_bytes > max(_FREE_CHUNK_BYTES, _CHUNK_RATIO * int(item.nbytes)):
        raise walk.refuse(
            f"{shown} holds {int(item.nbytes):,} bytes in chunks that unpack to {chunk_bytes:,} "
            "bytes each"
        )
    sizes = zip(item.shape, item.chunks, strict=True)
    return int(chunk_bytes * math.prod(-(-size // chunk) for size, chunk in sizes))


def _attributes(item: Any, name: str, walk: _Walk) -> list[bytes]:
    """Names of an object's attributes.

    Raises:
        ModelError: They are more than Keras writes.
    """
    h5py = import_h5py()
    count = h5py.h5a.get_num_attrs(item.id)
    walk.attributes += count
    if count > MAX_ATTRIBUTES or walk.attributes > MAX_OBJECTS:
        raise walk.refuse(
            f"{name[:60]!r} has {count:,} attributes, at most {MAX_ATTRIBUTES:,}, and "
            f"{MAX_OBJECTS:,} in a file"
        )
    names: list[bytes] = []
    h5py.h5a.iterate(item.id, names.append)
    return names


def _check_attributes(item: Any, name: str, walk: _Walk) -> None:
    h5py = import_h5py()
    good = (h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)
    for label in _attributes(item, name, walk):
        attribute = h5py.h5a.open(item.id, label)
        kind, count = attribute.get_type(), attribute.get_space().get_simple_extent_npoints()
        shown = f"attribute {attribute.name.decode('utf-8', 'replace')[:60]!r} of {name[:60]!r}"
        if kind.get_class() not in good:
            raise walk.refuse(f"{shown} is neither text nor numbers")
        if count > MAX_TEXTS:
            raise walk.refuse(f"{shown} holds {count:,} values, at most {MAX_TEXTS:,}")
        size = int(kind.get_size()) * int(count)
        if size > min(MAX_ATTRIBUTE_BYTES, walk.file_bytes + _SLACK_BYTES):
            raise walk.refuse(f"{shown} declares {size:,} bytes")
