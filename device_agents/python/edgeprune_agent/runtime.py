"""Opens the runtime: a wheel of ``tflite-runtime`` that was pushed, or a folder of packages."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import zipfile
from typing import Any

from edgeprune_agent.refusal import Refusal

_MODULES = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter")
_opened: dict[str, Any] = {}


def open_runtime(path: str) -> Any:
    """The class ``Interpreter`` of a runtime, which stays open.

    Args:
        path: A wheel, unpacked beside itself at its first use, or a folder with the package in it.

    Raises:
        Refusal: Another runtime is open, or this one cannot be imported.
    """
    if not _opened:
        _opened[path] = _import(path if os.path.isdir(path) else _unpacked(path))
    if path not in _opened:
        raise Refusal(
            f"the process runs on {next(iter(_opened))} and cannot change to another runtime"
        )
    return _opened[path].Interpreter


def _import(folder: str) -> Any:
    try:
        import numpy  # noqa: F401 - the runtime's own message would not say what to install
    except ImportError as error:
        raise Refusal(
            f"this Python has no numpy: sudo apt install python3-numpy ({error})"
        ) from error
    sys.path.insert(0, folder)
    reasons = []
    for name in _MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            reasons.append(str(error))
            continue
        if os.path.realpath(str(module.__file__)).startswith(os.path.realpath(folder) + os.sep):
            return module
        reasons.append(f"{module.__file__} is another one's")
    sys.path.remove(folder)
    raise Refusal(f"runtime library: {folder}: {'; '.join(reasons)}")


def _unpacked(wheel: str) -> str:
    """The folder with a wheel's files; it appears whole or not at all."""
    folder = wheel + ".unpacked"
    if os.path.isdir(folder):
        return folder
    try:
        aside = tempfile.mkdtemp(prefix=".unpacking-", dir=os.path.dirname(wheel))
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(aside)
            os.sync()
            os.rename(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except (OSError, zipfile.BadZipFile) as error:
        if not os.path.isdir(folder):  # else another agent was faster
            raise Refusal(f"runtime library: {wheel} cannot be unpacked: {error}") from error
    return folder
