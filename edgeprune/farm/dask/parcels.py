"""What a job reads, by content: a host shares no disk with the farm."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from edgeprune.errors import ModelError
from edgeprune.farm.dask.messages import File, Parcel
from edgeprune.farm.job import Job, Kind

MAX_FILES = 20_000
MAX_BYTES = 8 << 30
"""Of one job. Source: ours; a folder of images, and a gigabit a minute."""

PIECE_BYTES = 4 << 20


class Packer:
    """Looks at what jobs name, each file once."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, int, int], str] = {}
        self.sources: dict[str, Path] = {}

    def parcels(self, job: Job) -> tuple[Parcel, ...]:
        """What a job reads; ``sources`` has the files by digest from then on.

        Raises:
            ModelError: It is too much, or cannot be read.
        """
        if job.kind is Kind.CONFIRM:
            return ()  # it measures again what the host has kept
        named = [("model", Path(job.model_path))]
        if job.recipe.endswith(".toml"):
            named.append(("recipe", Path(job.recipe)))
        data = job.options.get("data")
        if data is not None and Path(data).exists():
            named.append(("data", Path(data)))
        try:
            packed = tuple(self._parcel(use, path) for use, path in named)
        except OSError as error:
            raise ModelError(f"{error.filename}: cannot be read: {error.strerror}") from error
        files = [file for parcel in packed for file in parcel.files]
        total = sum(file.size for file in files)
        if len(files) > MAX_FILES or total > MAX_BYTES:
            raise ModelError(
                f"{job.model_path}: the job reads {len(files):,} files of {total / 1e9:.1f} GB, "
                f"and {MAX_FILES:,} of {MAX_BYTES / 1e9:.1f} GB can be sent to another host"
            )
        return packed

    def _parcel(self, use: str, path: Path) -> Parcel:
        if not path.is_dir():
            return Parcel(use, path.name, False, (self._file(path, path.name),))
        found = sorted(one for one in path.rglob("*") if one.is_file())
        files = tuple(self._file(one, one.relative_to(path).as_posix()) for one in found)
        return Parcel(use, path.resolve().name, True, files)

    def _file(self, path: Path, name: str) -> File:
        state = path.stat()
        key = (str(path), state.st_size, state.st_mtime_ns)
        if key not in self._digests:
            with path.open("rb") as stream:
                self._digests[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        sha256 = self._digests[key]
        self.sources[sha256] = path
        return File(name, sha256, state.st_size)


def pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """A file in pieces, each with its offset; an empty one is one piece."""
    offset = 0
    with path.open("rb") as stream:
        while (piece := stream.read(PIECE_BYTES)) or offset == 0:
            yield offset, piece
            if not piece:
                return
            offset += len(piece)


def faults(parcels: tuple[Parcel, ...], kind: Kind = Kind.MEASURE) -> str:
    """What is wrong with parcels that came from elsewhere; empty if nothing is.

    Args:
        parcels: What came.
        kind: What the job is for.

    >>> faults((Parcel("model", "../x", False, ()),))
    "the model's name '../x' leads elsewhere"
    """
    uses = [parcel.use for parcel in parcels]
    if kind is not Kind.CONFIRM and uses.count("model") != 1:
        return "there is not one model"
    for parcel in parcels:
        if parcel.use not in ("model", "recipe", "data"):
            return f"{parcel.use!r} is no use of a file"
        for name in (parcel.name, *(file.name for file in parcel.files)):
            if not _stays_below(name):
                return f"the {parcel.use}'s name {name!r} leads elsewhere"
        if not parcel.is_folder and [file.name for file in parcel.files] != [parcel.name]:
            return f"the {parcel.use} is not one file"
    return ""


def _stays_below(name: str) -> bool:
    """Whether a relative path stays in its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and "\0" not in name and parts[0] != "/" and ".." not in parts


def unpacked(job: Job, parcels: tuple[Parcel, ...], folder: Path) -> Job:
    """The job with its files where they were laid on this host.

    Args:
        job: As it came.
        parcels: What it reads.
        folder: Where each parcel lies in a folder of its use.
    """
    places = {parcel.use: str(folder / parcel.use / parcel.name) for parcel in parcels}
    options = dict(job.options)
    if "data" in places:
        options["data"] = places["data"]
    return dataclasses.replace(
        job,
        model_path=places.get("model", job.model_path),
        recipe=places.get("recipe", job.recipe),
        options=options,
    )
