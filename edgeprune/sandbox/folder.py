"""The child's own folder, the only one that it may write to, and what killed runs left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "edgeprune-child-"
_LOCK = "owner.lock"


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """An empty folder, removed at the end with all that is in it.

    Folders whose owner was killed go as well.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as path:
        folder = Path(path)
        lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "new").rename(folder / _LOCK)  # nobody ever sees it without its owner
            (folder / "work").mkdir()
            yield folder / "work"
        finally:
            os.close(lock)


def _sweep(where: Path) -> None:
    """Removes this user's folders that nobody holds any more."""
    for folder in where.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


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
