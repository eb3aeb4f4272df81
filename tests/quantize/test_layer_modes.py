"""Layers in modes of their own: by name, in one file, as near to the float network as they can."""

import random

import numpy as np
import pytest
import random_nets
from full_range import also
from nets import Net

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.quantize import check_mode, quantize
from edgeprune.quantize.layer_modes import entries_of, layer_modes, layers_of, named, spoken
from edgeprune.recipe.quantize_table import MODES, LayerMode
from edgeprune.verify.parity import real_values

FUSED = {
    "m/relu_1/Relu;m/bn_1/Fused;m/b/conv/BiasAdd/resource;m/b/conv/Conv2D1": "CONV_2D",
    "m/relu_2/Relu;m/dw_1/depthwise;m/b/conv/BiasAdd": "DEPTHWISE_CONV_2D",
    "m/act/Relu;m/add/add": "ADD",
    "m/head/MatMul;m/head/BiasAdd": "FULLY_CONNECTED",
    "head": "SOFTMAX",
}
CONV, DEPTHWISE, ADD, HEAD, SOFTMAX = FUSED


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (CONV, [CONV]),
        ("m/b/conv/Conv2D1", [CONV]),
        ("m/b/conv", [CONV]),
        ("b/conv", [CONV]),
        ("conv", [CONV]),
        ("relu_1", [CONV]),
        ("b/*", [CONV]),
        ("dw", [DEPTHWISE]),
        ("add", [ADD]),
        ("head", [HEAD, SOFTMAX]),
        ("m/head", [HEAD]),
        ("relu_*", [CONV, DEPTHWISE]),
        ("*", list(FUSED)),
    ],
)
def test_a_layer_is_found_by_each_of_its_names_and_by_patterns(layer, found):
    assert named(layer, FUSED) == found


def test_a_name_that_fits_nothing_is_refused_with_names_close_to_it():
    with pytest.raises(ModelError, match=r"no layer to quantize is called 'covn': did you mean"):
        named("covn", FUSED)


def test_of_entries_that_fit_a_layer_the_last_one_counts():
    modes = layer_modes(FUSED, "int8", [LayerMode("*", "fp16"), LayerMode("conv", "none")])
    assert modes == dict.fromkeys(FUSED, "fp16") | {CONV: "none"}


@pytest.mark.parametrize("chosen", [[CONV], [SOFTMAX], [HEAD], [ADD, SOFTMAX], list(FUSED)])
def test_entries_made_of_modes_give_the_same_modes(chosen):
    entries = entries_of(dict.fromkeys(chosen, "none"), FUSED, "int8")
    wanted = dict.fromkeys(FUSED, "int8") | dict.fromkeys(chosen, "none")
    assert layer_modes(FUSED, "int8", entries) == wanted


def test_the_name_that_is_spoken_is_the_shortest_that_no_other_layer_has():
    assert [spoken(name, FUSED) for name in FUSED] == ["conv", "dw_1", "act", "m/head", "head"]


def small(sparsity=0.0):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 8, kernel=3, stride=2)
    x = net.conv(net.depthwise(x), 16, sparsity=sparsity)
    return net.build(net.dense(net.mean(x), 5))


def kinds(tflite):
    """Operators, and the type of what each makes."""
    model = graph.read(tflite)
    tensors = model.subgraphs[0].tensors
    return [
        (graph.op_name(model, op), graph.dtype_of(tensors[op.outputs[0]]).name)
        for op in model.subgraphs[0].operators
    ]


def samples(tflite, count=6):
    return verify.sample_inputs(tflite, None, count)


def test_a_layer_in_float_stands_between_conversions():
    tflite = small()
    layers = list(layers_of(graph.read(tflite)))
    file = quantize(tflite, "int8", samples(tflite), layers=[LayerMode(layers[1], "none")]).tflite
    assert kinds(file) == [
        ("CONV_2D", "int8"),
        ("DEQUANTIZE", "float32"),
        ("DEPTHWISE_CONV_2D", "float32"),
        ("QUANTIZE", "int8"),
        ("CONV_2D", "int8"),
        ("MEAN", "int8"),
        ("FULLY_CONNECTED", "int8"),
    ]


def test_what_a_layer_in_float_reads_first_and_gives_last_is_not_rounded():
    tflite = small()
    layers = list(layers_of(graph.read(tflite)))
    ends = [LayerMode(layers[0], "none"), LayerMode(layers[-1], "int16x8")]
    file = graph.read(quantize(tflite, "int8", samples(tflite), layers=ends).tflite)
    (first,), (last,) = (
        [graph.dtype_of(file.subgraphs[0].tensors[i]).name for i in indices]
        for indices in graph.io_tensors(file)
    )
    assert (first, last) == ("float32", "int16")


@pytest.mark.parametrize(("mode", "stored"), [("fp16", "float16"), ("int8-weights", "int8")])
def test_layers_of_a_float_network_are_stored_narrow_alone(mode, stored):
    tflite = small()
    layers = list(layers_of(graph.read(tflite)))
    file = graph.read(quantize(tflite, "none", None, layers=[LayerMode(layers[2], mode)]).tflite)
    found = {
        graph.tensor_name(file.subgraphs[0].tensors[op.outputs[0]]): graph.dtype_of(
            graph.stored_source(file.subgraphs[0], op.inputs[1])
        ).name
        for op in file.subgraphs[0].operators
        if graph.op_name(file, op) in graph.FILTER_OPERANDS
    }
    assert found.pop(layers[2]) == stored
    assert set(found.values()) == {"float32"}


