"""The folder that emulated programs see in place of this machine's root."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from edgeprune.devices import cpuinfo
from edgeprune.devices.toolchain import glibc
from edgeprune.errors import ConfigError
from edgeprune.files import paths

_ISA = "aarch64"
_PUT_ATTEMPTS = 20


def make_root(core: str, features: Sequence[str]) -> Path:
    """The folder that emulated programs see in place of this machine's libraries and cpuinfo.

    qemu-user 7.2 shows this machine's own ``/proc/cpuinfo``, which makes XNNPACK's detection of an
    Arm core crash, unless the folder holds another.
    """
    if core not in cpuinfo.PARTS:
        known = ", ".join(cpuinfo.PARTS)
        raise ConfigError(f"cpu.core {core!r} cannot be emulated; known cores: {known}")
    text = cpuinfo.cpuinfo_text(core, features, cores=1)
    digest = hashlib.sha256((text + str(glibc.folder(_ISA))).encode()).hexdigest()[:12]
    root = paths.cache_folder() / "qemu" / f"{core}-{digest}"
    if _is_root(root, text):
        return root
    with paths.aside(root.parent) as aside:
        fresh = aside / "root"
        (fresh / "proc").mkdir(parents=True)
        (fresh / "proc" / "cpuinfo").write_text(text)
        (fresh / "lib").symlink_to(glibc.folder(_ISA))
        _put(fresh, root, text)
    return root


def _put(fresh: Path, root: Path, text: str) -> None:
    """Renames a finished root into its place, unless another process was faster and made the same.

    A damaged root is renamed away, never emptied in its place: another process may put a whole one
    there at any moment, and run programs in it.
    """
    for attempt in range(_PUT_ATTEMPTS):
        try:
            fresh.rename(root)
        except OSError:
            if _is_root(root, text):
                return
            if attempt + 1 == _PUT_ATTEMPTS:
                raise
            with contextlib.suppress(FileNotFoundError):
                root.rename(fresh.parent / f"damaged-{attempt}")
        else:
            return


def _is_root(root: Path, text: str) -> bool:
    """Whether the folder is there and whole."""
    try:
        kept = (root / "proc" / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        return kept == text and (root / "lib").readlink() == glibc.folder(_ISA)
    except OSError:
        return False
