"""Frames of the agent in Python, on pipes, against those that the host packs."""

import errno
import importlib.util
import os
import struct
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeprune.agents import wire

FILE = Path(__file__).parents[2] / "device_agents/python/edgeprune_agent/frames.py"
# Its name is its path, by which benchmarks/mutation.py knows it.
NAME = "device_agents.python.edgeprune_agent.frames"
SPEC = importlib.util.spec_from_file_location(NAME, FILE)
frames = importlib.util.module_from_spec(SPEC)
sys.modules[NAME] = frames
SPEC.loader.exec_module(frames)

GOLDEN = b'EPF2\x08\x00\x00\x00\x02\x00\x00\x00{\xf8\xa3\xf8{"id":1}xy'
LONG_S = 60.0


@pytest.fixture
def pipe():
    source, target = os.pipe()
    ends = [source, target]

    def close(end):
        ends.remove(end)
        os.close(end)

    yield source, target, close
    for end in ends:
        os.close(end)


def header(json_bytes, blob_bytes):
    return b"EPF2" + struct.pack("<IIi", json_bytes, blob_bytes, 0)


def test_a_frame_is_the_bytes_that_the_protocol_says(pipe):
    source, target, _ = pipe
    frames.write_frame(target, b'{"id":1}', b"xy")
    assert os.read(source, 100) == GOLDEN == wire.pack(wire.Frame({"id": 1}, b"xy"))
    os.write(target, GOLDEN + GOLDEN)
    for _ in range(2):
        assert frames.read_frame(source, LONG_S) == (b'{"id":1}', b"xy")


def test_a_frame_without_data_is_whole(pipe):
    source, target, _ = pipe
    frames.write_frame(target, b"{}", b"")
    assert frames.read_frame(source, LONG_S) == (b"{}", b"")


def test_a_frame_larger_than_a_pipe_arrives_piece_by_piece(pipe):
    source, target, _ = pipe
    blob = os.urandom(3_000_000)
    writer = threading.Thread(target=frames.write_frame, args=(target, b"{}", blob))
    writer.start()
    try:
        assert frames.read_frame(source, LONG_S) == (b"{}", blob)
    finally:
        writer.join()


@pytest.mark.parametrize("magic", [b"EPF1", b"EPF3", b"epf2"])
def test_what_does_not_begin_like_a_frame_is_refused_at_once(pipe, magic):
    source, target, _ = pipe
    os.write(target, magic)
    with pytest.raises(frames.BadFrame, match="does not begin with EPF2"):
        frames.read_frame(source, LONG_S)


@pytest.mark.parametrize("size", [0, 3, 4, 11, 15, 16, 23, 24, 25])
def test_an_input_that_ends_early_is_known_from_one_that_is_late(pipe, size):
    source, target, close = pipe
    os.write(target, GOLDEN[:size])
    with pytest.raises(frames.NoRequest):
        frames.read_frame(source, 0.02)
    os.write(target, GOLDEN[:size])
    close(target)
    with pytest.raises(frames.InputEnded):
        frames.read_frame(source, LONG_S)


def test_a_frame_that_is_there_but_late_is_not_waited_for(pipe):
    source, target, _ = pipe
    os.write(target, GOLDEN)
    for idle_s in (0.0, -1.0):
        with pytest.raises(frames.NoRequest):
            frames.read_frame(source, idle_s)


def test_the_whole_frame_has_to_come_within_the_time(pipe, monkeypatch):
    source, target, _ = pipe
    waited = []

    class Clock:
        def monotonic(self):
            return 1000.0 + 4.0 * len(waited)

    class Poll:
        def register(self, descriptor, events):
            assert (descriptor, events) == (source, frames.select.POLLIN)

        def poll(self, left_ms):
            waited.append(left_ms)
            return [(source, 1)]

    monkeypatch.setattr(frames, "time", Clock())
    monkeypatch.setattr(frames.select, "poll", Poll)
    os.write(target, GOLDEN)
    assert frames.read_frame(source, 20.0) == (b'{"id":1}', b"xy")
    assert waited == [20_000, 16_000, 12_000, 8_000, 4_000]
    waited.clear()
    os.write(target, GOLDEN)
    with pytest.raises(frames.NoRequest):
        frames.read_frame(source, 16.0)
    assert waited == [16_000, 12_000, 8_000, 4_000]


