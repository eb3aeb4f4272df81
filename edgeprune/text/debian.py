"""How what Debian packages is installed, said so that it fits this machine."""

from __future__ import annotations

from pathlib import Path

APT = Path("/usr/bin/apt-get")


def install_hint(packages: str) -> str:
    """The command where there is apt; elsewhere the names alone, under which others pack the same.

    Args:
        packages: Debian's names, with spaces between them.
    """
    if APT.exists():
        return f"apt-get install {packages}"
    return f"install what Debian packs as {packages.replace(' ', ', ')}"
