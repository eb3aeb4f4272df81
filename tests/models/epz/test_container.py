"""Containers: whatever goes in comes out, and whatever is no container is refused in one line."""

import contextlib
import io
import os
import random
import re
import sys
import tracemalloc

import numpy as np
import pytest
from beside import shared_models
from container_files import (
    AT_THE_END,
    AT_THE_LIMITS,
    DENSE,
    FOUND_AT_THE_END,
    GAPS,
    HOSTILE,
    NOTHING,
    clustered,
    dense_net,
    head,
    lengths,
    nets,
    sparse_net,
    weights,
    whole,
)
from full_range import also, examples
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.models.epz import huffman, is_epz, pack, unpack, unpack_file, unpack_stream
from edgeprune.models.epz.layout import Kind, WeightHeader

SMALL = pack(dense_net(clustered((10, 40), 0.1, 16), clustered((5, 10), 0.3, 16)))


@given(st.binary(max_size=3000) | st.binary(max_size=50).map(lambda data: data * 999))
@settings(deadline=None)
def test_any_bytes_come_out_as_they_went_in(content):
    assert unpack(pack(content)) == content


@given(nets())
@settings(max_examples=examples(15, 60), deadline=None)
def test_any_network_comes_out_as_it_went_in(tflite):
    packed = pack(tflite)
    assert unpack(packed) == tflite
    assert len(packed) < len(tflite) + 60


@given(
    nets(), st.lists(st.tuples(st.integers(0, 9999), st.binary(min_size=1, max_size=4)), max_size=9)
)
@settings(max_examples=examples(15, 60), deadline=None)
def test_a_damaged_network_comes_out_as_it_went_in(tflite, damages):
    broken = bytearray(tflite)
    for place, data in damages:
        place %= len(tflite)
        broken[place : place + len(data)] = data
    assert unpack(pack(bytes(broken))) == bytes(broken)


SHARED = shared_models("*.tflite")


@pytest.mark.parametrize("path", [*SHARED[-1:], *map(also, SHARED[:-1])])
def test_a_trained_model_comes_out_as_it_went_in_and_smaller(path):
    content = path.read_bytes()
    packed = pack(content)
    assert unpack(packed) == content
    assert len(packed) < 0.9 * len(content)


def test_pruned_and_clustered_weights_take_less_than_a_fixed_code_could():
    """The bound is the entropy of places and values, each element by itself."""
    weights = clustered((300, 784), 0.08, 32)
    kept = weights[weights != 0]
    share = kept.size / weights.size
    counts = np.unique(kept, return_counts=True)[1] / kept.size
    places = -weights.size * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    bound_bytes = (places - kept.size * (counts * np.log2(counts)).sum()) / 8
    assert len(pack(dense_net(weights))) < bound_bytes


def test_minus_zero_and_nan_keep_their_bits():
    values = np.array([-0.0, 0.0, np.nan, np.inf, -np.inf] * 40, np.float32)
    values.view(np.uint32)[2] ^= 1
    tflite = dense_net(values.reshape(10, 20))
    assert unpack(pack(tflite)) == tflite


def test_sparse_tensors_index_arrays_are_packed_too():
    weights = clustered((64, 256), 0.1, 16)
    assert len(pack(sparse_net(weights))) < 1.35 * len(pack(dense_net(weights)))


@pytest.mark.parametrize("name", AT_THE_LIMITS)
def test_a_container_at_a_limit_is_unpacked(name):
    size, records, content = AT_THE_LIMITS[name]
    assert unpack(whole(size, records, content), max_bytes=size) == content


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_container_is_refused_in_one_line(name):
    with pytest.raises(ModelError) as caught:
        unpack(HOSTILE[name], max_bytes=1 << 30)
    assert "\n" not in str(caught.value)
    assert bool(re.search(AT_THE_END, str(caught.value))) == (name in FOUND_AT_THE_END)


@pytest.mark.parametrize("turn", [0, also(1), also(2)])
def test_damage_in_any_byte_is_found(turn):
    for place in range(len(SMALL)):
        broken = bytearray(SMALL)
        broken[place] ^= (1, 0x80, 0xFF)[(place + turn) % 3]
        with pytest.raises(ModelError):
            unpack(bytes(broken), max_bytes=1 << 20)


def test_a_container_cut_anywhere_is_refused():
    for size in range(len(SMALL)):
        with pytest.raises(ModelError):
            unpack(SMALL[:size])


