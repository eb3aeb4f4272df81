import subprocess
import sys

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nets import Net

from edgeprune.errors import ModelError
from edgeprune.models.tflite.sparse_tensor import decode
from edgeprune.sparsify import encode as writer
from edgeprune.verify import HostModel

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=12)


@st.composite
def sparse_arrays(draw, dtypes=("float32", "float16", "int8")):
    shape = draw(SHAPES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(1, 100, shape).astype(draw(st.sampled_from(dtypes)))
    values[rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))] = 0
    return values


def all_encodings(values):
    return list(writer._encodings(values != 0, values.itemsize))


def densified_by_litert(values, encoding, *, reference):
    """What the official runtime makes of an encoding: DENSIFY of it, added to zeros."""
    net = Net()
    x = net.input(*values.shape)
    stored = net.tensor(values.shape)
    data, net.graph.tensors[stored].sparsity = writer.encode(values, encoding)
    net.graph.tensors[stored].buffer = len(net.model.buffers)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    net.model.buffers.append(buffer)
    dense = net.op("DENSIFY", [stored], values.shape, "DensifyOptions")
    model = HostModel(net.build(net.add(x, dense)), reference=reference)
    return model([np.zeros(values.shape, np.float32)])[0]


@given(sparse_arrays())
def test_every_encoding_decodes_to_what_was_encoded(values):
    for encoding in all_encodings(values):
        data, sparsity = writer.encode(values, encoding)
        stored = np.frombuffer(data, values.dtype)
        assert np.array_equal(decode(stored, sparsity, values.shape), values)


@given(sparse_arrays())
def test_the_size_that_decides_is_the_size_that_is_written(values):
    for encoding in all_encodings(values):
        data, sparsity = writer.encode(values, encoding)
        arrays = [
            vector.values.nbytes
            for level in sparsity.dimMetadata
            for vector in (level.arraySegments, level.arrayIndices)
            if vector is not None
        ]
        assert encoding.bytes == len(data) + sum(arrays)


@given(sparse_arrays())
def test_the_smallest_encoding_is_no_larger_than_any_other(values):
    assert writer.smallest_encoding(values).bytes == min(e.bytes for e in all_encodings(values))


@settings(max_examples=examples(10, 40))
@given(sparse_arrays(dtypes=("float32",)), st.booleans())
def test_the_official_runtime_reads_every_encoding_right(values, reference):
    for encoding in all_encodings(values):
        found = densified_by_litert(values, encoding, reference=reference)
        assert np.array_equal(found, values)


@pytest.mark.parametrize("count, itemsize", [(255, 1), (256, 2), (65535, 2), (65536, 4)])
def test_segments_use_the_narrowest_type_at_its_limits(count, itemsize):
    values = np.ones((1, count), np.float32)
    _, sparsity = writer.encode(values, writer.Encoding(1, None, 1, 0))
    assert sparsity.dimMetadata[1].arraySegments.values.itemsize == itemsize
    found = decode(values.reshape(-1), sparsity, values.shape)
    assert np.array_equal(found, values)


def test_blocks_of_output_channels_are_stored_as_blocks():
    values = np.zeros((32, 1, 1, 64), np.float32)
    values[0:4, 0, 0, 5] = 1
    values[8:12, 0, 0, 63] = 2
    encoding = writer.smallest_encoding(values)
    assert (encoding.block_axis, encoding.block_size) == (0, 4)
    assert np.array_equal(densified_by_litert(values, encoding, reference=True), values)


def block_of_columns_as_csr():
    """Two rows of four weights, cut into blocks of two whose own level is CSR."""
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = np.array([0, 1, 2], np.int32)
    sparsity.blockMap = np.array([1], np.int32)
    sparsity.dimMetadata = [
        writer._dense_level(2),
        writer._dense_level(2),
        writer._csr_level(np.array([0, 1, 2, 3, 4]), np.array([1, 0, 1, 0]), 2),
    ]
    dense = np.array([[0, 1, 2, 0], [0, 3, 4, 0]], np.float32)
    return sparsity, dense


def test_the_runtime_crashes_on_a_csr_block_level_so_none_is_written_and_none_is_read(tmp_path):
    sparsity, dense = block_of_columns_as_csr()
    net = Net()
    x = net.input(2, 4)
    stored = net.const(np.array([1, 2, 3, 4], np.float32))
    net.graph.tensors[stored].shape = np.array([2, 4], np.int32)
    net.graph.tensors[stored].sparsity = sparsity
    out = net.add(x, net.op("DENSIFY", [stored], (2, 4), "DensifyOptions"))
    (tmp_path / "csr.tflite").write_bytes(net.build(out))
    program = (
        "import sys, pathlib, numpy as np\n"
        "from edgeprune.verify import HostModel\n"
        "run = HostModel(pathlib.Path(sys.argv[1]).read_bytes(), reference=True)\n"
        "print(run([np.zeros((2, 4), np.float32)])[0].tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "csr.tflite"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip() != str(dense.tolist()), "LiteRT reads it right: drop the guard"
    with pytest.raises(ModelError, match="CSR block level"):
        decode(np.array([1, 2, 3, 4], np.float32), sparsity, (2, 4))


@given(sparse_arrays(), st.data())
def test_damaged_parameters_are_refused_or_decode_to_the_same_shape(values, data):
    stored, sparsity = writer.encode(values, writer.smallest_encoding(values))
    level = sparsity.dimMetadata[values.ndim - 1]
    vector = data.draw(st.sampled_from([level.arraySegments, level.arrayIndices]))
    if vector.values.size:
        at = data.draw(st.integers(0, vector.values.size - 1))
        vector.values[at] = data.draw(st.integers(0, 255))
    try:
        found = decode(np.frombuffer(stored, values.dtype), sparsity, values.shape)
    except ModelError:
        return
    assert found.shape == values.shape