@pytest.mark.parametrize("place", range(4, len(GOLDEN)))
def test_a_frame_with_a_changed_byte_never_passes(pipe, place):
    source, target, close = pipe
    changed = bytearray(GOLDEN)
    changed[place] ^= 1
    os.write(target, changed)
    close(target)
    with pytest.raises((frames.BadFrame, frames.InputEnded)):
        frames.read_frame(source, LONG_S)


def test_a_damaged_frame_says_so(pipe):
    source, target, _ = pipe
    os.write(target, GOLDEN[:-1] + b"z")
    with pytest.raises(frames.BadFrame, match="its CRC differs"):
        frames.read_frame(source, LONG_S)


@pytest.mark.parametrize(
    ("json_bytes", "blob_bytes", "fits"),
    [
        (16 << 20, 1 << 30, True),
        ((16 << 20) + 1, 0, False),
        (2, (1 << 30) + 1, False),
        (2**32 - 1, 2**32 - 1, False),
    ],
)
def test_a_frame_longer_than_the_limits_is_refused_before_it_is_read(
    pipe, json_bytes, blob_bytes, fits
):
    assert frames.fits(json_bytes, blob_bytes) is fits
    source, target, close = pipe
    os.write(target, header(json_bytes, blob_bytes))
    close(target)
    # Of one that fits, the rest is missing.
    why = "longer than 16 MiB of JSON or 1 GiB"
    error, match = (frames.InputEnded, None) if fits else (frames.BadFrame, why)
    with pytest.raises(error, match=match):
        frames.read_frame(source, LONG_S)


def test_the_host_allows_what_the_agent_allows():
    assert (frames.JSON_LIMIT_BYTES, frames.BLOB_LIMIT_BYTES) == (
        wire.JSON_LIMIT_BYTES,
        wire.BLOB_LIMIT_BYTES,
    )
    assert frames.MAGIC == wire.MAGIC


def test_a_frame_that_does_not_fit_into_memory_is_refused(pipe, monkeypatch):
    source, target, _ = pipe
    os.write(target, GOLDEN)
    real = frames._read

    def read(descriptor, size, until_s):
        if len(asked) == 3:  # magic, lengths and CRC are read
            raise MemoryError
        asked.append(size)
        return real(descriptor, size, until_s)

    asked = []
    monkeypatch.setattr(frames, "_read", read)
    with pytest.raises(frames.BadFrame, match="no memory for the frame"):
        frames.read_frame(source, LONG_S)
    assert asked == [4, 8, 4]


def test_an_input_is_read_in_parts_of_a_mebibyte_and_never_beyond_its_frame(pipe, monkeypatch):
    source, _, _ = pipe
    asked = []

    class Poll:
        def register(self, *_):
            pass

        def poll(self, _):
            return [1]

    def read(descriptor, size):
        asked.append((descriptor, size))
        return b"x" * (size - 1 if size == 1 << 20 else size)

    monkeypatch.setattr(frames.select, "poll", Poll)
    monkeypatch.setattr(frames.os, "read", read)
    found = frames._read(source, (1 << 20) + 5, time.monotonic() + LONG_S)
    assert found == b"x" * ((1 << 20) + 5)
    assert asked == [(source, 1 << 20), (source, 6)]


def test_what_is_taken_in_parts_is_written_whole_and_what_takes_nothing_is_an_error(monkeypatch):
    written = []

    def write(descriptor, data):
        written.append((descriptor, bytes(data)))
        return takes.pop(0)

    takes = [10, 14, 2]
    monkeypatch.setattr(frames.os, "write", write)
    frames.write_frame(7, b'{"id":1}', b"xy")
    assert written == [(7, GOLDEN[:-2]), (7, GOLDEN[10:-2]), (7, b"xy")]
    takes = [0]
    with pytest.raises(OSError) as raised:
        frames.write_frame(7, b"{}", b"")
    assert raised.value.errno == errno.EIO and raised.value.strerror == os.strerror(errno.EIO)