def test_a_weight_that_a_layer_in_float_shares_is_stored_twice():
    net = Net()
    x = net.conv(net.input(1, 6, 6, 8), 8)
    y = net.conv(x, 8)
    first, second = net.graph.operators
    second.inputs = np.array([x, *first.inputs[1:]], np.int32)
    tflite = net.build(y)
    inputs = samples(tflite)
    layers = list(layers_of(graph.read(tflite)))
    for base, mode in (("none", "fp16"), ("fp16", "none"), ("int8", "none"), ("none", "int8")):
        file = quantize(tflite, base, inputs, layers=[LayerMode(layers[1], mode)]).tflite
        assert distance(tflite, file, inputs) < 0.05
    part = graph.read(quantize(tflite, "none", None, layers=[LayerMode(layers[1], "fp16")]).tflite)
    first, second = [
        op for op in part.subgraphs[0].operators if graph.op_name(part, op) == "CONV_2D"
    ]
    assert not set(first.inputs[1:]) & set(second.inputs[1:])
    assert graph.constant(part, part.subgraphs[0].tensors[first.inputs[1]]) is not None


def test_all_layers_in_one_mode_give_the_file_of_that_mode():
    tflite = small()
    inputs = samples(tflite)
    every = quantize(tflite, "none", inputs, layers=[LayerMode("*", "int8")]).tflite
    assert every == quantize(tflite, "int8", inputs).tflite


def test_zeros_of_a_sparse_layer_in_float_stay():
    tflite = small(sparsity=0.8)
    layers = list(layers_of(graph.read(tflite)))
    file = quantize(tflite, "int8", samples(tflite), layers=[LayerMode(layers[2], "none")]).tflite
    assert graph.weight_sparsity(file) >= graph.weight_sparsity(tflite)


def test_a_mode_that_a_layer_has_no_kernels_for_is_refused_by_its_name():
    net = Net()
    x = net.conv(net.input(1, 6, 6, 3), 8)
    tflite = net.build(net.op("FLOOR", [x], net.shape(x)))
    floor = list(layers_of(graph.read(tflite)))[1]
    with pytest.raises(ModelError, match=f"layer '{floor}' cannot be computed in int16x8, for"):
        quantize(tflite, "int8", samples(tflite), layers=[LayerMode(floor, "int16x8")])


def test_an_entry_that_fits_nothing_is_refused_before_anything_is_trained():
    with pytest.raises(ModelError, match="no layer to quantize is called 'stem'"):
        check_mode(small(), "int8", [LayerMode("stem", "none")])
    check_mode(small(), "int8", [LayerMode("t*", "none")])


def test_layers_are_found_by_the_names_that_they_had_before_a_rewrite():
    tflite = small()
    model = graph.read(tflite)
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"m/relu/Relu;m/" + tensor.name + b"/Conv2D"
    before = graph.write(model)
    for tensor in model.subgraphs[0].tensors:
        tensor.name = tensor.name.partition(b";")[2]
    after = graph.write(model)
    entries = [LayerMode("t3", "fp16")]
    file = quantize(after, "none", None, layers=entries, named_in=before).tflite
    assert [kind for kind, _ in kinds(file)].count("DEQUANTIZE") == 2
    with pytest.raises(ModelError, match="no layer to quantize is called 'relu'"):
        quantize(after, "none", None, layers=[LayerMode("relu", "fp16")])


def distance(tflite, file, inputs, reference=False):
    """Largest difference of outputs, as a share of the largest."""
    dense, ours = (
        verify.HostModel(tflite, reference=True),
        verify.HostModel(file, reference=reference),
    )
    worst = 0.0
    for sample in inputs:
        pairs = zip(sample, ours.input_tensors, strict=True)
        found = ours([verify.as_input(x, t) for x, t in pairs])
        for k, right in enumerate(dense(sample)):
            gap = np.abs(real_values(found[k], ours.output_tensors[k]) - right).max()
            worst = max(worst, float(gap / max(np.abs(right).max(), 1e-6)))
    return worst


SEEDS = [*range(1_000_200, 1_000_208), *map(also, range(1_000_208, 1_000_300))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_in_random_modes_computes_near_the_float_one(seed):
    drawn = random.Random(seed)
    tflite = random_nets.random_graph(drawn)
    layers = list(layers_of(graph.read(tflite)))
    if any(graph.op_name(graph.read(tflite), op) == "DEQUANTIZE" for op in operators(tflite)):
        return  # its weights are stored narrow already
    entries = [LayerMode(name, drawn.choice(MODES)) for name in layers if drawn.random() < 0.4]
    inputs = samples(tflite)
    try:
        file = quantize(tflite, drawn.choice(MODES), inputs, layers=entries).tflite
        plain = quantize(tflite, "int8", inputs).tflite
        limit = 2 * distance(tflite, plain, inputs) + 0.02
    except ModelError:
        return  # the runtime has no such kernel, for which it is refused
    for reference in (True, False):
        assert distance(tflite, file, inputs, reference) <= limit


def operators(tflite):
    return graph.read(tflite).subgraphs[0].operators
