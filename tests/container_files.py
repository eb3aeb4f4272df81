"""Files for the tests of containers: nets as Deep Compression leaves them, and hostile ones."""

from __future__ import annotations

import functools
import hashlib
import random
import zlib

import numpy as np
from beside import shared_models
from deflate_blocks import (
    DISTANCE_1,
    DISTANCE_2,
    LENGTH_7,
    LENGTH_8,
    LITERAL_0,
    OF_LENGTHS,
    dynamic_block,
    fixed_block,
    of_two_literals,
    zeros,
)
from full_range import TIMES
from hypothesis import strategies as st
from nets import Net

from edgeprune.models.epz import pack
from edgeprune.models.epz.bits import BitWriter
from edgeprune.models.epz.layout import Kind, WeightHeader, number
from edgeprune.models.epz.limits import MAGIC
from edgeprune.sparsify.encode import encode, smallest_encoding


@functools.cache
def packed(content: bytes) -> bytes:
    """Its container; seconds a file, so each is packed once."""
    return pack(content)


def clustered(shape, kept, values, seed=0, dtype=np.float32):
    """Weights of which a share ``kept`` is not zero, with so many distinct values."""
    rng = np.random.default_rng(seed)
    codebook = (rng.normal(size=values) * 40).astype(dtype)
    columns = 3 * kept * rng.uniform(0, 1, shape[-1]) ** 2  # some inputs matter, some hardly
    picks = np.minimum(values - 1, rng.geometric(4 / (values + 4), shape))
    return np.where(rng.uniform(size=shape) < columns, codebook[picks], 0).astype(dtype)


def dense_net(*weights):
    """Dense layers one behind the other; each of shape (out, in)."""
    net = Net()
    x = net.input(1, weights[0].shape[1])
    for kernel in weights:
        operands = [x, net.const(kernel), net.const(np.zeros(len(kernel), "f4"))]
        x = net.op("FULLY_CONNECTED", operands, (1, len(kernel)), "FullyConnectedOptions")
    return net.build(x)


def sparse_net(weights):
    """One dense layer whose weights are stored in TFLite's sparse format."""
    net = Net()
    stored, sparsity = encode(weights, smallest_encoding(weights))
    tensor = net.tensor(weights.shape, weights.dtype.name, np.frombuffer(stored, weights.dtype))
    net.graph.tensors[tensor].sparsity = sparsity
    x = net.input(1, weights.shape[1])
    out = net.op("FULLY_CONNECTED", [x, tensor, -1], (1, len(weights)), "FullyConnectedOptions")
    return net.build(out)


