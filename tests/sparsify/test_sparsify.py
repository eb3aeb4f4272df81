import nets
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Net

from edgeprune import verify
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.models.tflite import edit, graph
from edgeprune.sparsify import _store, sparsify, stored_dense
from edgeprune.sparsify import weights as stage

A72 = Cpu("cortex-a72", "aarch64", ())
AVX = Cpu("host", "x86_64", ("avx", "avx2"))


def names(tflite):
    model = graph.read(tflite)
    return [graph.op_name(model, op) for op in model.subgraphs[0].operators]


def outputs(tflite, *, reference):
    model = verify.HostModel(tflite, reference=reference)
    return [model(sample) for sample in verify.sample_inputs(tflite, None, 3)]


@pytest.mark.parametrize("storage", ["float32", "float16", "int8"])
def test_encoded_weights_are_smaller_and_compute_the_same(storage):
    dense = nets.eligible(storage=storage)
    found = sparsify(dense, A72)
    assert len(found.tflite) < len(dense)
    assert all(t.encoded for t in found.tensors if t.shape[1:3] == (1, 1))
    assert len(found.expected) == 2
    for reference in (True, False):
        for ours, theirs in zip(
            outputs(found.tflite, reference=reference),
            outputs(dense, reference=reference),
            strict=True,
        ):
            np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_tensor_with_few_zeros_stays_dense():
    dense = nets.eligible(sparsity=0.05)
    found = sparsify(dense, A72)
    assert found.tflite == dense
    assert {t.reason for t in found.tensors} == {"dense is smaller"}


def test_a_graph_that_the_runtime_would_compute_wrong_stays_dense_on_every_board():
    dense = nets.wrong_on_arm()
    for cpu in (A72, AVX):
        found = sparsify(dense, cpu)
        assert found.tflite == dense
        assert any("would compute" in t.reason for t in found.tensors)


def test_fp16_weights_with_an_fp32_bias_stay_dense():
    found = sparsify(nets.eligible(storage="float16", bias="float32"), A72)
    assert not any(t.encoded for t in found.tensors)
    assert any("fp32 bias" in t.reason for t in found.tensors)


def hybrid():
    """A float FULLY_CONNECTED on int8 weights: dynamic range, which makes it version 12."""
    net = Net()
    x = net.input(1, 64)
    values = net.weights((32, 64), 0.95)
    scale = np.abs(values).max(axis=1) / 127
    scale[scale == 0] = 1
    kept = net.const(np.rint(values / scale[:, None]).astype(np.int8), scale=scale)
    out = net.op(
        "FULLY_CONNECTED",
        [x, kept, -1],
        (1, 32),
        "FullyConnectedOptions",
        version=12,
        asymmetricQuantizeInputs=True,
    )
    return net, kept, net.build(out)


def test_dynamic_range_weights_stay_dense():
    _, _, dense = hybrid()
    found = sparsify(dense, A72)
    assert found.tflite == dense
    assert found.tensors[0].reason.startswith("sparse dynamic-range weights")


def test_sparse_dynamic_range_weights_are_read_as_dense_by_the_runtime_without_our_handling():
    from edgeprune.sparsify.encode import encode, smallest_encoding

    net, kept, dense = hybrid()
    tensor = net.graph.tensors[kept]
    values = graph.constant(net.model, tensor)
    data, tensor.sparsity = encode(values, smallest_encoding(values))
    # Padded, so that the runtime's read past the end stays inside the buffer.
    tensor.buffer = graph.add_buffer(net.model, data + bytes(values.nbytes))
    sparse = graph.write(net.model)
    with pytest.raises(ModelError, match="levels lead to"):
        graph.read(sparse)
    sample = verify.sample_inputs(dense, None, 1)[0]
    right = outputs(dense, reference=True)[0][0]
    interpreter = Interpreter(model_content=sparse)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample[0])
    interpreter.invoke()
    wrong = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(right - wrong).max() > 0.1 * np.abs(right).max()


def test_a_dense_layer_with_blocks_of_1x4_stays_with_xnnpack():
    net = Net()
    x = net.input(1, 64)
    out = net.dense(x, 32)
    weights = graph.constant(net.model, net.graph.tensors[net.graph.operators[0].inputs[1]])
    blocks = np.array(weights).reshape(32, 16, 4)
    blocks[net.rng.random((32, 16)) < 0.9] = 0
    net.graph.tensors[net.graph.operators[0].inputs[1]].buffer = graph.add_buffer(
        net.model, blocks.tobytes()
    )
    found = sparsify(net.build(out), A72)
    assert found.tensors[0].encoded
    assert names(found.tflite) == ["DENSIFY", "FULLY_CONNECTED"]
    model = graph.read(found.tflite)
    reader = model.subgraphs[0].operators[1]
    assert model.subgraphs[0].tensors[reader.inputs[1]].sparsity is None


