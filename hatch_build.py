"""Makes what the wheel carries beside the package: programs for devices, and the documentation."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGETS = ("aarch64-linux-gnu", "x86_64-linux-gnu")


class Made(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles agents, firmware and QEMU's plug-ins, and builds the documentation.

    All are made in a passing folder, so that nothing stale gets in; ``EDGEPRUNE_CACHE`` names
    another cache for the programs. The same sources make the same bytes.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds them to a wheel; an editable install compiles programs on first use."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        self._passing = tempfile.TemporaryDirectory(prefix="edgeprune-build-")
        passing = Path(self._passing.name)
        os.environ.setdefault("EDGEPRUNE_CACHE", str(passing / "cache"))
        for program in programs():
            for file in (program, program.with_name(program.name + ".sha256")):
                inside = f"edgeprune/_built/{program.parent.name}/{file.name}"
                build_data["force_include"][str(file)] = inside
        _build_documentation(Path(self.root), passing / "site")
        build_data["force_include"][str(passing / "site")] = "edgeprune/_docs"


def programs() -> Iterator[Path]:
    """Every program that a device runs, compiled where it is not there already."""
    from edgeprune.agents import kernels_library
    from edgeprune.agents.build import agent
    from edgeprune.devices.toolchain.qemu_plugin import (
        build_call_plugin,
        build_cycles_plugin,
        build_plugin,
    )
    from edgeprune.firmware.build import built, ports

    for target in TARGETS:
        yield agent(target)
        yield build_plugin(target)
        yield build_cycles_plugin(target)
        yield build_call_plugin(target)
    for target in kernels_library.TARGETS:
        yield from kernels_library.programs(target)
    for port in ports():
        yield built(port)


def _build_documentation(root: Path, folder: Path) -> None:
    argv = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # says that there will be a new major version
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"the documentation cannot be built:\n{done.stderr[-3000:]}")
