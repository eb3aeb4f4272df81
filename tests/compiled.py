"""Programs that tests compile, each once: the cache keeps them by all that went into them."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeprune.files import paths

TIMEOUT_S = 800


def program(
    folder: Path,
    name: str,
    compiler: Sequence[str],
    sources: Sequence[Path],
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Path:
    """A copy in ``folder``, so that every test finds its own processes by the path.

    Args:
        folder: Where the copy goes.
        name: Its name.
        compiler: The compiler, with its flags.
        sources: C files; headers beside them and in the compiler's -I folders count as well.
        flags: What comes behind the sources, such as libraries.
        env: The compiler's environment.
    """
    kept = paths.cache_folder() / "tests" / _digest(name, compiler, sources, flags, env) / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / "lock").open("w") as lock:  # workers that want the same begin together
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not paths.is_whole(kept):
            with paths.aside(kept.parent) as aside:
                argv = [*compiler, "-o", aside / name, *sources, *flags]
                subprocess.run(argv, check=True, timeout=TIMEOUT_S, env=env)
                paths.keep(aside / name, kept)
    return Path(shutil.copy(kept, folder / name))


def joined(
    folder: Path,
    compiler: Sequence[str],
    sources: Sequence[Path],
    env: Mapping[str, str] | None = None,
) -> Path:
    """One object file of many sources, for several programs that share them."""
    return program(folder, "joined.o", [*compiler, "-r"], sources, env=env)


def _digest(
    name: str,
    compiler: Sequence[str],
    sources: Sequence[Path],
    flags: Sequence[str],
    env: Mapping[str, str] | None,
) -> str:
    version = [*compiler, "--version"]
    text = subprocess.run(version, check=True, capture_output=True, timeout=60, env=env).stdout
    folders = {source.parent for source in sources}
    words = [name, *(word for word in (*compiler, *flags) if not word.startswith("-I"))]
    digest = hashlib.sha256(repr(words).encode() + text)
    folders |= {Path(word[2:]) for word in compiler if word.startswith("-I")}
    headers = {header for folder in folders for header in folder.rglob("*.h")}
    for path in sorted({*sources, *headers}):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]
