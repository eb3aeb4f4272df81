"""The device's decoder of containers beside the host's: bit-exact, and as strict."""

import random
import re
import subprocess
import zlib
from pathlib import Path

import agent_rig
import pytest
from container_files import (
    AT_THE_END,
    CONTENTS,
    FOUND_AT_THE_END,
    HOSTILE,
    nets,
    shared_models,
)
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
    program = tmp_path_factory.mktemp("driver") / "epz_driver"
    sources = [*SOURCES, PORTABLE / "sha256.c", Path(__file__).with_name("epz_driver.c")]
    flags = [*agent_rig.C11, *agent_rig.WARNINGS, *agent_rig.SANITIZERS, f"-I{PORTABLE}"]
    subprocess.run(["gcc", *flags, "-o", program, *sources], check=True, timeout=120)
    return program


def drive(driver, *arguments):
    argv = [str(driver), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def unpacked(driver, folder, *containers):
    """Per container what the device's decoder makes of it, or None with its words."""
    files = [folder / f"{number}.epz" for number in range(len(containers))]
    for file, packed in zip(files, containers, strict=True):
        file.write_bytes(packed)
        Path(f"{file}.out").unlink(missing_ok=True)
    words = drive(driver, *files)
    return [
        (Path(f"{file}.out").read_bytes() if word == "ok" else None, word)
        for file, word in zip(files, words, strict=True)
    ]


def test_both_decoders_unpack_the_same_files(driver, tmp_path):
    contents = [*CONTENTS.values(), *(path.read_bytes() for path in shared_models())]
    for content, (found, words) in zip(
        contents, unpacked(driver, tmp_path, *map(pack, contents)), strict=True
    ):
        assert found == content, words


@given(st.lists(nets() | st.binary(max_size=2000), min_size=1, max_size=5))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_decoders_unpack_any_file(driver, tmp_path, contents):
    found = unpacked(driver, tmp_path, *map(pack, contents))
    assert [content for content, _ in found] == contents


def test_every_hostile_container_is_refused_by_the_device_too(driver, tmp_path):
    for name, (found, words) in zip(
        HOSTILE, unpacked(driver, tmp_path, *HOSTILE.values()), strict=True
    ):
        assert found is None, name
        assert bool(re.search(AT_THE_END, words)) == (name in FOUND_AT_THE_END), (name, words)


def test_both_decoders_agree_on_damaged_containers(driver, tmp_path):
    """With right checksums, so that the decoders themselves meet the damage."""
    rng = random.Random(0)
    damaged = []
    for content in CONTENTS.values():
        good = pack(content)
        for _ in range(30):
            body = bytearray(good[:-4])
            for _ in range(rng.randint(1, 4)):
                body[rng.randrange(4, len(body))] = rng.randrange(256)
            damaged.append(bytes(body) + zlib.crc32(body).to_bytes(4, "little"))
    for packed, (found, words) in zip(damaged, unpacked(driver, tmp_path, *damaged), strict=True):
        try:
            assert unpack(packed, 64 << 20) == found
        except ModelError as error:
            assert found is None, (words, error)


@pytest.mark.parametrize("name", CONTENTS)
def test_no_damage_makes_the_device_misbehave(driver, tmp_path, name):
    (tmp_path / "model.epz").write_bytes(pack(CONTENTS[name]))
    assert drive(driver, "--mutate", 300, tmp_path / "model.epz")[0].endswith("whole")


def test_the_device_has_the_hosts_logistic_function():
    text = (PORTABLE / "epz_adaptive.c").read_text()
    table = text.partition("KNOTS[33] = {")[2].partition("}")[0]
    assert [int(number) for number in table.replace(",", " ").split()] == KNOTS
