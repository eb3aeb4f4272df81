"""The plug-in that counts calls of one function, with QEMU's part played by a driver."""

import os
import subprocess
from pathlib import Path

import agent_rig
import compiled
import pytest

from edgeprune.files import paths

PLUGIN = paths.shipped("device_agents") / "qemu" / "qemu_calls.c"
RUN = ["call=100", "end=140"]
KERNELS = ["part=200", "part=300"]
MAIN = ["10:4"]
"""Four instructions that end with the call at 0x16; it returns to 0x18."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """What the plug-in writes of some blocks, one list a call."""
    folder = tmp_path_factory.mktemp("plugin")
    sources = [PLUGIN, Path(__file__).with_name("calls_driver.c")]
    # What the plug-in keeps of a block, QEMU may use to its end: that is no leak.
    flags = ["-std=c11", *agent_rig.WARNINGS, *agent_rig.SANITIZERS]
    program = compiled.program(folder, "calls_driver", ["gcc", *flags], sources)

    def counted(*blocks, options=(*RUN, *KERNELS)):
        file = folder / "counts"
        argv = [program, f"out={file}", f"parent={os.getpid()}", *options, "--", *blocks]
        env = {"ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)
        assert done.returncode == 0, done.stderr
        return [[int(word) for word in line.split()] for line in file.read_text().splitlines()]

    return counted


def test_a_call_is_counted_from_its_first_instruction_to_its_return(calls):
    assert calls(*MAIN, "100:3", "106:2", "18:9", "2a:9") == [[5]]


def test_what_runs_outside_of_the_function_is_not_counted(calls):
    assert calls("200:50", *MAIN, "100:3", "18:9", "300:50") == [[3]]


def test_each_part_is_counted_apart_and_ends_where_the_function_goes_on(calls):
    one, other = ["200:10", "214:5", "106:2"], ["300:7", "10a:1"]
    assert calls(*MAIN, "100:3", *one, *other, *one, "18:9") == [[3 + 17 + 8 + 17, 15, 7, 15]]


def test_what_a_part_calls_belongs_to_it_even_if_that_is_a_part_elsewhere(calls):
    assert calls(*MAIN, "100:3", "200:10", "300:7", "500:2", "214:5", "106:2", "18:9") == [[29, 24]]


def test_a_part_that_is_reached_through_another_function_is_counted_from_its_own_beginning(calls):
    """As a kernel is that a wrapper ends with."""
    assert calls(*MAIN, "100:3", "500:4", "200:10", "106:2", "18:9") == [[19, 10]]


def test_the_next_call_counts_anew(calls):
    again = ["30:1", "100:3", "200:10", "106:2", "32:1"]
    assert calls(*MAIN, "100:3", "200:10", "106:2", "18:9", *again) == [[15, 10], [15, 10]]


def test_a_call_that_has_not_returned_is_not_written(calls):
    assert calls(*MAIN, "100:3", "200:10") == []


@pytest.mark.parametrize("options", [["call=100"], ["call=0", "end=0"], ["call=xyz", "end=200"]])
def test_without_a_function_nothing_is_loaded(calls, options):
    with pytest.raises(AssertionError, match="qemu_calls"):
        calls(options=options)
