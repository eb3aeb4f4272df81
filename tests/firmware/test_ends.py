"""Files that begin and end in float32 or uint8: what the host does there is what LiteRT does."""

import firmware_rig
import numpy as np
import pytest
from converted_ends import with_ends
from hypothesis import given
from hypothesis import strategies as st
from int8_graphs import random_graph
from int8_layers import random_layer
from int8_operators import Operators

from edgeprune.errors import ModelError
from edgeprune.firmware.ends import as_given, as_stored, conversions
from edgeprune.firmware.layers import layers_of
from edgeprune.firmware.plan import compiled
from edgeprune.models.tflite import graph
from edgeprune.verify.host import HostModel
from edgeprune.verify.inputs import sample_inputs

SCALES = st.floats(2.0**-20, 2.0**10, width=32)
ZERO_POINTS = st.integers(-128, 127)


def quantize_alone(scale, zero_point, dtype, size):
    """A network of one lookup between two ends."""
    net = Operators()
    x = net.source((1, size), scale, zero_point)
    return with_ends(net.finished(net.make("RELU", [x], (1, size), scale, zero_point)), dtype)


def reference(tflite, sample):
    return HostModel(tflite, reference=True, plain=True)(sample)


@given(SCALES, ZERO_POINTS, st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=40))
def test_floats_are_quantized_as_the_reference_quantizes_them(scale, zero_point, steps):
    halves = np.arange(-260, 261, dtype=np.float32) / 2
    values = np.concatenate([np.array(steps, np.float32), halves]) * np.float32(scale)
    net = Operators()
    x = net.input(1, len(values))
    tflite = net.finished(net.make("QUANTIZE", [x], (1, len(values)), scale, zero_point))
    (expected,) = reference(tflite, [values[None]])
    ended = graph.view(quantize_alone(scale, zero_point, "float32", len(values)))
    (found,) = as_stored(ended, [values[None]])
    np.testing.assert_array_equal(found, expected)


@given(SCALES, ZERO_POINTS)
def test_all_int8_are_dequantized_as_the_reference_dequantizes_them(scale, zero_point):
    values = np.arange(-128, 128, dtype=np.int8)[None]
    net = Operators()
    x = net.source((1, 256), scale, zero_point)
    tflite = with_ends(net.finished(net.make("RELU", [x], (1, 256))), "float32", inputs=[])
    stored = values[:, np.argsort(values[0])]
    (expected,) = reference(tflite, [stored])
    relu = np.maximum(stored.astype(np.int64), zero_point).astype(np.int8)
    (found,) = as_given(graph.view(tflite), [relu])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_networks_of_several_inputs_and_outputs_are_those_of_the_reference(host, dtype):
    varied = 0
    for seed in range(20):
        case = random_graph(seed)
        outputs = check(host, with_ends(case.tflite, dtype), case.text)
        varied += len(np.unique(outputs)) > 10
    assert varied > 10


def test_some_ends_may_be_int8(host):
    net = Operators(3)
    x, y = (net.source((1, 4, 4, 3), 0.1, 3) for _ in range(2))
    z = net.make("ADD", [x, y], (1, 4, 4, 3), 0.2, -5, fusedActivationFunction=0)
    tflite = net.finished([z, net.make("RELU", [x], (1, 4, 4, 3))])
    check(host, with_ends(tflite, "float32", inputs=[1], outputs=[0]), "mixed")
    check(host, with_ends(with_ends(tflite, "uint8", [0], [1]), "float32", [1], [0]), "three types")


def check(host, tflite, text):
    model = graph.view(tflite)
    plan = compiled(tflite, "scalar")
    samples = sample_inputs(tflite, None, 2)
    stored = [b"".join(a.tobytes() for a in as_stored(model, sample)) for sample in samples]
    (ran,) = host.run([(plan.data, b"".join(stored))])
    assert ran.status == 0, text
    at = 0
    for sample in samples:
        outputs = []
        for expected in reference(tflite, sample):
            outputs.append(ran.outputs[at : at + expected.size].reshape(expected.shape))
            at += expected.size
        for found, expected in zip(
            as_given(model, outputs), reference(tflite, sample), strict=True
        ):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, text)
    return ran.outputs


def test_layers_keep_the_numbers_and_names_of_the_file():
    tflite = with_ends(random_layer(0, "CONV_2D", usual=True).tflite, "float32")
    (layer,) = layers_of(tflite, compiled(tflite, "dsp"))
    assert layer.op == "CONV_2D" and layer.zeros is not None


def test_the_user_is_told_in_one_line():
    assert conversions(graph.view(random_layer(0, "CONV_2D", usual=True).tflite)) is None
    text = conversions(graph.view(quantize_alone(0.5, 3, "float32", 4)))
    assert text == (
        "the board takes and gives int8; this machine converts float32 input 't0_float32' (scale "
        "0.5, zero point 3), float32 output 't1_float32' (scale 0.5, zero point 3)"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1e30])
def test_a_number_that_the_reference_has_no_answer_for_is_refused(value):
    model = graph.view(quantize_alone(0.5, 3, "float32", 1))
    with pytest.raises(ModelError, match="'t0_float32' holds NaN, or numbers that its scale"):
        as_stored(model, [np.array([[value]], np.float32)])


def test_a_uint8_end_of_another_scale_is_refused():
    model = graph.read(quantize_alone(0.5, 3, "uint8", 4))
    outer = model.subgraphs[0].tensors[int(model.subgraphs[0].inputs[0])]
    outer.quantization.scale = np.array([0.25], np.float32)
    with pytest.raises(ModelError, match="'t0_uint8' is uint8"):
        compiled(bytes(graph.write(model)), "scalar")
