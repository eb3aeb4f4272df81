import numpy as np
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.models.tflite.builder import SharingBuilder

VECTORS = st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=12)


def written(model):
    builder = SharingBuilder(64)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def model_of(shapes, scales=(), buffers=()):
    model, subgraph = schema.ModelT(), schema.SubGraphT()
    subgraph.tensors = [schema.TensorT() for _ in (*shapes, *scales)]
    for tensor, shape in zip(subgraph.tensors, shapes, strict=False):
        tensor.shape, tensor.name = shape, bytes(shape)
    for tensor, scale in zip(subgraph.tensors[len(shapes) :], scales, strict=True):
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array(scale, np.float32)
        tensor.quantization.zeroPoint = np.array(scale, np.int64)
    model.subgraphs, model.buffers = [subgraph], [schema.BufferT() for _ in buffers]
    for buffer, data in zip(model.buffers, buffers, strict=True):
        buffer.data = np.array(data, np.uint8)
    return model


@given(VECTORS, VECTORS, VECTORS)
def test_every_vector_is_read_back_as_it_was(shapes, scales, buffers):
    model = schema.ModelT.InitFromObj(
        schema.Model.GetRootAs(written(model_of(shapes, scales, buffers)), 0)
    )
    tensors = model.subgraphs[0].tensors
    for tensor, shape in zip(tensors, shapes, strict=False):
        assert (list(tensor.shape), tensor.name) == (shape, bytes(shape))
    for tensor, scale in zip(tensors[len(shapes) :], scales, strict=True):
        assert list(tensor.quantization.scale) == scale
        assert list(tensor.quantization.zeroPoint) == scale
    assert [list(buffer.data) for buffer in model.buffers] == buffers


def test_equal_vectors_are_stored_once():
    shape = list(range(100))
    one, two = len(written(model_of([shape]))), len(written(model_of([shape, shape])))
    assert two - one < 4 * len(shape)


def test_vectors_of_tables_are_never_shared():
    model = model_of([])
    model.subgraphs = [model_of([[size]]).subgraphs[0] for size in (1, 2, 3)]
    read = schema.ModelT.InitFromObj(schema.Model.GetRootAs(written(model), 0))
    assert [list(graph.tensors[0].shape) for graph in read.subgraphs] == [[1], [2], [3]]


def operators_of(strides):
    model, subgraph = schema.ModelT(), schema.SubGraphT()
    subgraph.operators = [schema.OperatorT() for _ in strides]
    for op, (height, width) in zip(subgraph.operators, strides, strict=True):
        op.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        op.builtinOptions = schema.Conv2DOptionsT()
        op.builtinOptions.strideH, op.builtinOptions.strideW = height, width
    model.subgraphs = [subgraph]
    return model


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_every_table_is_read_back_as_it_was(strides):
    read = schema.ModelT.InitFromObj(schema.Model.GetRootAs(written(operators_of(strides)), 0))
    found = [op.builtinOptions for op in read.subgraphs[0].operators or []]
    assert [(options.strideH, options.strideW) for options in found] == strides


def test_equal_tables_of_numbers_are_stored_once():
    equal, unequal = (
        len(written(operators_of(strides))) for strides in ([(3, 5)] * 3, [(3, 5), (5, 3), (3, 3)])
    )
    assert equal < unequal
