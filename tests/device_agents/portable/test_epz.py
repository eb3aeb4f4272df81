"""The device's decoder of containers beside the host's: bit-exact, and as strict."""

import random
import re
import subprocess
import zlib
from pathlib import Path

import agent_rig
import compiled
import pytest
from container_files import (
    AT_THE_END,
    AT_THE_LIMITS,
    CONTENTS,
    FOUND_AT_THE_END,
    HOSTILE,
    everything,
    nets,
    packed,
    whole,
)
from full_range import also, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.files import paths
from edgeprune.models.epz import pack, unpack
from edgeprune.models.epz.adaptive import KNOTS

PORTABLE = paths.shipped("device_agents") / "portable"
SOURCES = sorted(PORTABLE.glob("epz*.c"))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The decoder as a program, under address and undefined-behaviour checks."""
    sources = [*SOURCES, PORTABLE / "sha256.c", Path(__file__).with_name("epz_driver.c")]
    flags = [*agent_rig.C11, *agent_rig.WARNINGS, *agent_rig.SANITIZERS, f"-I{PORTABLE}"]
    folder = tmp_path_factory.mktemp("driver")
    return compiled.program(folder, "epz_driver", ["gcc", *flags], sources)


def drive(driver, *arguments):
    argv = [str(driver), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def unpacked(driver, folder, *containers):
    """Per container what the device's decoder makes of it, or None with its words."""
    files = [folder / f"{number}.epz" for number in range(len(containers))]
    for file, container in zip(files, containers, strict=True):
        file.write_bytes(container)
        Path(f"{file}.out").unlink(missing_ok=True)
    words = drive(driver, *files)
    return [
        (Path(f"{file}.out").read_bytes() if word == "ok" else None, word)
        for file, word in zip(files, words, strict=True)
    ]


def test_both_decoders_unpack_the_same_files(driver, tmp_path):
    contents = list(everything().values())
    for content, (found, words) in zip(
        contents, unpacked(driver, tmp_path, *map(packed, contents)), strict=True
    ):
        assert found == content, words


