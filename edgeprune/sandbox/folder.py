"""The child's own folder, the only one that it may write to, and what killed runs left behind."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeprune.files.scratch import scratch_folder


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """An empty folder, removed at the end with all that is in it.

    Folders whose owner was killed go as well. The child gets one inside, for its owner's lock is on
    the outer one.
    """
    with scratch_folder(Path(tempfile.gettempdir()), prefix="") as folder:
        work = folder / "work"
        work.mkdir()
        yield work


def environment(folder: Path) -> dict[str, str]:
    """Where the child's libraries put what they write, in place of the user's home.

    What Keras has cached there can still be read: its settings and data sets are linked.
    """
    keras = folder / "keras"
    keras.mkdir()
    _link(Path(os.environ.get("KERAS_HOME") or Path(os.path.expanduser("~")) / ".keras"), keras)
    named = ("TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")
    return {**dict.fromkeys(named, str(folder)), "KERAS_HOME": str(keras)}


def _link(cached: Path, keras: Path) -> None:
    """Links what is cached one by one: Keras takes a folder for its own only if it may write it."""
    for name in ("keras.json", "datasets", "models"):
        with contextlib.suppress(OSError):
            if (cached / name).is_file():
                (keras / name).symlink_to(os.path.realpath(cached / name))
            elif (cached / name).is_dir():
                (keras / name).mkdir()
                for entry in (cached / name).iterdir():
                    (keras / name / entry.name).symlink_to(os.path.realpath(entry))
