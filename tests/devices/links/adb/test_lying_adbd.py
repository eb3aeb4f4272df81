"""What an adbd may send, and what it may not: no bytes of its break the host or fill its memory."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.devices.links.adb.output import EXIT, STDERR, STDOUT, MarkedOutput, PacketOutput
from edgeprune.devices.links.shell_line import WORDS_BYTES
from edgeprune.errors import DeviceError

MARK = "0123456789abcdef"


def held_bytes(output):
    return len(output.stdout) + len(output.words) + len(output._ahead)


@given(st.lists(st.binary(max_size=40), max_size=20), st.booleans())
def test_any_bytes_are_taken_or_refused_and_nothing_is_made_of_them(parts, in_packets):
    output = PacketOutput() if in_packets else MarkedOutput(MARK)
    try:
        for part in parts:
            output.feed(part)
    except DeviceError as error:
        assert str(error).isprintable()
    assert held_bytes(output) <= sum(map(len, parts))


@pytest.mark.parametrize("kind", [0, 4, 9, 255])
def test_a_packet_of_an_unknown_kind_is_refused(kind):
    with pytest.raises(DeviceError, match=f"kind {kind}"):
        PacketOutput().feed(struct.pack("<BI", kind, 0))


@pytest.mark.parametrize("kind", [STDOUT, STDERR, EXIT])
def test_a_packet_that_announces_gigabytes_is_refused_by_its_header(kind):
    with pytest.raises(DeviceError, match="with 4294967295 bytes"):
        PacketOutput().feed(struct.pack("<BI", kind, 0xFFFFFFFF))


def test_complaints_without_an_end_are_cut():
    output = PacketOutput()
    for _ in range(20):
        output.feed(struct.pack("<BI", STDERR, 1 << 16) + bytes(1 << 16))
    assert held_bytes(output) <= WORDS_BYTES


@pytest.mark.parametrize("status", ["9" * 5000, "-1", "", "1000\n", "²\n", "7"])
def test_a_status_that_is_none_is_no_status(status):
    output = MarkedOutput(MARK)
    try:
        output.feed(f"out{MARK}{status}".encode() + b"x" * 100)
    except DeviceError as error:
        assert "no exit status" in str(error)
    assert output.code is None