def integer_dense_layer():
    net = Net()
    x = net.tensor((1, 64), "int8", scale=0.1)
    net.graph.inputs.append(x)
    values = np.rint(net.weights((32, 64), 0.95) * 300).astype(np.int8)
    kept = net.const(values, scale=np.full(32, 0.01))
    out = net.op("FULLY_CONNECTED", [x, kept, -1], (1, 32), "FullyConnectedOptions", version=4)
    net.graph.tensors[out].type = net.graph.tensors[x].type
    net.graph.tensors[out].quantization = net.graph.tensors[x].quantization
    return net.build(out)


def test_an_integer_dense_layer_stays_dense_because_the_runtime_fails_to_compile_it_otherwise(
    monkeypatch,
):
    dense = integer_dense_layer()
    assert sparsify(dense, A72).tflite == dense
    verify.HostModel(dense, reference=False)
    monkeypatch.setattr(stage, "obstacle", lambda *_: "")
    unguarded = sparsify(dense, A72).tflite
    assert unguarded != dense
    with pytest.raises(ModelError, match="failed to delegate FULLY_CONNECTED"):
        verify.HostModel(unguarded, reference=False)


def test_weights_that_another_operator_reads_stay_dense():
    net = Net()
    x = net.input(1, 64)
    weights = net.const(net.weights((64, 64), 0.95))
    out = net.op("FULLY_CONNECTED", [x, weights, -1], (1, 64), "FullyConnectedOptions")
    both = net.op("ADD", [weights, out], (64, 64), "AddOptions")
    found = sparsify(net.build(both), A72)
    assert [t.reason for t in found.tensors] == ["read by other operators too"]


def test_int8_weights_with_a_zero_point_stay_dense():
    net = Net()
    x = net.input(1, 64)
    values = np.zeros((32, 64), np.int8)
    values[0] = 3
    kept = net.const(values, scale=0.5)
    net.graph.tensors[kept].quantization.zeroPoint = np.array([1], np.int64)
    filters = net.op("DEQUANTIZE", [kept], (32, 64), "DequantizeOptions", version=3)
    out = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 32), "FullyConnectedOptions")
    assert "zero point" in sparsify(net.build(out), A72).tensors[0].reason


def test_a_file_that_arrives_sparse_is_decoded_and_encoded_again():
    once = sparsify(nets.eligible(), A72)
    dense = stored_dense(once.tflite)
    assert "DENSIFY" not in names(dense)
    twice = sparsify(once.tflite, A72)
    assert twice.expected == once.expected
    assert [t.stored_bytes for t in twice.tensors] == [t.stored_bytes for t in once.tensors]
    for ours, theirs in zip(
        outputs(dense, reference=True), outputs(nets.eligible(), reference=True), strict=True
    ):
        np.testing.assert_array_equal(ours[0], theirs[0])


def test_a_weight_shared_by_two_layers_is_stored_once():
    net = Net()
    x = net.input(1, 64)
    weights = net.const(net.weights((64, 64), 0.95))
    for _ in range(2):
        x = net.op("FULLY_CONNECTED", [x, weights, -1], (1, 64), "FullyConnectedOptions")
    found = sparsify(net.build(x), A72)
    assert len(found.tensors) == 1
    assert names(found.tflite).count("DENSIFY") == 1


@settings(deadline=None, max_examples=examples(37, 150))
@given(
    st.sampled_from(["float32", "float16", "int8"]),
    st.floats(0.3, 0.99),
    st.integers(1, 32),
    st.sampled_from([1, 2, 4]),
    st.integers(1, 3),
    st.sampled_from([3, 200]),
    st.booleans(),
)
def test_the_file_never_grows_and_never_by_more_than_planned(
    storage, sparsity, rows, block, layers, name_length, pointwise
):
    net = Net()
    units = rows * block
    x = net.input(1, 2, 2, units) if pointwise else net.input(1, units)
    for _ in range(layers):
        values = np.repeat(net.weights((rows, units), sparsity), block, axis=0)
        shape = (units, 1, 1, units) if pointwise else (units, units)
        x = net.op(
            "CONV_2D" if pointwise else "FULLY_CONNECTED",
            [x, net.stored(values.reshape(shape), storage), -1],
            net.shape(x),
            "Conv2DOptions" if pointwise else "FullyConnectedOptions",
            **({"strideH": 1, "strideW": 1} if pointwise else {}),
        )
    for k, tensor in enumerate(net.graph.tensors):
        tensor.name = str(k).rjust(name_length, "n").encode()
    dense = net.build(x)
    assert len(sparsify(dense, A72).tflite) <= len(dense)
    model = graph.read(dense)
    edit.compact(model)
    small = graph.write(model)
    weights = stage.weights_of(model, model.subgraphs[0])
    _store(model, weights)
    edit.compact(model)
    grown = len(graph.write(model)) - len(small)
    assert grown <= sum(weight.growth for weight in weights)
