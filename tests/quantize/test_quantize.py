import os
import tempfile

import numpy as np
import odd_nets
import pytest
from nets import Net, eligible

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.quantize import check_mode, quantize

MODES = ("none", "fp16", "int8-weights", "int8", "int16x8")
LIMITS = {"none": 0.0, "fp16": 2e-3, "int8-weights": 2e-2, "int8": 6e-2, "int16x8": 2e-2}
"""Largest difference, as a share of the largest output. Seen: 0, 3e-4, 5e-3, 2e-2, 5e-3."""


def classifier(sparsity=0.75, storage="float32"):
    """Every operator with weights, biases included, and a channel of zeros."""
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 8, kernel=3, stride=2)
    x = net.conv(net.depthwise(x), 16, sparsity=sparsity, storage=storage)
    return net.build(net.dense(net.mean(x), 5, sparsity=sparsity, storage=storage))


def samples(tflite, count=32):
    return verify.sample_inputs(tflite, None, count)


def answers(tflite, inputs, reference=True):
    model = verify.HostModel(tflite, reference=reference)
    tensor = model.output_tensors[0]
    found = []
    for sample in inputs:
        pairs = zip(sample, model.input_tensors, strict=True)
        values = model([verify.as_input(x, t) for x, t in pairs])[0].astype(np.float64)
        if graph.dtype_of(tensor) in (np.int8, np.int16):
            values = (values - tensor.quantization.zeroPoint[0]) * tensor.quantization.scale[0]
        found.append(values)
    return np.stack(found)


