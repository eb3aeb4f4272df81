import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.agents.wire import BLOB_LIMIT_BYTES, JSON_LIMIT_BYTES, MAGIC, Frame, pack, read_frame
from edgeprune.errors import DeviceError

VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())
MESSAGES = st.dictionaries(st.text(), VALUES)


class Stream:
    """Hands out bytes exactly as asked for, as a channel does."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def read(self, size):
        part = self.data.read(size)
        if len(part) < size:
            raise DeviceError("the stream ended")
        return part


@given(MESSAGES, st.binary(), MESSAGES, st.binary())
def test_frames_sent_back_to_back_arrive_as_they_were(first, blob, second, other):
    stream = Stream(pack(Frame(first, blob)) + pack(Frame(second, other)))
    assert read_frame(stream.read) == Frame(first, blob)
    assert read_frame(stream.read) == Frame(second, other)


@given(st.binary(max_size=200).filter(lambda junk: MAGIC not in junk + MAGIC[:3]))
def test_a_greeting_before_the_first_frame_is_skipped_if_allowed(greeting):
    frame = Frame({"id": 1}, b"EPF2")
    stream = Stream(greeting + pack(frame))
    assert read_frame(stream.read, greeting_limit_bytes=200) == frame


@given(st.binary(min_size=1, max_size=40).filter(lambda junk: MAGIC not in junk + MAGIC[:3]))
def test_a_greeting_is_refused_where_none_is_allowed(greeting):
    with pytest.raises(DeviceError, match="expected a frame"):
        read_frame(Stream(greeting + pack(Frame({"id": 1}))).read)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_frame_or_a_device_error(data):
    try:
        frame = read_frame(Stream(data).read, greeting_limit_bytes=16)
    except DeviceError:
        return
    assert MAGIC in data and isinstance(frame.message, dict)


@given(MESSAGES, st.binary(), st.data())
def test_a_cut_frame_never_passes(message, blob, data):
    packed = pack(Frame(message, blob))
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(DeviceError):
        read_frame(Stream(packed[:cut]).read)


@pytest.mark.parametrize("lengths", [(JSON_LIMIT_BYTES + 1, 0), (2, BLOB_LIMIT_BYTES + 1)])
def test_a_frame_longer_than_the_limits_is_refused_before_it_is_read(lengths):
    with pytest.raises(DeviceError, match="too long"):
        read_frame(Stream(MAGIC + struct.pack("<II", *lengths)).read)


@pytest.mark.parametrize("text", [b"[1]", b"{", b"\xff\xfe", b"1", b"[" * 100000])
def test_json_that_is_no_object_is_refused(text):
    lengths = struct.pack("<II", len(text), 0)
    crc = struct.pack("<I", zlib.crc32(lengths + text))
    with pytest.raises(DeviceError, match="JSON"):
        read_frame(Stream(MAGIC + lengths + crc + text).read)


@given(MESSAGES, st.binary(), st.data())
def test_a_frame_with_any_bit_changed_never_passes(message, blob, data):
    packed = bytearray(pack(Frame(message, blob)))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DeviceError):
        read_frame(Stream(bytes(packed)).read)