@given(st.lists(nets() | st.binary(max_size=2000), min_size=1, max_size=5))
@settings(
    max_examples=examples(6, 30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_both_decoders_unpack_any_file(driver, tmp_path, contents):
    found = unpacked(driver, tmp_path, *map(pack, contents))
    assert [content for content, _ in found] == contents


REASONS = {
    "it ends too early": ["empty", "cut behind the size", "empty deflate blocks for ever"],
    "it does not begin with EPZ": ["no container"],
    "its version is not 1": ["version 2"],
    "it holds more bytes than the limit": ["more than the limit", "more than 4 GiB"],
    "a number has a form that no packer writes": [
        "a number of six bytes",
        "a number that is longer than need be",
    ],
    "its content has another SHA-256": ["another SHA-256"],
    "something follows its end": ["something behind its end"],
    "its checksum differs": ["another CRC"],
    "a record of an unknown kind or of no bytes": [
        "a record of no bytes",
        "a record of an unknown kind",
        "a record of the first unknown kind",
    ],
    "records of more bytes than it says it holds": [
        "more than it says",
        "a store that nothing uses",
    ],
    "a DEFLATE stream is longer than its record": ["a deflate stream too long", "a deflate bomb"],
    "a DEFLATE stream is shorter than its record": ["a deflate stream too short"],
    "a DEFLATE block of an unknown type": ["a deflate block of type 3"],
    "a DEFLATE block's length contradicts itself": ["stored with a wrong complement"],
    "DEFLATE copies from before its start": [
        "deflate from before its start",
        "deflate from the record before",
        "deflate that begins with a copy",
    ],
    "a store too large, or before the last is used up": [
        "a store too large",
        "a store before the last is used",
    ],
    "a copy of more than the store holds": ["a copy of nothing"],
    "a record of no whole number of elements": ["elements that do not divide"],
    "a filler of no zeros": ["a filler of no zeros"],
    "more zeros than a record has elements": ["more zeros than elements"],
    "a Huffman code is not complete": [
        "a code with too few words",
        "a code with too many words",
        "a code without symbols",
        "a code with too many words behind a good one",
    ],
    "a code length is outside 0 to 15": ["a code length of 16", "a code length of -1"],
    "an element where a record has zeros alone": [
        "an element among zeros alone",
        "no symbols at all",
        "adaptive without symbols",
        "adaptive with an element among zeros",
    ],
    "a record is filled with ones": ["filled with ones"],
    "a codebook entry is out of range": [
        "a codebook entry out of range",
        "a codebook entry out of range by its low bits",
    ],
    "a weight record of no such width or codebook": [
        "a codebook of 257",
        "elements of 8 bytes",
        "more verbatim bits than an element has",
    ],
    "arithmetic coding that no packer writes": [
        "arithmetic of all ones",
        "arithmetic of bits beyond their range",
    ],
    "a symbol is outside its alphabet": ["a symbol outside its alphabet"],
    "far more elements than its bytes may stand for": [
        "adaptive with a thousandth of a bit an element",
    ],
    "a DEFLATE length that stands for nothing": ["a deflate length that stands for nothing"],
    "a Huffman word that stands for nothing": ["a deflate distance that stands for nothing"],
    "a DEFLATE block has too many symbols": [
        "a deflate block of 287 literals",
        "a deflate block of 31 distances",
    ],
    "a DEFLATE block's code of lengths is not complete": [
        "deflate lengths in a code that is not complete",
    ],
    "a DEFLATE block repeats a length before the first": [
        "deflate that repeats a length before the first",
    ],
    "a DEFLATE block has too many code lengths": ["more deflate lengths than there are symbols"],
    "a DEFLATE block's codes are not complete": [
        "a deflate block that cannot end",
        "deflate literals in a code that is not complete",
        "deflate distances in a code that is not complete",
    ],
}
"""What the device says of each hostile container: none is refused by another check than its own."""


def test_every_hostile_container_is_refused_for_its_own_reason(driver, tmp_path):
    expected = {name: words for words, names in REASONS.items() for name in names}
    found = unpacked(driver, tmp_path, *HOSTILE.values())
    assert dict(zip(HOSTILE, (words for _, words in found), strict=True)) == expected
    for name, (content, words) in zip(HOSTILE, found, strict=True):
        assert content is None and bool(re.search(AT_THE_END, words)) == (name in FOUND_AT_THE_END)


def test_containers_at_the_limits_are_unpacked(driver, tmp_path):
    found = unpacked(driver, tmp_path, *(whole(*parts) for parts in AT_THE_LIMITS.values()))
    for (_, _, content), (unpacked_content, words) in zip(
        AT_THE_LIMITS.values(), found, strict=True
    ):
        assert unpacked_content == content, words


@pytest.mark.parametrize("count", [4, also(30)])
def test_both_decoders_agree_on_damaged_containers(driver, tmp_path, count):
    """With right checksums, so that the decoders themselves meet the damage."""
    rng = random.Random(0)
    damaged = []
    for content in CONTENTS.values():
        good = packed(content)
        for _ in range(count):
            body = bytearray(good[:-4])
            for _ in range(rng.randint(1, 4)):
                body[rng.randrange(4, len(body))] = rng.randrange(256)
            damaged.append(bytes(body) + zlib.crc32(body).to_bytes(4, "little"))
    for container, (found, words) in zip(
        damaged, unpacked(driver, tmp_path, *damaged), strict=True
    ):
        try:
            assert unpack(container, 64 << 20) == found
        except ModelError as error:
            assert found is None, (words, error)


@pytest.mark.parametrize("count", [40, also(300)])
@pytest.mark.parametrize("name", CONTENTS)
def test_no_damage_makes_the_device_misbehave(driver, tmp_path, name, count):
    (tmp_path / "model.epz").write_bytes(packed(CONTENTS[name]))
    assert drive(driver, "--mutate", count, tmp_path / "model.epz")[0].endswith("whole")


def test_the_device_has_the_hosts_logistic_function():
    text = (PORTABLE / "epz_adaptive.c").read_text()
    table = text.partition("KNOTS[33] = {")[2].partition("}")[0]
    assert [int(number) for number in table.replace(",", " ").split()] == KNOTS
