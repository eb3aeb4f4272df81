import dataclasses

import odd_nets
import pytest
from nets import eligible
from odd_nets import OddNet

from edgeprune.board import load_board
from edgeprune.errors import ModelError
from edgeprune.explain.runnable import check_runnable, unsupported

NATIVE = load_board("rpi4").runtime
PYTHON = load_board("rpi3-32").runtime


@pytest.mark.parametrize(
    "tflite, words",
    [
        (odd_nets.fused_lstm(), "UNIDIRECTIONAL_SEQUENCE_LSTM .* variable tensor"),
        (odd_nets.positions("WHERE"), "WHERE .* size the runtime learns at each inference"),
        (odd_nets.positions("UNIQUE"), "UNIQUE .* size the runtime learns at each inference"),
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
    [eligible(), odd_nets.accumulator(), odd_nets.loop(), odd_nets.choice()],
    ids=["plain", "variables", "loop", "choice"],
)
def test_what_runs_is_not_refused(tflite):
    assert unsupported(tflite, NATIVE) == ()


def test_the_interpreter_of_tflite_runtime_keeps_state_in_variable_tensors():
    assert unsupported(odd_nets.fused_lstm(), PYTHON) == ()
    assert unsupported(odd_nets.positions(), PYTHON) != ()


def test_a_model_that_the_runtime_cannot_prepare_is_refused_in_its_words():
    net = OddNet()
    x = net.entry((1, 8))
    wrong = net.raw("RESHAPE", [x, net.const([3, 5])], [net.tensor((3, 5))], "ReshapeOptions")
    with pytest.raises(ModelError, match=r"refused by the runtime: .*num_input_elements"):
        check_runnable(net.build(wrong), NATIVE, "rpi4")


def test_equal_reasons_are_counted():
    net = OddNet()
    for _ in range(3):
        net.entry((1, 2), "string")
    tflite = net.build(net.dense(net.entry((1, 8)), 4))
    with pytest.raises(ModelError, match=r"\(and 2 more like it\)$"):
        check_runnable(tflite, dataclasses.replace(NATIVE), "rpi4")
