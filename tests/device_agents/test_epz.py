"""The device's decoder of containers beside the host's: bit-exact, and as strict."""

import random
import re
import subprocess
import zlib
from pathlib import Path

import agent_rig
import emulated
import pytest
from container_files import (
    AT_THE_END,
    FOUND_AT_THE_END,
    HOSTILE,
    clustered,
    dense_net,
    nets,
    shared_models,
    sparse_net,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeprune import paths
from edgeprune.agents import build
from edgeprune.container import pack, unpack
from edgeprune.container.adaptive import KNOTS
from edgeprune.errors import DeviceError, ModelError

SOURCES = sorted(paths.shipped("device_agents").glob("epz*.c"))
NETS = {
    "one layer": dense_net(clustered((100, 300), 0.1, 32)),
    "sparse tensor": sparse_net(clustered((64, 300), 0.1, 16)),
    "not clustered": dense_net(clustered((50, 300), 1.0, 5000)),
    "int8": dense_net(clustered((50, 300), 1.0, 200, dtype="int8")),
    "nothing": b"",
    "text": b"no model at all " * 9999 + bytes(range(256)),
    "noise": random.Random(0).randbytes(200_000),
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The decoder as a program, under address and undefined-behaviour checks."""
    program = tmp_path_factory.mktemp("driver") / "epz_driver"
    folder = paths.shipped("device_agents")
    sources = [*SOURCES, folder / "sha256.c", Path(__file__).with_name("epz_driver.c")]
    flags = [*agent_rig.C11, *agent_rig.WARNINGS, *agent_rig.SANITIZERS, f"-I{folder}"]
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
    contents = [*NETS.values(), *(path.read_bytes() for path in shared_models())]
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
    for content in NETS.values():
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


@pytest.mark.parametrize("name", NETS)
def test_no_damage_makes_the_device_misbehave(driver, tmp_path, name):
    (tmp_path / "model.epz").write_bytes(pack(NETS[name]))
    assert drive(driver, "--mutate", 300, tmp_path / "model.epz")[0].endswith("whole")


def test_the_device_has_the_hosts_logistic_function():
    text = (paths.shipped("device_agents") / "epz_adaptive.c").read_text()
    table = text.partition("KNOTS[33] = {")[2].partition("}")[0]
    assert [int(number) for number in table.replace(",", " ").split()] == KNOTS


@pytest.fixture(
    scope="module", params=["host", "sanitized", pytest.param("emulated", marks=pytest.mark.device)]
)
def session(request, tmp_path_factory):
    """An agent on this machine, under sanitizers, and on the emulated Raspberry Pi 4."""
    if request.param == "emulated":
        with emulated.agent() as talk:
            yield talk
        return
    folder = tmp_path_factory.mktemp("agent")
    program = build.agent("host") if request.param == "host" else agent_rig.sanitized_agent(folder)
    with agent_rig.session(program) as talk:
        yield talk


def test_the_agent_unpacks_files(session, tmp_path):
    contents = NETS | {path.name: path.read_bytes() for path in shared_models()}
    for name, content in contents.items():
        (tmp_path / "model.epz").write_bytes(pack(content))
        target = tmp_path / "model.tflite"
        made = session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
        assert made == len(content) and target.read_bytes() == content, name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.epz", "model.tflite"]


def test_the_agent_leaves_the_former_file_where_a_container_is_refused(session, tmp_path):
    target = tmp_path / "model.tflite"
    target.write_bytes(b"former")
    for packed in HOSTILE.values():
        (tmp_path / "model.epz").write_bytes(packed)
        with pytest.raises(DeviceError, match=r"model\.epz: "):
            session.unpack(str(tmp_path / "model.epz"), str(target), 1 << 30)
    (tmp_path / "model.epz").write_bytes(pack(NETS["one layer"]))
    with pytest.raises(DeviceError, match="more bytes than the limit"):
        session.unpack(str(tmp_path / "model.epz"), str(target), 1000)
    with pytest.raises(DeviceError, match="cannot be read: No such file"):
        session.unpack(str(tmp_path / "absent.epz"), str(target), 1000)
    with pytest.raises(DeviceError, match="cannot be written: No such file"):
        session.unpack(str(tmp_path / "model.epz"), str(tmp_path / "no" / "x"), 1 << 30)
    assert target.read_bytes() == b"former"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.epz", "model.tflite"]
