import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.devices.links.adb.output import (
    EXIT,
    HEADER,
    STDERR,
    STDIN,
    STDOUT,
    MarkedOutput,
    PacketOutput,
)
from edgeprune.errors import DeviceError

MARK = "0123456789abcdef0123456789abcdef"


def fed(output, data, cuts):
    """``output`` after ``data`` came in pieces."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        output.feed(data[start:end])
    return output


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=50))),
    st.integers(0, 255),
    st.lists(st.integers(0, 400)),
)
def test_packets_are_taken_apart_however_they_are_cut(packets, code, cuts):
    data = b"".join(HEADER.pack(kind, len(part)) + part for kind, part in packets)
    output = fed(PacketOutput(), data, cuts)
    assert output.code is None
    output.feed(HEADER.pack(EXIT, 1) + bytes([code]))
    assert output.stdout == b"".join(part for kind, part in packets if kind == STDOUT)
    assert output.words == b"".join(part for kind, part in packets if kind == STDERR)
    assert output.code == code and output.complete


@pytest.mark.parametrize("header", [HEADER.pack(STDOUT, 1 << 30), HEADER.pack(STDIN, 1)])
def test_a_packet_that_no_adbd_sends_is_an_error(header):
    with pytest.raises(DeviceError, match="adbd sent a shell packet"):
        PacketOutput().feed(header)


@given(
    st.lists(st.sampled_from([b"x", b"\n", MARK[:7].encode(), MARK[:31].encode(), b"0", b"\xff"])),
    st.integers(0, 255),
    st.binary(max_size=40),
    st.lists(st.integers(0, 400)),
)
def test_a_mark_is_found_however_the_stream_is_cut(parts, code, words, cuts):
    stdout = b"".join(parts)
    output = fed(MarkedOutput(MARK), stdout + f"{MARK}{code}\n".encode() + words, cuts)
    assert (output.stdout, output.code, output.words) == (stdout, code, words)
    assert not output.complete
    output.feed(MARK[:9].encode())
    output.feed(MARK[9:].encode())
    assert (output.words, output.complete) == (words, True)


@given(st.binary(max_size=100), st.lists(st.integers(0, 100)))
def test_without_a_mark_there_is_no_status_and_nothing_but_its_beginning_is_held_back(data, cuts):
    output = fed(MarkedOutput(MARK), data + b"!", cuts)
    assert (output.stdout, output.code) == (data + b"!", None)
