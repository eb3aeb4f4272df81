"""Opens the zip of a ``.keras`` file: known members only, each once, each as large as it says."""

from __future__ import annotations

import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgeprune.errors import ModelError
from edgeprune.load.checks import check_unpacked
from edgeprune.text.untrusted import reason_of

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

_ASSET = re.compile(r"assets/(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*(?:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_MAX_TEXT_BYTES = 64 << 20
_MAX_MEMBERS = 1_000
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_DEFLATE_RATIO = 1100
_SLACK_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file whose members have been checked.

    Raises:
        ModelError: It is damaged, or holds members that no ``.keras`` file has.
    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            _check_members(path, archive, stream)
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        struct.error,
        UnicodeError,
    ) as error:
        raise ModelError(f"{path}: damaged .keras file: {reason_of(error)}") from error


def read_text(archive: zipfile.ZipFile, name: str) -> bytes:
    """A short member as bytes."""
    return archive.read(name)


def extract(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Writes a member to a file, piece by piece; its checksum is compared on the way."""
    with archive.open(name) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK_BYTES)


def write_clean(
    target: Path, texts: dict[str, str], weights: Path | None, archive: zipfile.ZipFile
) -> None:
    """Writes a ``.keras`` file of our own from parts that were checked.

    Args:
        target: The file to write.
        texts: Content of ``config.json`` and ``metadata.json``.
        weights: The HDF5 file with the weights.
        archive: Where vocabularies (``assets/``) are copied from.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as clean:
        for name, text in texts.items():
            clean.writestr(name, text)
        if weights is not None:
            clean.write(weights, WEIGHTS)
        for name in archive.namelist():
            if name.startswith("assets/"):
                clean.writestr(name, archive.read(name))


def _check_members(path: Path, archive: zipfile.ZipFile, stream: BinaryIO) -> None:
    members = archive.infolist()
    missing = {CONFIG, METADATA} - {member.filename for member in members}
    if missing:
        raise ModelError(f"{path}: a zip file without {min(missing)}: no Keras model")
    if len(members) > _MAX_MEMBERS:
        raise ModelError(f"{path}: holds {len(members):,} members, more than {_MAX_MEMBERS:,}")
    names = [member.filename for member in members]
    for member in members:
        _check_member(path, member)
        if names.count(member.filename) > 1:
            raise ModelError(f"{path}: member {member.filename[:60]!r} appears in it twice")
    check_unpacked(path, sum(member.file_size for member in members))
    end = 0
    for member in sorted(members, key=lambda item: item.header_offset):
        if member.header_offset < end:
            raise ModelError(f"{path}: member {member.filename[:60]!r} overlaps another")
        stream.seek(member.header_offset)
        magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        if magic != b"PK\x03\x04":
            raise ModelError(f"{path}: member {member.filename[:60]!r} has no header of its own")
        data = member.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
        end = data + member.compress_size
    if end > path.stat().st_size:
        raise ModelError(f"{path}: its members declare {end:,} bytes, more than the file has")


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    shown = repr(name[:80])
    if name.startswith("/") or "\\" in name or ".." in Path(name).parts or ":" in name:
        raise ModelError(f"{path}: member {shown} would be unpacked elsewhere")
    if name not in (CONFIG, METADATA, WEIGHTS) and not _ASSET.fullmatch(name):
        raise ModelError(f"{path}: member {shown} is none of a Keras file: no Keras model")
    if member.flag_bits & 1:
        raise ModelError(f"{path}: member {shown} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelError(f"{path}: member {shown} is packed in a way that Keras does not use")
    if name != WEIGHTS and member.file_size > _MAX_TEXT_BYTES:
        raise ModelError(f"{path}: member {shown} is larger than {_MAX_TEXT_BYTES:,} bytes")
    mode = member.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not stat.S_IFMT(mode)):
        raise ModelError(f"{path}: member {shown} is a link or a device")
    if member.file_size > _DEFLATE_RATIO * member.compress_size + _SLACK_BYTES:
        raise ModelError(
            f"{path}: member {shown} declares {member.file_size:,} bytes when unpacked, more than "
            f"its {member.compress_size:,} bytes can hold"
        )
