import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.agents.wire import BLOB_LIMIT_BYTES, JSON_LIMIT_BYTES, MAGIC, Frame, pack, read_frame
from edgeprune.errors import BadFrame, DeviceError

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


GOLDEN = (
    b"EPF2"
    + bytes([8, 0, 0, 0, 2, 0, 0, 0])  # lengths, the low byte first
    + bytes([0x7B, 0xF8, 0xA3, 0xF8])  # CRC-32 of all but the magic and itself
    + b'{"id":1}xy'
)


def test_a_frame_is_the_bytes_that_the_protocol_says():
    assert pack(Frame({"id": 1}, b"xy")) == GOLDEN
    assert read_frame(Stream(GOLDEN).read) == Frame({"id": 1}, b"xy")
    assert zlib.crc32(GOLDEN[4:12] + GOLDEN[16:]) == int.from_bytes(GOLDEN[12:16], "little")


def framed(text, blob=b""):
    lengths = struct.pack("<II", len(text), len(blob))
    return MAGIC + lengths + struct.pack("<I", zlib.crc32(lengths + text + blob)) + text + blob


class Long(bytes):
    """Bytes that say they are more than they are."""

    def __len__(self):
        return BLOB_LIMIT_BYTES + 1


def test_nothing_is_packed_that_no_other_end_would_take():
    with pytest.raises(BadFrame, match="too long"):
        pack(Frame({}, Long()))
    room = JSON_LIMIT_BYTES - len('{"a":""}')
    assert len(pack(Frame({"a": "x" * room}))) == JSON_LIMIT_BYTES + 16
    with pytest.raises(BadFrame, match="too long: at most 16,777,216 and 1,073,741,824 are"):
        pack(Frame({"a": "x" * (room + 1)}))
    with pytest.raises(ValueError):
        pack(Frame({"a": float("nan")}))


def test_the_limits_are_those_of_the_protocol():
    assert (JSON_LIMIT_BYTES, BLOB_LIMIT_BYTES) == (16 * 1024**2, 1024**3)


@pytest.mark.parametrize(("json_bytes", "blob_bytes", "fits"), [(8, 2, 1), (7, 2, 0), (8, 1, 0)])
def test_an_answer_longer_than_its_question_allows_is_refused_by_its_header(
    json_bytes, blob_bytes, fits
):
    limits = {"json_limit_bytes": json_bytes, "blob_limit_bytes": blob_bytes}
    if fits:
        assert read_frame(Stream(GOLDEN).read, **limits).blob == b"xy"
        return
    with pytest.raises(BadFrame, match=f"a frame of 8 .* at most {json_bytes} and {blob_bytes} "):
        read_frame(Stream(GOLDEN[:12]).read, **limits)


@pytest.mark.parametrize("lengths", [(JSON_LIMIT_BYTES + 1, 0), (0, BLOB_LIMIT_BYTES + 1)])
def test_no_question_allows_more_than_the_protocol_does(lengths):
    header = MAGIC + struct.pack("<II", *lengths)
    with pytest.raises(BadFrame, match="at most 16,777,216 and 1,073,741,824 are expected"):
        read_frame(Stream(header).read, 0, 1 << 40, 1 << 40)


@pytest.mark.parametrize("lengths", [(JSON_LIMIT_BYTES, 0), (2, BLOB_LIMIT_BYTES)])
def test_a_frame_as_long_as_the_limits_is_read(lengths):
    with pytest.raises(DeviceError, match="the stream ended"):
        read_frame(Stream(MAGIC + struct.pack("<II", *lengths) + bytes(4)).read)


def test_a_greeting_may_be_as_long_as_is_allowed_and_no_longer():
    for length, allowed in ((0, 0), (5, 5), (5, 6)):
        read = Stream(b"x" * length + GOLDEN).read
        assert read_frame(read, greeting_limit_bytes=allowed).blob == b"xy"
    stream = Stream(b"x" * 6 + GOLDEN)
    with pytest.raises(BadFrame, match="the device sent b'xxxxxxEPF', expected a frame"):
        read_frame(stream.read, greeting_limit_bytes=5)
    assert stream.data.tell() == 9  # not a byte more than the greeting and a magic


def test_a_frame_without_data_asks_for_none():
    asked = []

    def read(size):
        asked.append(size)
        return stream.read(size)

    stream = Stream(framed(b"{}"))
    assert read_frame(read) == Frame({}, b"")
    assert asked == [4, 8, 4, 2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":1,"a":1}', "a key appears twice"),
        (b'{"a":{"b":1,"b":2}}', "a key appears twice"),
        (b'{"a":NaN}', "NaN is no number"),
        (b'{"a":-Infinity}', "-Infinity is no number"),
        (b'{"a":1e999}', "1e999 is too large for a number"),
        ('{"a":1}'.encode("utf-16"), "codec can't decode"),
        (b'{"a":"\xed\xa0\x80"}', "codec can't decode"),
        (b"{", "whose JSON is broken"),
        (b"[1]", r"holds no JSON object: b'\[1\]'"),
    ],
)
def test_json_that_nobody_could_use_is_refused_and_the_reason_told(text, why):
    with pytest.raises(BadFrame, match=why):
        read_frame(Stream(framed(text)).read)


def test_numbers_that_a_float_can_hold_arrive():
    message = read_frame(Stream(framed(b'{"a":1.5,"b":-1e308,"c":12345678901234567890}')).read)
    assert message.message == {"a": 1.5, "b": -1e308, "c": 12345678901234567890}


def test_a_damaged_frame_says_so():
    with pytest.raises(BadFrame, match="damaged on its way"):
        read_frame(Stream(GOLDEN[:-1] + b"z").read)


def test_what_is_wrong_with_a_frame_is_said_in_200_characters():
    with pytest.raises(BadFrame) as raised:
        read_frame(Stream(framed(b'{"a":' + b"9" * 400 + b"e999}")).read)
    assert len(str(raised.value).partition("broken: ")[2]) == 200
