"""What a child may read that runs no code of the user's: the system, Python, and what it is given.

So a model that gets past the first wall finds nothing of the user's to take along.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeprune.files import paths

_SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix", "/gnu", "/snap"),
    *("/sys", "/proc", "/run/opengl-driver", "/home/linuxbrew"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_PACKAGE = Path(__file__).parents[1]
_MAX_ENTRIES = 200_000
_MAX_LINKED = 1000


def readable(given: Sequence[Path]) -> list[Path]:
    """Folders and files.

    Args:
        given: What the user handed in.
    """
    wanted = [*map(Path, (*_SYSTEM, *_DEVICES)), *_settings(), *_python(), *_ours(), *given]
    resolved = (paths.real_path(path) for path in wanted)
    return list(dict.fromkeys(path for path in resolved if path.exists()))


def _settings() -> Iterator[Path]:
    """What everybody may read of the system's settings: root's own secrets stay closed."""
    for entry in Path("/etc").iterdir():
        try:
            if entry.stat().st_mode & stat.S_IROTH:
                yield entry
        except OSError:
            continue


def _python() -> Iterator[Path]:
    """The interpreter and what it imports; the current folder only happens to be among that."""
    yield from map(Path, (sys.prefix, sys.base_prefix, sys.exec_prefix))
    here = Path.cwd()
    for entry in filter(None, sys.path):
        if paths.real_path(Path(entry)) != here:
            yield Path(entry)
    yield (
        Path(os.path.expanduser("~")) / ".cache" / "uv"
    )  # where uv keeps what it links into environments
    for name in ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH"):
        yield from map(Path, filter(None, os.environ.get(name, "").split(os.pathsep)))


def _ours() -> Iterator[Path]:
    """This package with its boards, the user's own boards, and what Keras keeps of its own."""
    yield _PACKAGE
    yield paths.shipped("boards")
    boards = os.environ.get("EDGEPRUNE_BOARDS")
    if boards:
        yield Path(boards)
    yield Path(os.environ.get("KERAS_HOME") or Path(os.path.expanduser("~")) / ".keras")


def linked(folder: Path) -> list[Path] | None:
    """Where the links in a folder of the user's lead: folders, and those of linked files.

    Returns:
        None where there are too many to say.
    """
    found: dict[Path, None] = {}
    entries, ahead = 0, [folder]
    while ahead:
        for where, folders, files in os.walk(ahead.pop()):
            entries += len(folders) + len(files)
            for path in (Path(where, name) for name in (*folders, *files)):
                if not path.is_symlink():
                    continue
                target = paths.real_path(path)
                outside = target if target.is_dir() else target.parent
                if outside not in found and outside != folder:
                    found[outside] = None
                    ahead += [target] if target.is_dir() else []
            if entries > _MAX_ENTRIES or len(found) > _MAX_LINKED:
                return None
    return list(found)


def stored_apart(model: Path) -> list[Path]:
    """Files of a model's folder that are links into a store beside it, as in Hugging Face's cache.

    Other links are not followed: a model from elsewhere may bring some to files of the user's.
    """
    if not model.is_dir():
        return []
    stores = [paths.real_path(folder / "blobs") for folder in paths.real_path(model).parents]
    targets = (paths.real_path(path) for path in model.rglob("*") if path.is_symlink())
    return [target for target in targets if any(store in target.parents for store in stores)]
