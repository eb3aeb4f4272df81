"""Fetches wheels for other machines through this machine's own pip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeprune.devices.links.pipes import run_to_end
from edgeprune.errors import DeviceError, DeviceTimeout

_TIMEOUT_S = 600.0


def download_wheel(
    requirement: str, platforms: Sequence[str], python: str, folder: Path, where: str
) -> Path:
    """Downloads the newest wheel that fits into an empty folder.

    Args:
        requirement: Package and version, as pip takes it.
        platforms: Platform tags that will do.
        python: Version of the Python that the wheel is for, as ``3.11``.
        folder: Where it goes.
        where: What cannot be fetched, for messages.

    Raises:
        DeviceError: There is none, or it cannot be reached.
    """
    argv = [
        *(*_pip(where), "download", requirement, "--no-deps"),
        *(word for platform in platforms for word in ("--platform", platform)),
        *("--only-binary", ":all:", "--python-version", python, "--dest", str(folder)),
        *("--disable-pip-version-check", "--quiet", "--no-input"),
    ]
    try:
        status, _, errors = run_to_end(argv, _TIMEOUT_S)
    except DeviceTimeout as error:
        raise DeviceTimeout(f"{where}: {error}") from error
    if status != 0:
        lines = [line for line in errors.splitlines() if line.startswith("ERROR")]
        raise DeviceError(f"{where}: {lines[-1] if lines else errors.strip()[-300:]}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise DeviceError(f"{where}: pip left {len(wheels)} wheels, expected one")
    return wheels[0]


def _pip(where: str) -> list[str]:
    """How pip is started: this environment's, else the one that uv brings, as under ``uvx``.

    Raises:
        DeviceError: There is neither.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise DeviceError(f"{where}: pip is not installed: python -m ensurepip")
    return [uv, "tool", "run", "pip"]
