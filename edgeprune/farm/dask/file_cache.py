"""Files that came from the farm, by content; they are kept for the next night."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from edgeprune.errors import DeviceError
from edgeprune.farm.dask.messages import Parcel, Piece
from edgeprune.farm.dask.parcels import MAX_BYTES, PIECE_BYTES

MAX_KEPT_BYTES = 20_000_000_000
"""More than that is kept only of what the last hour used. Source: ours."""

_IN_USE_S = 3600.0


class FileCache:
    """Files by digest in one folder, which all processes of a host share."""

    def __init__(self, folder: Path) -> None:
        """``folder``: made when a file comes."""
        self._folder = folder

    def lacking(self, digests: Iterable[str]) -> list[str]:
        """Which of these files are not here; the others are in use from now on."""
        missing = []
        for digest in digests:
            try:
                os.utime(self._place(digest))
            except OSError:
                missing.append(digest)
        return missing

    def take(self, piece: Piece, content: bytes) -> None:
        """Takes the next piece of a file; with the last one the file is there, if it is right.

        Raises:
            DeviceError: It is too large, does not follow on the one before, the whole is not what
                was said, or the disk is full.
        """
        part = self._folder / f"{piece.sha256}.part"
        if piece.size > MAX_BYTES or len(content) > PIECE_BYTES:
            raise DeviceError(f"a file of {piece.size:,} bytes is more than a host takes")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with part.open("wb" if piece.offset == 0 else "ab") as stream:
                if stream.tell() != piece.offset or piece.offset + len(content) > piece.size:
                    raise DeviceError(f"a piece of a file came out of order at {piece.offset:,}")
                stream.write(content)
                is_last = stream.tell() == piece.size
            if is_last:
                self._check(part, piece.sha256)
                os.replace(part, self._place(piece.sha256))
                self._make_room()
        except OSError as error:
            raise DeviceError(f"{self._folder}: {error.strerror or error}") from error

    def lay(self, parcels: Iterable[Parcel], folder: Path) -> None:
        """Lays parcels into a folder, each below its use; every file is read and checked.

        Args:
            parcels: Checked by :func:`edgeprune.farm.dask.parcels.faults`.
            folder: Must not exist.

        Raises:
            DeviceError: A file is missing or damaged, or the disk is full.
        """
        try:
            for parcel in parcels:
                top = folder / parcel.use / parcel.name if parcel.is_folder else folder / parcel.use
                top.mkdir(parents=True)
                for file in parcel.files:
                    self._check(self._place(file.sha256), file.sha256)
                    target = top / file.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(self._place(file.sha256), target)
        except FileNotFoundError as error:
            raise DeviceError(f"{error.filename}: a file of the job is not here") from error
        except OSError as error:
            raise DeviceError(f"{folder}: {error.strerror or error}") from error

    def _place(self, digest: str) -> Path:
        return self._folder / digest

    def _check(self, file: Path, digest: str) -> None:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != digest:
            file.unlink(missing_ok=True)
            raise DeviceError(f"{file.name}: it changed on its way here")

    def _make_room(self) -> None:
        """Deletes what was used longest ago, where there is too much."""
        files = []
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):
                state = file.stat()
                files.append((state.st_mtime, state.st_size, file))
        total = sum(size for _, size, _ in files)
        for used_s, size, file in sorted(files):
            if total <= MAX_KEPT_BYTES or time.time() - used_s < _IN_USE_S:
                return
            file.unlink(missing_ok=True)
            total -= size