def filters(tflite):
    """Stored values of every filter, by the operator's order."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    return [
        (tensor, graph.stored_values(model, tensor))
        for op in subgraph.operators
        if graph.op_name(model, op) in graph.FILTER_OPERANDS
        for tensor in [graph.stored_source(subgraph, op.inputs[1])]
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reference", [True, False])
def test_outputs_stay_close(mode, reference):
    tflite = classifier()
    inputs = samples(tflite)
    wanted = answers(tflite, inputs)
    found = answers(quantize(tflite, mode, inputs).tflite, inputs, reference)
    assert np.abs(found - wanted).max() <= LIMITS[mode] * np.abs(wanted).max() + 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_pruned_zeros_stay_zeros(mode):
    tflite = classifier()
    for (_, before), (tensor, after) in zip(
        filters(tflite), filters(quantize(tflite, mode, samples(tflite)).tflite), strict=True
    ):
        assert not after[before == 0].any()
        if tensor.quantization is not None and tensor.quantization.zeroPoint is not None:
            assert not np.any(tensor.quantization.zeroPoint)


@pytest.mark.parametrize(("mode", "dtype"), [("fp16", "float16"), ("int8-weights", "int8")])
def test_weights_are_stored_narrow_and_files_shrink(mode, dtype):
    tflite = eligible()
    found = quantize(tflite, mode, None)
    assert {values.dtype.name for _, values in filters(found.tflite)} == {dtype}
    assert not found.profiling_only
    assert len(found.tflite) < 0.75 * len(tflite)


def test_fp16_stores_biases_in_16_bits_too():
    model = graph.read(quantize(classifier(), "fp16", None).tflite)
    subgraph = model.subgraphs[0]
    biases = [
        graph.stored_source(subgraph, op.inputs[2])
        for op in subgraph.operators
        if graph.op_name(model, op) in ("CONV_2D", "DEPTHWISE_CONV_2D")
    ]
    assert len(biases) == 3
    assert {graph.dtype_of(bias) for bias in biases} == {np.dtype(np.float16)}


def test_int8_weights_have_a_scale_per_output_channel():
    found = filters(quantize(classifier(), "int8-weights", None).tflite)
    scales = [len(tensor.quantization.scale) for tensor, _ in found]
    axes = [tensor.quantization.quantizedDimension for tensor, _ in found]
    assert (scales, axes) == ([8, 8, 16, 5], [0, 3, 0, 0])
    assert all(values.min() >= -127 for _, values in found)


def test_int8_takes_and_gives_integers_and_computes_in_them():
    model = graph.read(quantize(classifier(), "int8", samples(classifier())).tflite)
    tensors = model.subgraphs[0].tensors
    assert all(
        graph.dtype_of(tensors[i]) == np.int8 for side in graph.io_tensors(model) for i in side
    )
    names = [graph.op_name(model, op) for op in model.subgraphs[0].operators]
    assert "DEQUANTIZE" not in names and "QUANTIZE" not in names


def test_int8_without_data_is_for_profiling_only_and_repeatable():
    tflite = classifier()
    first, second = quantize(tflite, "int8", None), quantize(tflite, "int8", None)
    assert first.profiling_only and first.tflite == second.tflite
    assert not quantize(tflite, "int8", samples(tflite)).profiling_only


@pytest.mark.parametrize("reference", [True, False])
def test_int8_keeps_the_bias_of_a_channel_that_was_pruned_away(reference):
    net = Net()
    x = net.conv(net.input(1, 4, 4, 8), 8, act=None)
    op = net.graph.operators[0]
    weights, bias = (net.model.buffers[net.graph.tensors[i].buffer] for i in op.inputs[1:])
    values = np.array(weights.data).view(np.float32).reshape(8, 8)
    values[2], values[5] = 0, 1e-9
    weights.data = values.reshape(-1).view(np.uint8)
    biases = np.array(bias.data).view(np.float32)
    biases[2], biases[5] = 0.7, -0.4
    bias.data = biases.view(np.uint8)
    tflite = net.build(x)
    inputs = samples(tflite)
    found = answers(quantize(tflite, "int8", inputs).tflite, inputs, reference)
    assert np.abs(found[..., 2] - 0.7).max() < 0.02
    assert np.abs(found[..., 5] + 0.4).max() < 0.02
    assert np.abs(found - answers(tflite, inputs)).max() < 0.05


def test_none_changes_nothing():
    assert quantize(classifier(), "none", None).tflite == classifier()


def test_a_shared_weight_is_stored_once():
    net = Net()
    x = net.conv(net.input(1, 4, 4, 8), 8)
    net.graph.operators.append(op := _copy(net.graph.operators[0]))
    op.inputs = np.array([x, *op.inputs[1:]], np.int32)
    op.outputs = np.array([net.tensor((1, 4, 4, 8))], np.int32)
    model = graph.read(quantize(net.build(int(op.outputs[0])), "int8-weights", None).tflite)
    names = [graph.op_name(model, o) for o in model.subgraphs[0].operators]
    assert names == ["DEQUANTIZE", "CONV_2D", "CONV_2D"]


def _copy(op):
    made = type(op)()
    vars(made).update(vars(op))
    return made


def test_a_model_with_two_inputs_is_calibrated_in_the_files_order():
    net = Net()
    a, b = net.input(1, 4), net.input(1, 6)
    outs = [net.dense(a, 3), net.dense(b, 3)]
    tflite = net.build(net.add(*outs))
    model = graph.read(tflite)
    graph.add_signature(model, ["zeta", "alpha"], ["out"])
    model.signatureDefs[0].inputs.reverse()  # alphabetical, as TensorFlow writes them
    tflite = graph.write(model)
    inputs = samples(tflite)
    found = answers(quantize(tflite, "int8", inputs).tflite, inputs)
    wanted = answers(tflite, inputs)
    assert np.abs(found - wanted).max() <= 0.06 * np.abs(wanted).max()


@pytest.mark.parametrize("mode", ["fp16", "int8", "int8-weights"])
def test_what_is_quantized_already_is_refused(mode):
    with pytest.raises(ModelError, match=r"already quantized or sparse.*--quantize none"):
        quantize(classifier(storage="int8"), mode, None)


@pytest.mark.parametrize("mode", ["int8", "int16x8"])
@pytest.mark.parametrize("tflite", [odd_nets.loop(), odd_nets.choice()], ids=["WHILE", "IF"])
def test_what_runs_a_part_of_the_graph_cannot_be_calibrated(mode, tflite):
    for refuses in (lambda: quantize(tflite, mode, None), lambda: check_mode(tflite, mode)):
        with pytest.raises(ModelError, match=rf"to {mode}: what (WHILE|IF) runs.*int8-weights"):
            refuses()
    check_mode(tflite, "int8-weights")
    inputs = samples(tflite)
    found, wanted = (
        answers(one, inputs) for one in (quantize(tflite, "int8-weights", None).tflite, tflite)
    )
    assert np.abs(found - wanted).max() <= 0.1 * np.abs(wanted).max()


def test_weights_beyond_16_bits_are_refused():
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 4)
    buffer = net.model.buffers[net.graph.tensors[int(net.graph.operators[0].inputs[1])].buffer]
    buffer.data = (np.array(buffer.data).view(np.float32) * 1e6).view(np.uint8)
    with pytest.raises(ModelError, match="exceed 65504"):
        quantize(net.build(x), "fp16", None)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ModelError, match=r"quantize must be one of none, fp16, .*got 'int4'"):
        quantize(classifier(), "int4", None)


def test_calibration_samples_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="calibration data of shape"):
        quantize(classifier(), "int8", [[np.zeros((1, 4, 4, 3), np.float32)]])
    with pytest.raises(ModelError, match="calibration gives 2 inputs, the model has 1"):
        quantize(classifier(), "int8", [[np.zeros((1, 8, 8, 3), np.float32)] * 2])


def test_int8_says_nothing_and_leaves_no_files(capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    quantize(classifier(), "int8", samples(classifier()))
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path) == []


def test_tensors_of_one_name_are_told_apart():
    """As converters leave them that share constants; the quantizer refuses two of one name."""
    net = Net()
    wide = net.conv(net.input(1, 8, 8, 3), 8)
    out = net.conv(wide, 8)
    constants = [t for t in net.graph.tensors if t.buffer]
    for tensor in constants:
        tensor.name = b"constant"
    quantized = graph.view(quantize(net.build(out), "int8", None).tflite)
    names = [tensor.name for tensor in quantized.subgraphs[0].tensors]
    assert len(set(names)) == len(names)


def test_a_file_whose_tensors_have_no_names_is_quantized_too():
    model = graph.read(eligible(0.0))
    for tensor in model.subgraphs[0].tensors:
        tensor.name = None
    made = graph.view(quantize(graph.write(model), "int8", None).tflite)
    assert graph.computes_on_integers(made)
