"""Makes what the wheel carries beside the package: the programs that devices run, compiled."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TARGETS = ("aarch64-linux-gnu", "x86_64-linux-gnu")


class Programs(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the agents, and QEMU's plug-in, into the wheel.

    They are made in a passing folder, so that nothing stale gets in, unless ``EDGEPRUNE_CACHE``
    names a cache. The same sources make the same bytes.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the programs to a wheel; an editable install compiles them on first use."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        if "EDGEPRUNE_CACHE" not in os.environ:
            self._passing = tempfile.TemporaryDirectory(prefix="edgeprune-build-")
            os.environ["EDGEPRUNE_CACHE"] = self._passing.name
        for program in _programs():
            for file in (program, program.with_name(program.name + ".sha256")):
                inside = f"edgeprune/_built/{program.parent.name}/{file.name}"
                build_data["force_include"][str(file)] = inside


def _programs() -> Iterator[Path]:
    from edgeprune.agents.build import agent
    from edgeprune.devices.toolchain.qemu_plugin import build_plugin

    for target in TARGETS:
        yield agent(target)
        yield build_plugin(target)