@given(st.randoms(use_true_random=False), st.integers(1, 8))
@settings(max_examples=examples(75, 300), deadline=None)
def test_a_mutated_container_with_a_right_checksum_is_refused_or_whole(rng: random.Random, count):
    """Beyond the CRC, so that the decoders themselves meet the damage."""
    import zlib

    body = bytearray(SMALL[:-4])
    for _ in range(count):
        body[rng.randrange(24, len(body))] = rng.randrange(256)
    packed = bytes(body) + zlib.crc32(body).to_bytes(4, "little")
    try:
        assert unpack(packed, max_bytes=1 << 20) == unpack(SMALL)
    except ModelError as error:
        assert "\n" not in str(error)


def test_memory_is_bounded_whatever_a_container_holds(tmp_path):
    big = dense_net(clustered((32, 1024), 0.02, 16), clustered((32, 32), 1.0, 900))
    packed = pack(big + bytes(9 << 20))
    with (tmp_path / "out").open("wb") as out:
        tracemalloc.start()
        unpack_stream(io.BytesIO(packed), out, 1 << 30)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 << 20


TALL = [  # headers of records whose elements may take no bits at all, or nearly none
    weights(Kind.HUFFMAN, 1 << 24, DENSE, *lengths(1, -1, 0)),
    weights(Kind.HUFFMAN, 1 << 24, NOTHING, (1, 8), *lengths(0, 1)),
    weights(Kind.HUFFMAN, 1 << 24, GAPS, (2, 8), *lengths(1, -1, 0), *lengths(1)),
    weights(Kind.HUFFMAN, 1 << 24, GAPS, (1, 8), *lengths(0, 1), *lengths(1)),
    weights(Kind.ADAPTIVE, 1 << 24, GAPS, (0, 24)),
    weights(Kind.ADAPTIVE, 1 << 24, DENSE),
    head(Kind.DEFLATE, 1 << 24),
]
LONG_CODES = weights(
    Kind.HUFFMAN,
    1,
    WeightHeader(1, False, False, False, 0, tuple(range(1, 17))),
    *lengths(1, *[1] * 14, 0),
    (0, 1),
)


@given(st.sampled_from(TALL), st.binary(max_size=100), st.sampled_from([b"\0", b"\xff"]))
@settings(
    max_examples=examples(10, 40), deadline=None, phases=[Phase.generate]
)  # a failure takes long to shrink
def test_what_a_container_says_it_holds_makes_no_work_beyond_its_bytes(record, noise, filling):
    packed = whole(1 << 24, record + b"\xff\xff\xff" + noise + filling * 100)
    with counted("call") as calls, pytest.raises(ModelError):
        unpack_stream(io.BytesIO(packed), io.BytesIO(), 1 << 30)
    assert calls[0] < 200_000 + 4000 * len(packed)


def test_tables_of_short_records_make_no_work_either():
    with counted("line") as lines:
        assert unpack(whole(20, LONG_CODES * 20, b"\1" * 20)) == b"\1" * 20
    assert lines[0] < 2000 * 20


@contextlib.contextmanager
def counted(event):
    """Counts calls or lines of the decoders' files, in a list of one number."""
    count = [0]
    folder = os.path.dirname(huffman.__file__)

    def trace(frame, seen, _):
        if not frame.f_code.co_filename.startswith(folder):
            return None
        count[0] += seen == event
        return trace if event == "line" else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("kept", [0.0, 0.0003, 0.002, 0.01, 0.1])
def test_weights_of_any_sparsity_come_out_as_they_went_in(kept):
    """Those that are too sparse for the adaptive coder's limit take another way."""
    tflite = dense_net(clustered((100, 392), kept, 8), clustered((20, 100), 0.1, 8))
    assert unpack(pack(tflite)) == tflite


def test_a_file_is_unpacked_whole_or_not_at_all(tmp_path):
    source, target = tmp_path / "model.epz", tmp_path / "model.tflite"
    source.write_bytes(SMALL)
    assert unpack_file(source, target, 1 << 20) == len(unpack(SMALL))
    assert target.read_bytes() == unpack(SMALL)
    source.write_bytes(SMALL[:-9])
    target.write_bytes(b"former")
    with pytest.raises(ModelError, match=r"model\.epz: damaged"):
        unpack_file(source, target, 1 << 20)
    assert target.read_bytes() == b"former"
    assert sorted(os.listdir(tmp_path)) == ["model.epz", "model.tflite"]
    with pytest.raises(ModelError, match="cannot be unpacked"):
        unpack_file(tmp_path / "absent", target, 1 << 20)


def test_the_limit_is_the_callers():
    with pytest.raises(ModelError, match="more than the limit 100"):
        unpack(SMALL, max_bytes=100)


def test_a_container_is_told_by_its_first_bytes():
    assert is_epz(SMALL[:16]) and not is_epz(unpack(SMALL)[:16]) and not is_epz(b"")
