"""What firmware cannot run is refused before anything is planned: what, where, and what to do."""

import numpy as np
import pytest
from int8_layers import Int8Net, random_layer
from int8_operators import Operators
from nets import Net

from edgeprune.errors import ModelError
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read import check_operators
from edgeprune.models.tflite import graph
from edgeprune.quantize import quantize
from edgeprune.quantize.layer_modes import layers_of
from edgeprune.recipe.quantize_table import LayerMode
from edgeprune.verify import sample_inputs


def refused(tflite):
    with pytest.raises(ModelError) as caught:
        compiled(tflite, "scalar")
    text = str(caught.value)
    assert "\n" not in text
    return text


def finished(net, output):
    net.graph.outputs = np.array([output], np.int32)
    net.graph.inputs = np.array(net.graph.inputs, np.int32)
    return bytes(graph.write(net.model))


def changed(tflite, change):
    """A file after ``change`` of its graph."""
    model = graph.read(tflite)
    change(model)
    return bytes(graph.write(model))


def int8_net():
    return random_layer(0, "CONV_2D", usual=True).tflite


def test_all_operators_that_are_missing_stand_in_one_line_with_their_layers():
    net = Operators()
    x = net.source((1, 4, 4, 2), 0.5, 0)
    for name in ("RELU", "FLOOR", "NEG", "FLOOR"):
        x = net.make(name, [x], (1, 4, 4, 2))
    text = refused(net.finished(x))
    assert "no kernel for FLOOR (layers 1, 3), NEG (layer 2):" in text
    assert "CONV_2D" in text


def test_missing_operators_come_before_what_else_is_wrong():
    net = Operators()
    x = net.source((1, 4, 4, 2), 0.5, 0)
    y = net.make("CONCATENATION", [x, x], (1, 4, 4, 4), 0.25, axis=3)
    assert "NEG" in refused(net.finished(net.make("NEG", [y], (1, 4, 4, 4))))


def test_operators_of_a_float_network_can_be_asked_for():
    net = Net()
    x = net.input(1, 4, 4, 2)
    check_operators(graph.view(finished(net, net.conv(x, 3))))
    net = Net()
    x = net.input(1, 4, 4, 2)
    model = graph.view(finished(net, net.op("FLOOR", [net.conv(x, 3)], (1, 4, 4, 3))))
    with pytest.raises(ModelError, match=r"FLOOR \(layer 1\)"):
        check_operators(model)


def test_a_float_network_is_to_be_quantized():
    net = Net()
    text = refused(finished(net, net.conv(net.input(1, 4, 4, 2), 3)))
    assert text.startswith("the model is float")
    assert "--quantize int8" in text


def test_a_dynamic_range_network_is_told_from_a_float_one():
    net = Net()
    x = net.input(1, 4, 4, 2)
    y = net.conv(x, 3)
    op = net.graph.operators[-1]
    op.inputs[1] = net.const(np.ones((3, 1, 1, 2), np.int8), scale=np.ones(3))
    text = refused(finished(net, y))
    assert text.startswith("the model is dynamic-range (int8 weights, float activations)")
    assert "--quantize int8" in text


def test_int16_activations_are_refused():
    net = Net()
    x = net.tensor((1, 8), "int16", scale=[0.5])
    net.graph.inputs.append(x)
    y = net.op("RELU", [x], (1, 8))
    net.graph.tensors[y].type = net.graph.tensors[x].type
    text = refused(finished(net, y))
    assert "int16" in text
    assert "--quantize int8" in text


def test_float_in_or_out_that_is_not_quantized_at_once_says_how_to_convert():
    net = Operators()
    x = net.input(1, 8)
    a, b = (net.make("QUANTIZE", [x], (1, 8), scale, 0) for scale in (0.5, 0.25))
    text = refused(net.finished([net.make("RELU", [y], (1, 8)) for y in (a, b)]))
    assert "input 't0' is float32" in text
    assert "inference_input_type" in text


def test_a_size_that_is_not_known_is_named():
    def change(model):
        tensor = model.subgraphs[0].tensors[0]
        tensor.shapeSignature = np.array([-1, -1, *tensor.shape[2:]], np.int32)

    text = refused(changed(int8_net(), change))
    assert "no fixed size along axis 1" in text
    assert "fixed input shape" in text


def test_a_free_batch_is_one_image():
    def change(model):
        tensor = model.subgraphs[0].tensors[0]
        tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)

    compiled(changed(int8_net(), change), "scalar")


def test_scales_of_activations_are_one_a_tensor():
    def change(model):
        quantization = model.subgraphs[0].tensors[0].quantization
        channels = model.subgraphs[0].tensors[0].shape[3]
        quantization.scale = np.full(channels, 0.5, np.float32)
        quantization.zeroPoint = np.zeros(channels, np.int64)
        quantization.quantizedDimension = 3

    text = refused(changed(int8_net(), change))
    assert "tensor 't0' has 18 scales" in text
    assert "quantize activations per tensor" in text


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_is_above_0(scale):
    def change(model):
        model.subgraphs[0].tensors[0].quantization.scale = np.array([scale], np.float32)

    assert "scale" in refused(changed(int8_net(), change))


