"""What an emulated core computed before: counts, kernels and outputs, kept by what they depend on.

They depend on the file, the runtime, the agent, the emulator and what programs see of the board,
and on nothing else: where all of these are the same, so are they.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.agents.session import Profile, ProfileEvent
from edgeprune.artifacts.arrays import Samples
from edgeprune.errors import ConfigError
from edgeprune.files import kept_folders, paths
from edgeprune.files.decoder_errors import DECODER_ERRORS
from edgeprune.files.whole_file import write_whole
from edgeprune.measure import kept_work
from edgeprune.measure.kept_work import NetworkWork

MAX_BYTES = 500 * 10**6
"""What all of it may take together; the least recently used goes first. Source: ours; some 10,000
networks that tell classes apart, or 5 that answer with whole images."""

UNUSED_S = 30 * 24 * 3600
"""Age at which goes what nobody asked for again. Source: ours, as for trainings."""

_FORM = 1
"""Of the files; another one begins anew."""

_DIGEST_BYTES = 32
_COUNT, _KERNELS, _OUTPUTS, _WORK = "count", "kernels", "outputs", "work"


def store_folder() -> Path:
    """Where all of it is kept."""
    return paths.data_folder() / "emulated"


def summary() -> str:
    """Of how many networks something is kept, what it takes, and where, in words."""
    return kept_folders.summary(store_folder(), MAX_BYTES)


def identity(tflite: bytes, programs: Mapping[str, Path], depends: Mapping[str, Any]) -> str:
    """What results of a file on an emulated core are known by.

    Args:
        tflite: The file.
        programs: What runs it: agent and runtime.
        depends: All else that they depend on, as JSON can hold it.

    Returns:
        A hex digest.

    Raises:
        OSError: A program cannot be read.
    """
    about = {
        "form": _FORM,
        "file": hashlib.sha256(tflite).hexdigest(),
        "programs": {name: paths.digest_of(path) for name, path in programs.items()},
        "depends": dict(depends),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@dataclass
class KeptRun:
    """What was computed of one file before, and what is kept of it from now on.

    A file of it begins with the digest of its content and of its place, so that one that is damaged
    or belongs elsewhere is as good as missing.

    Attributes:
        identity: See :func:`identity`.
        is_anew: Nothing is taken; what is made takes the place of what there was.
        taken: What was taken: ``count``, ``kernels``, ``outputs``, ``work``.
    """

    identity: str
    is_anew: bool = False
    taken: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Holds its files."""
        return store_folder() / self.identity[:32]

    def count(self) -> int | None:
        """Instructions per inference; None where they are to be counted."""
        found: int | None = self._taken(_COUNT, _COUNT, lambda raw: _positive(json.loads(raw)))
        return found

    def keep_count(self, instructions: int) -> None:
        """Keeps instructions per inference."""
        self._write(_COUNT, json.dumps(instructions).encode())

    def kernels(self) -> Profile | None:
        """What a profile saw; None where there is to be one."""
        found: Profile | None = self._taken(_KERNELS, _KERNELS, _profile)
        return found

    def keep_kernels(self, profile: Profile) -> None:
        """Keeps what a profile saw."""
        runs = [[[one.tag, one.source, one.elapsed_us] for one in run] for run in profile.events]
        self._write(_KERNELS, json.dumps([profile.tags, runs]).encode())

    def work(self, about: str) -> NetworkWork | None:
        """What the core does for the network; None where that is to be counted.

        Args:
            about: What it depends on beside the run: the counter, and the simulated caches.
        """
        found: NetworkWork | None = self._taken(_WORK, f"{_WORK}-{about}", kept_work.read)
        return found

    def keep_work(self, about: str, work: NetworkWork) -> None:
        """Keeps what the core does for the network."""
        self._write(f"{_WORK}-{about}", kept_work.written(work))

    def outputs(self, samples: Samples) -> Samples | None:
        """Outputs for these inputs in this order; None where they are to be computed."""
        found: Samples | None = self._taken(_OUTPUTS, _name(samples), _arrays)
        return found

    def keep_outputs(self, samples: Samples, outputs: Samples) -> None:
        """Keeps outputs that were found to be right."""
        arrays = {f"{k}:{i}": a for k, row in enumerate(outputs) for i, a in enumerate(row)}
        content = io.BytesIO()
        save: Any = np.savez
        save(content, allow_pickle=False, rows=[len(row) for row in outputs], **arrays)
        self._write(_name(samples), content.getvalue())

    def forget_outputs(self, samples: Samples) -> None:
        """Removes outputs that turned out to be wrong: the next run computes them anew."""
        with contextlib.suppress(OSError):
            (self.folder / _name(samples)).unlink()

    def _taken(self, what: str, name: str, read: Callable[[bytes], Any]) -> Any:
        if self.is_anew:
            return None
        try:
            raw = (self.folder / name).read_bytes()
            content = raw[_DIGEST_BYTES:]
            if raw[:_DIGEST_BYTES] != self._digest(name, content):
                return None
            value = read(content)
            os.utime(self.folder / name)
        except DECODER_ERRORS:
            return None
        self.taken.add(what)
        return value

    def _write(self, name: str, content: bytes) -> None:
        """Keeps a file; where it cannot be written, the next run computes it again."""
        with contextlib.suppress(OSError, ConfigError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / name, self._digest(name, content) + content, replace=True)
            kept_folders.make_room(store_folder(), MAX_BYTES, UNUSED_S)

    def _digest(self, name: str, content: bytes) -> bytes:
        return hashlib.sha256(f"{self.identity}/{name}\n".encode() + content).digest()


def _positive(value: Any) -> int:
    if type(value) is not int or value <= 0:
        raise ValueError("no count")
    return value


def _profile(raw: bytes) -> Profile:
    tags, runs = json.loads(raw)
    events = tuple(tuple(ProfileEvent(*one) for one in run) for run in runs)
    return Profile(tuple(tags), events)


def _arrays(raw: bytes) -> Samples:
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return [[file[f"{k}:{i}"] for i in range(n)] for k, n in enumerate(file["rows"])]


def _name(samples: Samples) -> str:
    """Of the file with the outputs for these inputs."""
    digest = hashlib.sha256()
    for row in samples:
        digest.update(f"{len(row)}\n".encode())
        for array in row:
            digest.update(f"{array.dtype.str}{array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return f"{_OUTPUTS}-{digest.hexdigest()[:32]}"