@st.composite
def nets(draw):
    """Small ``.tflite`` files with weights of every kind that the packer tells apart."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 300)))
    kept = draw(st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]))
    values = draw(st.sampled_from([1, 2, 16, 256, 300, 5000]))
    dtype = draw(st.sampled_from([np.float32, np.float16, np.int8, np.int32]))
    weights = clustered(shape, kept, values, draw(st.integers(0, 99)), dtype)
    return sparse_net(weights) if draw(st.booleans()) else dense_net(weights)


def whole(content_size, records, content=b""):
    """A container with good checksums around any records."""
    return whole_of(number(content_size), records, content)


def whole_of(size, records, content):
    """The same with the bytes of the size field."""
    body = MAGIC + size + hashlib.sha256(content).digest()[:16] + records
    return body + zlib.crc32(body).to_bytes(4, "little")


def head(kind, size):
    return number(size << 3 | kind)


def weights(kind, size, header, *fields):
    """A weight record whose header is good and whose fields, (value, width), are anything."""
    bits = BitWriter()
    header.write(bits)
    for value, width in fields:
        bits.put(value, width)
    return head(kind, size) + bits.done()


def fields(kind, size, *numbers):
    """A weight record of any fields, (value, width), in place of a header."""
    bits = BitWriter()
    for value, width in numbers:
        bits.put(value, width)
    return head(kind, size) + bits.done()


CODEBOOK_OF_1 = ((0, 20), (1, 9))  # bytes, no flags, no shifts
GAPS = WeightHeader(1, False, True, False, 0, (5,))
DENSE = WeightHeader(1, False, False, False, 0, (1, 2, 3))
VERBATIM = WeightHeader(2, False, False, True, 0, ())
NOTHING = WeightHeader(1, False, True, False, 0, ())


def lengths(*steps):
    """Fields of code lengths: the first one, then differences."""
    fields = [(steps[0], 4)]
    for step in steps[1:]:
        fields += [(1 if step > 0 else 3, 2)] * abs(step) + [(0, 1)]
    return fields


def _deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def behind_a_window_of_zeros(block):
    """Two records: 32 KiB of zeros, and ``block`` of 8 bytes, zeros where its copies reach back."""
    size = 1 << 15
    records = head(Kind.DEFLATE, size) + _deflated(bytes(size)) + head(Kind.DEFLATE, 8) + block
    return whole(size + 8, records, bytes(size + 8))


def _two_codes(one, other):
    """Two records of ones, each with lengths of a code of its own."""
    ones = [(0, 1)] * 8
    return b"".join(weights(Kind.HUFFMAN, 8, DENSE, *code, *ones) for code in (one, other))


ZEROS_8 = (8, head(Kind.DEFLATE, 8) + _deflated(bytes(8)), bytes(8))

HOSTILE = {
    "empty": b"",
    "no container": b"TFL3" * 10,
    "version 2": b"EPZ\x02" + bytes(40),
    "cut behind the size": MAGIC + number(5),
    "more than the limit": whole(1 << 31, b""),
    "more than 4 GiB": whole(1 << 33, b""),
    "a number of six bytes": whole_of(b"\x88\x80\x80\x80\x80\x00", *ZEROS_8[1:]),
    "a number that is longer than need be": whole_of(b"\x88\x00", *ZEROS_8[1:]),
    "another SHA-256": whole(*ZEROS_8[:2], b"x"),
    "something behind its end": whole(*ZEROS_8) + b"x",
    "another CRC": whole(*ZEROS_8)[:-1] + b"x",
    "a record of no bytes": whole(8, head(Kind.DEFLATE, 0)),
    "a record of an unknown kind": whole(8, head(7, 8) + bytes(8)),
    "a record of the first unknown kind": whole(8, head(5, 8) + bytes(8)),
    "more than it says": whole(7, ZEROS_8[1], bytes(8)),
    "a deflate stream too long": whole(8, head(Kind.DEFLATE, 8) + _deflated(bytes(9))),
    "a deflate stream too short": whole(8, head(Kind.DEFLATE, 8) + _deflated(bytes(7))),
    "a deflate bomb": whole(8, head(Kind.DEFLATE, 8) + _deflated(bytes(50_000_000))),
    "a deflate block of type 3": whole(8, head(Kind.DEFLATE, 8) + b"\x07" + bytes(20)),
    "stored with a wrong complement": whole(
        8, head(Kind.DEFLATE, 8) + b"\x01\x08\0\0\0" + bytes(9)
    ),
    "deflate from before its start": whole(8, head(Kind.DEFLATE, 8) + bytes.fromhex("630402")),
    "deflate from the record before": behind_a_window_of_zeros(
        fixed_block(LITERAL_0, LENGTH_7, DISTANCE_2)
    ),
    "a deflate length that stands for nothing": behind_a_window_of_zeros(
        fixed_block(LITERAL_0, "11000110", DISTANCE_1)  # 286
    ),
    "a deflate distance that stands for nothing": behind_a_window_of_zeros(
        fixed_block(LITERAL_0, LENGTH_7, "11110")  # 30
    ),
    "a deflate block of 287 literals": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(OF_LENGTHS, of_two_literals(1, 287), 287, 1, "0" * 8 + "1"),
        bytes(8),
    ),
    "a deflate block of 31 distances": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(OF_LENGTHS, of_two_literals(1, distances=31), 257, 31, "0" * 8 + "1"),
        bytes(8),
    ),
    "deflate lengths in a code that is not complete": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block({0: 2, 1: 2, 18: 2}, of_two_literals(1), 257, 1, "0" * 8 + "1"),
        bytes(8),
    ),
    "deflate that repeats a length before the first": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(
            {0: 2, 1: 2, 16: 2, 18: 2},
            [(16, 0, 2), *zeros(253), (1, 0, 0), (1, 0, 0)],
            257,
            1,
            "0" * 8 + "1",
        ),
    ),
    "more deflate lengths than there are symbols": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(
            OF_LENGTHS, [(1, 0, 0), *zeros(255), (1, 0, 0), (18, 127, 7)], 257, 1, "0" * 8 + "1"
        ),
        bytes(8),
    ),
    "a deflate block that cannot end": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(
            OF_LENGTHS, [(1, 0, 0), (1, 0, 0), *zeros(255), (0, 0, 0)], 257, 1, "0" * 8
        ),
        bytes(8),
    ),
    "deflate literals in a code that is not complete": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(OF_LENGTHS, of_two_literals(2), 257, 1, "00" * 8 + "01"),
        bytes(8),
    ),
    "deflate distances in a code that is not complete": whole(
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(OF_LENGTHS, of_two_literals(1, 257, 2, 2), 257, 2, "0" * 8 + "1"),
        bytes(8),
    ),
    "deflate that begins with a copy": behind_a_window_of_zeros(fixed_block(LENGTH_8, DISTANCE_1)),
    "empty deflate blocks for ever": whole(8, head(Kind.DEFLATE, 8) + b"\0\0\0\xff\xff" * 5000),
    "a store too large": whole(8, head(Kind.STORE, 70_000) + _deflated(bytes(70_000))),
    "a store before the last is used": whole(
        8, (head(Kind.STORE, 8) + _deflated(bytes(8))) * 2 + head(Kind.COPY, 8), bytes(8)
    ),
    "a store that nothing uses": whole(
        8, head(Kind.STORE, 9) + _deflated(bytes(9)) + head(Kind.COPY, 8), bytes(8)
    ),
    "a copy of nothing": whole(8, head(Kind.COPY, 8)),
    "elements that do not divide": whole(
        7, weights(Kind.HUFFMAN, 7, WeightHeader(2, False, False, False, 0, (1,)), *lengths(1))
    ),
    "a filler of no zeros": whole(8, weights(Kind.HUFFMAN, 8, GAPS, (0, 8), *lengths(1))),
    "more zeros than elements": whole(
        8, weights(Kind.HUFFMAN, 8, GAPS, (15, 8), *lengths(*[0] * 15, 1), *lengths(1))
    ),
    "a code with too few words": whole(
        8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(2, 0, 0), (0, 64))
    ),
    "a code with too many words behind a good one": whole(
        16, _two_codes(lengths(1, 1, 0), lengths(1, 0, 0)), b"\1" * 16
    ),
    "a code with too many words": whole(
        8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(1, 0, 0), (0, 9))
    ),
    "a code without symbols": whole(8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(0, 0, 0), (0, 9))),
    "a code length of 16": whole(8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(15, 1, 0), (0, 9))),
    "a code length of -1": whole(8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(0, -1, 0), (0, 9))),
    "an element among zeros alone": whole(
        8, weights(Kind.HUFFMAN, 8, NOTHING, (1, 8), *lengths(1, -1))
    ),
    "no symbols at all": whole(
        8, weights(Kind.HUFFMAN, 8, WeightHeader(1, False, False, False, 0, ()), (0, 40))
    ),
    "filled with ones": whole(
        8, weights(Kind.HUFFMAN, 8, DENSE, *lengths(1, 1, 0), *[(0, 1)] * 8, (1, 1)), b"\1" * 8
    ),
    "a codebook entry out of range": whole(
        8, fields(Kind.HUFFMAN, 8, *CODEBOOK_OF_1, *[(1, 1)] * 300)
    ),
    "a codebook entry out of range by its low bits": whole(
        8, fields(Kind.HUFFMAN, 8, (0, 10), (4, 5), (3, 5), (1, 9), (1, 1), (1, 1), (0, 1), (7, 3))
    ),
    "a codebook of 257": whole(8, head(Kind.HUFFMAN, 8) + b"\0\0\xf0\x1f" + bytes(99)),
    "elements of 8 bytes": whole(8, head(Kind.HUFFMAN, 8) + b"\3" + bytes(99)),
    "more verbatim bits than an element has": whole(8, head(Kind.HUFFMAN, 8) + b"\0\1" + bytes(99)),
    "arithmetic of all ones": whole(8, weights(Kind.ADAPTIVE, 8, DENSE) + b"\xff" * 20),
    "arithmetic of bits beyond their range": whole(
        8, weights(Kind.ADAPTIVE, 8, VERBATIM) + b"\xff\xff\xff\xfe" + b"\xff" * 20
    ),
    "a symbol outside its alphabet": whole(8, weights(Kind.ADAPTIVE, 8, DENSE) + bytes(20)),
    "adaptive with a thousandth of a bit an element": whole(
        1 << 22,
        weights(Kind.ADAPTIVE, 1 << 22, GAPS, (0, 24)) + b"\xff\xff\xff\xfe" + b"\xff" * 4000,
    ),
    "adaptive without symbols": whole(
        8, weights(Kind.ADAPTIVE, 8, WeightHeader(1, False, False, False, 0, ())) + bytes(20)
    ),
    "adaptive with an element among zeros": whole(
        8, weights(Kind.ADAPTIVE, 8, NOTHING, (0, 24)) + bytes(20)
    ),
}
"""What it is, and the bytes: every decoder must refuse all of them in one line."""

AT_THE_LIMITS = {
    "a store as large as one may be": (
        65536,
        head(Kind.STORE, 65536) + _deflated(bytes(65536)) + head(Kind.COPY, 65536),
        bytes(65536),
    ),
    "a copy of the store's last byte": (
        9,
        head(Kind.STORE, 9) + _deflated(b"123456789") + head(Kind.COPY, 8) + head(Kind.COPY, 1),
        b"123456789",
    ),
    "a codebook of 256": (
        8,
        weights(
            Kind.HUFFMAN,
            8,
            WeightHeader(1, False, False, False, 0, tuple(range(256))),
            *lengths(8, *[0] * 255),
            (0, 64),
        ),
        bytes(8),
    ),
    "fillers up to the record's end": (
        16,
        weights(Kind.HUFFMAN, 16, GAPS, (8, 8), *lengths(*[0] * 8, 1), *lengths(1)),
        bytes(16),
    ),
    "zeros up to the record's end": (
        8,
        weights(Kind.HUFFMAN, 8, GAPS, (15, 8), *lengths(*[0] * 8, 1, -1, *[0] * 6), *lengths(1)),
        bytes(8),
    ),
    "one distance alone, of one bit": (
        8,
        head(Kind.DEFLATE, 8)
        + dynamic_block(
            OF_LENGTHS,
            [(2, 0, 0), *zeros(255), (2, 0, 0), *zeros(4), (1, 0, 0), (1, 0, 0)],
            262,
            1,
            "10" + "0" + "0" + "11",
        ),
        bytes(8),
    ),
    "a copy that reaches back to the record's start": (
        8,
        head(Kind.DEFLATE, 8) + fixed_block(LITERAL_0, LENGTH_7, DISTANCE_1),
        bytes(8),
    ),
}
"""What it is, and size, records and content of a good container that is at some limit."""

FOUND_AT_THE_END = {
    "empty",
    "cut behind the size",
    "another SHA-256",
    "another CRC",
    "something behind its end",
    "empty deflate blocks for ever",
}
"""Those that only a checksum or the end of the file gives away; the others are found before."""

AT_THE_END = r"ends too early|SHA-256|checksum|follows its end"


def _any_of(values, shape):
    """Weights of so many values, 1 the lowest and the most frequent one."""
    return np.minimum(np.random.default_rng(0).geometric(0.3, shape), values).astype("int8")


CONTENTS = {
    "one layer": dense_net(clustered((100, 300), 0.1, 32)),
    "sparse tensor": sparse_net(clustered((64, 300), 0.1, 16)),
    "not clustered": dense_net(clustered((50, 300), 1.0, 5000)),
    "int8": dense_net(clustered((50, 300), 1.0, 200, dtype="int8")),
    "sixteen values": dense_net(_any_of(16, (50, 300))),
    "a column": dense_net(_any_of(4, (20_000, 1)) - 1),
    "nothing": b"",
    "text": b"no model at all " * 9999 + bytes(range(256)),
    "noise": random.Random(0).randbytes(200_000),
}
"""By what they try: small contents of a container."""


def everything():
    """These, and the smallest of the models beside the project; in the full range all of them."""
    models = sorted((path.read_bytes() for path in shared_models("*.tflite")), key=len)
    return CONTENTS | {f"model {k}": one for k, one in enumerate(models[: None if TIMES else 1])}
