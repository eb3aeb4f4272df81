"""The plug-in's sum over threads, with QEMU's part played by a driver."""

import subprocess
from pathlib import Path

import agent_rig
import compiled
import pytest

from edgeprune.files import paths

PLUGIN = paths.shipped("device_agents") / "qemu" / "qemu_instructions.c"


@pytest.fixture(scope="module")
def count(tmp_path_factory):
    """What the plug-in writes down, or None, and what it says."""
    folder = tmp_path_factory.mktemp("plugin")
    sources = [PLUGIN, Path(__file__).with_name("plugin_driver.c")]
    flags = ["-std=c11", *agent_rig.WARNINGS, *agent_rig.SANITIZERS]
    program = compiled.program(folder, "plugin_driver", ["gcc", *flags], sources)

    def counted(instructions, *threads):
        file = folder / "count"
        file.unlink(missing_ok=True)
        argv = [program, file, str(instructions), *map(str, threads)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
        return int(file.read_text()) if file.exists() else None, done.stderr

    return counted


def test_instructions_of_all_threads_are_summed(count):
    assert count(7, 0, 0, 1, 1023) == (28, "")
    assert count(512) == (0, "")


def test_a_count_that_would_leave_threads_out_is_not_written(count):
    """Two threads on one counter lose some of their counts."""
    found, words = count(7, 0, 1024)
    assert found is None and "more than 1024 threads" in words
