"""The folder that emulated programs see in place of this machine's root."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeprune.devices import cpuinfo
from edgeprune.devices.toolchain import glibc
from edgeprune.errors import ConfigError
from edgeprune.files import paths

_ISA = "aarch64"
_CPUS = "sys/devices/system/cpu"

_L2_KIB = {"cortex-a78": 512, "cortex-x1": 1024}
"""Size of the second level of cache that programs see of a core, where they ask Linux for it.

They would see this machine's else, and XNNPACK's detection of these cores crashes where it has more
cores than the board. Source: common chips, as the Snapdragon 888.
"""
_PUT_ATTEMPTS = 20


def make_root(core: str, features: Sequence[str]) -> Path:
    """The folder that emulated programs see in place of this machine's libraries and cpuinfo.

    qemu-user 7.2 shows this machine's own ``/proc/cpuinfo``, which makes XNNPACK's detection of an
    Arm core crash, unless the folder holds another.
    """
    if core not in cpuinfo.PARTS:
        known = ", ".join(cpuinfo.PARTS)
        raise ConfigError(f"cpu.core {core!r} cannot be emulated; known cores: {known}")
    shown = _shown(core, features)
    about = "".join(shown.values()) + str(glibc.folder(_ISA))
    root = (
        paths.cache_folder() / "qemu" / f"{core}-{hashlib.sha256(about.encode()).hexdigest()[:12]}"
    )
    if _is_root(root, shown):
        return root
    with paths.aside(root.parent) as aside:
        fresh = aside / "root"
        for name, text in shown.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_text(text)
        (fresh / "lib").symlink_to(glibc.folder(_ISA))
        _put(fresh, root, shown)
    return root


def _shown(core: str, features: Sequence[str]) -> dict[str, str]:
    """Text of each file that programs see of the core, by its path below the root."""
    shown = {"proc/cpuinfo": cpuinfo.cpuinfo_text(core, features, cores=1)}
    if core in _L2_KIB:
        shown |= {f"{_CPUS}/{name}": "0\n" for name in ("possible", "present", "online")}
        l2 = {"level": "2", "size": f"{_L2_KIB[core]}K", "shared_cpu_list": "0"}
        shown |= {f"{_CPUS}/cpu0/cache/index2/{key}": f"{text}\n" for key, text in l2.items()}
    return shown


def _put(fresh: Path, root: Path, shown: Mapping[str, str]) -> None:
    """Renames a finished root into its place, unless another process was faster and made the same.

    A damaged root is renamed away, never emptied in its place: another process may put a whole one
    there at any moment, and run programs in it.
    """
    for attempt in range(_PUT_ATTEMPTS):
        try:
            fresh.rename(root)
        except OSError:
            if _is_root(root, shown):
                return
            if attempt + 1 == _PUT_ATTEMPTS:
                raise
            with contextlib.suppress(FileNotFoundError):
                root.rename(fresh.parent / f"damaged-{attempt}")
        else:
            return


def _is_root(root: Path, shown: Mapping[str, str]) -> bool:
    """Whether the folder is there and whole."""
    try:
        is_whole = all(
            (root / name).read_text(encoding="utf-8", errors="replace") == text
            for name, text in shown.items()
        )
        return is_whole and (root / "lib").readlink() == glibc.folder(_ISA)
    except OSError:
        return False
