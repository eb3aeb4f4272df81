"""JSON and frames in memory that the caller gives, which firmware has little of."""

import json
import subprocess
from pathlib import Path

import agent_rig
import compiled
import pytest
from full_range import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeprune.files import paths

PORTABLE = paths.shipped("device_agents") / "portable"
UNITS = ("text", "utf8", "json", "frame_header")


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Calls the driver, which is under address and undefined-behaviour checks; what it prints."""
    sources = [*(PORTABLE / f"{unit}.c" for unit in UNITS), Path(__file__).with_name("driver.c")]
    flags = [*agent_rig.C11, *agent_rig.WARNINGS, *agent_rig.SANITIZERS, f"-I{PORTABLE}"]
    folder = tmp_path_factory.mktemp("driver")
    program = compiled.program(folder, "driver", ["gcc", *flags], sources)

    def call(*arguments):
        argv = [program, *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return call


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@given(st.integers(-(2**63), 2**63 - 1), WORDS, st.integers(0, 60))
@settings(
    max_examples=examples(15, 60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_text_is_whole_or_cut_where_its_room_ends(drive, number, word, room):
    whole, end, _ = drive("text", 1000, number, word).rpartition("\nwhole\n")
    assert end and json.loads(whole) == [number, word]
    fits = len(whole.encode()) <= room
    text, end, _ = drive("text", room, number, word).rpartition("\nwhole\n" if fits else "\ncut\n")
    assert end and (text == whole if fits else whole.startswith(text) and text != whole)


@pytest.mark.parametrize(
    ("room", "text", "said"),
    [
        (0, '{"a": 1, "b": [], "c": "x"}', "ok"),
        (0, '{"a": [1]}', "lists have too many items"),
        (3, '{"a": [1, 2], "b": [3]}', "ok"),
        (3, '{"a": [1, 2], "b": [3, 4]}', "lists have too many items"),
        (0, '{"a": "' + "\\u00e4\\n" * 9 + '"}', "ok"),
    ],
)
def test_lists_take_no_more_memory_than_the_caller_gives(drive, room, text, said):
    assert drive("json", room, text) == said + "\n"


@pytest.mark.parametrize(
    ("json_bytes", "blob_bytes"),
    [
        ((16 << 20) + 1, 0),
        (0, (1 << 30) + 1),
        (1 << 32, 0),  # 0 in the header's 32 bits
        (0, 1 << 32),
        ((1 << 64) - 1, (1 << 64) - 1),
    ],
)
def test_no_header_is_made_of_a_frame_that_the_other_end_would_refuse(
    drive, json_bytes, blob_bytes
):
    assert drive("frame", json_bytes, blob_bytes) == "too long\n"
    assert drive("frame", 0, 0) == "made\n"