def test_scales_of_weights_are_along_the_output_channels():
    def change(model):
        op = model.subgraphs[0].operators[0]
        quantization = model.subgraphs[0].tensors[op.inputs[1]].quantization
        quantization.quantizedDimension = 3
        quantization.scale = np.ones(18, np.float32)
        quantization.zeroPoint = np.zeros(18, np.int64)

    text = refused(changed(int8_net(), change))
    assert "18 scales along axis 3" in text
    assert "output channels (axis 0)" in text


def test_weights_have_no_zero_points():
    def change(model):
        op = model.subgraphs[0].operators[0]
        quantization = model.subgraphs[0].tensors[op.inputs[1]].quantization
        quantization.zeroPoint = quantization.zeroPoint + 5

    assert "zero points" in refused(changed(int8_net(), change))


def test_weights_that_are_computed_are_refused():
    net = Int8Net()
    x, w = net.quantized((1, 4), 0.5, 0), net.quantized((3, 4), 0.5, 0)
    net.graph.inputs += [x, w]
    y = net.op("FULLY_CONNECTED", [x, w, -1], (1, 3), "FullyConnectedOptions", 4)
    net.graph.tensors[y] = net.graph.tensors[net.quantized((1, 3), 0.5, 0)]
    net.graph.tensors.pop()
    assert "weights that are constant" in refused(net.finished(y))


def test_more_than_one_image_is_refused():
    net = Operators()
    x = net.source((2, 4, 4, 1), 0.5, 0)
    y = net.make(
        "MAX_POOL_2D", [x], (2, 4, 4, 1), padding=0, strideH=1, strideW=1, filterHeight=1,
        filterWidth=1,
    )  # fmt: skip
    assert "(1, height, width, channels)" in refused(net.finished(y))


def test_a_loop_or_condition_is_refused():
    def change(model):
        model.subgraphs.append(model.subgraphs[0])

    assert "subgraphs" in refused(changed(int8_net(), change))


def test_state_from_one_inference_to_the_next_is_called_so():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    net.op("VAR_HANDLE", [], (1,), "VarHandleOptions")
    text = refused(net.finished(net.op("LOGISTIC", [x], (1, 4))))
    assert "keeps state from one inference to the next" in text and "board with Linux" in text


def test_a_custom_operator_is_named():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    y = net.make("CUSTOM", [x], (1, 4))
    net.model.operatorCodes[-1].customCode = b"TFLite_Detection_PostProcess"
    assert "CUSTOM 'TFLite_Detection_PostProcess' (layer 0)" in refused(net.finished(y))


def test_an_operator_that_is_missing_comes_before_what_it_puts_out():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    axis = net.const(np.array(1, np.int32))
    y = net.op("ARG_MAX", [x, axis], (1,), "ArgMaxOptions", outputType=2)
    net.graph.tensors[y].type = net.graph.tensors[axis].type
    assert "ARG_MAX (layer 0)" in refused(net.finished(y))


def test_a_network_that_goes_on_in_floats_is_to_be_converted_again():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    y = net.op("DEQUANTIZE", [x], (1, 4), "DequantizeOptions", version=2)
    text = refused(net.finished(net.op("LOGISTIC", [y], (1, 4))))
    assert text.startswith("output 't2' is float32")
    assert "inference_output_type" in text


def test_a_float_operator_in_the_middle_is_named():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    y = net.op("DEQUANTIZE", [x], (1, 4), "DequantizeOptions", version=2)
    z = net.op("LOGISTIC", [y], (1, 4))
    q = net.make("QUANTIZE", [z], (1, 4), 1 / 256, -128)
    text = refused(net.finished(q))
    assert text.startswith("layer 0, DEQUANTIZE: 't1' is float32")


def test_an_output_that_is_constant_is_refused():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    y = net.make("RELU", [x], (1, 4))
    assert "is constant" in refused(net.finished([y, net.stored((1, 4))]))


def test_a_network_that_computes_nothing_is_refused():
    net = Operators()
    x = net.source((1, 4), 0.5, 0)
    y = net.op("DEQUANTIZE", [x], (1, 4), "DequantizeOptions", version=2)
    assert "computes nothing" in refused(net.finished(y))


@pytest.mark.parametrize("mode", ["none", "fp16", "int8-weights", "int16x8"])
@pytest.mark.parametrize("layer", [0, 1, 4])
def test_mixed_precision_is_refused_with_the_layer_and_what_to_do(mode, layer):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 8)
    x = net.conv(net.conv(net.depthwise(x), 8), 8)
    tflite = net.build(net.dense(net.mean(x), 5))
    name = list(layers_of(graph.read(tflite)))[layer if layer < 4 else -1]
    layers = [LayerMode(name, mode)]
    text = refused(quantize(tflite, "int8", sample_inputs(tflite, None, 4), layers=layers).tflite)
    kind = "int16" if mode == "int16x8" else "float32"
    assert f"is of mixed precision: layer {name!r} computes on {kind}, others on int8" in text
    assert "quantize all of it to int8, without layers in [quantize], or run it on a board" in text
