import dataclasses

import numpy as np
import odd_nets
import pytest
from nets import eligible
from odd_nets import OddNet

from edgeprune.convert.static_shapes import with_static_shapes
from edgeprune.devices.boards import Runtime, load_board
from edgeprune.errors import ModelError
from edgeprune.models.tflite.host_shapes import native_trouble, planned_tensors
from edgeprune.prediction.runnable import check_runnable, unsupported

NATIVE = load_board("rpi4").runtime
PYTHON = load_board("rpi3-32").runtime


@pytest.mark.parametrize(
    "tflite, words",
    [
        (odd_nets.fused_lstm(), "UNIDIRECTIONAL_SEQUENCE_LSTM .* variable tensor"),
        (odd_nets.positions("WHERE"), "WHERE .* size the runtime learns at each inference"),
        (odd_nets.positions("UNIQUE"), "UNIQUE .* size the runtime learns at each inference"),
        (odd_nets.computed_shape(), "RESHAPE .* size the runtime learns at each inference"),
        (odd_nets.custom("FlexErf"), "^Erf, an operator of TensorFlow"),
        (odd_nets.custom("Landmarks"), "^the custom operator Landmarks .* no kernel"),
        (odd_nets.bordered("string"), "^input 't1' holds strings"),
        (odd_nets.bordered("complex64"), "^input 't1' is of type complex64"),
        (odd_nets.bordered(shape=(1, 0)), "^input 't1' has no elements"),
        (odd_nets.bordered(passes=True), "^output 't1' is an input as it came"),
    ],
)
def test_what_the_native_interface_cannot_run_is_named_with_its_reason(tflite, words):
    with pytest.raises(ModelError, match=words.removeprefix("^")):
        check_runnable(tflite, NATIVE, "rpi4")
    texts = [refusal.text for refusal in unsupported(tflite, NATIVE)]
    assert len(texts) == 1 and not texts[0].endswith(".") and "\n" not in texts[0]
    if words.startswith("^"):
        assert texts[0].startswith(words.removeprefix("^").split(" .*")[0])


@pytest.mark.parametrize(
    "tflite",
    [
        eligible(),
        odd_nets.accumulator(),
        odd_nets.loop(),
        odd_nets.choice(),
        odd_nets.summed_positions(),
    ],
    ids=["plain", "variables", "loop", "choice", "unknown sizes inside"],
)
def test_what_runs_is_not_refused(tflite):
    assert unsupported(tflite, NATIVE) == ()


def test_the_interpreter_of_tflite_runtime_keeps_state_in_variable_tensors():
    assert unsupported(odd_nets.fused_lstm(), PYTHON) == ()
    assert unsupported(odd_nets.positions(), PYTHON) != ()


def test_an_operator_of_a_version_that_the_runtime_lacks_is_named():
    net = OddNet()
    x = net.op("TILE", [net.entry((1, 8)), net.const([1, 2])], (1, 16), version=99)
    with pytest.raises(ModelError, match="TILE has version 99, which the runtime does not have"):
        check_runnable(net.build(x), NATIVE, "rpi4")


def test_equal_reasons_are_counted():
    net = OddNet()
    for _ in range(3):
        net.entry((1, 2), "string")
    tflite = net.build(net.dense(net.entry((1, 8)), 4))
    with pytest.raises(ModelError, match=r"\(and 2 more like it\)$"):
        check_runnable(tflite, dataclasses.replace(NATIVE), "rpi4")


def test_outputs_that_are_constants_are_no_trouble_and_the_same_one_twice_is():
    net = OddNet()
    x = net.dense(net.entry((1, 8)), 4)
    constant = net.const(np.ones((1, 3), np.float32))
    assert unsupported(net.build(x, constant), NATIVE) == ()
    net.graph.inputs = list(net.graph.inputs)
    (twice,) = unsupported(net.build(x, x), NATIVE)
    assert twice.why == "is there twice"


def test_sizes_inside_stay_unknown_and_outputs_that_have_one_size_are_carried():
    tflite = with_static_shapes(odd_nets.summed_positions())
    assert planned_tensors(tflite).dynamic
    assert native_trouble(tflite) == ""
    assert "output" in native_trouble(odd_nets.positions())


@pytest.mark.parametrize(
    "use, version, refused",
    [
        ("litert", "2.1.0", True),
        ("litert", "2.1.3", True),
        ("litert", "2.1.6", False),
        ("litert", "2.3.0", False),
        ("tflite-runtime", "2.14.0", True),
    ],
)
def test_operators_newer_than_the_release_are_refused(use, version, refused):
    net = OddNet()
    x = net.op("GELU", [net.entry((1, 8))], (1, 8), "GeluOptions", version=3)
    texts = [one.text for one in unsupported(net.build(net.dense(x, 4)), Runtime(use, version))]
    assert [text.split()[0] for text in texts] == (["GELU"] if refused else [])
    assert all("has version 3, and the runtime knows none newer than 2" in text for text in texts)


def test_variables_are_refused_where_the_release_does_not_take_them():
    refusal, *_ = unsupported(odd_nets.accumulator(), Runtime("litert", "2.1.0"))
    assert refusal.text.startswith("VAR_HANDLE") and "from 2.1.6 on" in refusal.text
    assert unsupported(odd_nets.accumulator(), Runtime("litert", "2.1.6")) == ()


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"],
)
def test_inputs_and_outputs_of_types_that_the_agent_carries_are_not_refused(dtype):
    assert unsupported(odd_nets.bordered(dtype), NATIVE) == ()
    net = OddNet()
    y = net.dense(net.entry((1, 8)), 4)
    other = net.raw("CAST", [y], [net.tensor((1, 4), dtype)], "CastOptions")
    assert unsupported(net.build(y, other), NATIVE) == ()


def test_what_only_the_native_interface_refuses_is_refused_in_its_words():
    net = OddNet()
    half = net.const(np.ones((1, 3), np.float16))
    known = net.raw("DEQUANTIZE", [half], [net.tensor((1, 3))], "DequantizeOptions")
    (refusal,) = unsupported(net.build(net.dense(net.entry((1, 8)), 4), known), NATIVE)
    assert refusal.what == "the model" and "native interface" in refusal.why


def test_inputs_that_no_kernel_takes_are_no_reason_to_refuse():
    net = OddNet()
    x = net.entry((1, 8), "int32")
    ratio = net.raw(
        "FLOOR_DIV", [net.const(np.ones((1, 8), np.int32)), x], [net.tensor((1, 8), "int32")]
    )
    assert unsupported(net.build(ratio), NATIVE) == ()


@pytest.mark.parametrize("kind", ["constant", "stays"])
def test_a_loop_that_never_ends_is_refused(kind):
    (refusal,) = unsupported(odd_nets.endless(kind), NATIVE)
    assert refusal.what.startswith("WHILE") and "never ends once it has begun" in refusal.why


@pytest.mark.parametrize(
    "tflite",
    [odd_nets.endless("changes"), odd_nets.loop(), odd_nets.loop(counts_on_data=True)],
)
def test_a_loop_whose_condition_reads_what_changes_is_not_refused(tflite):
    assert unsupported(tflite, NATIVE) == ()
