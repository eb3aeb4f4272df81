"""MLPerf Tiny's text commands, as its runner sends them, on an emulated board."""

import dataclasses
import re

import numpy as np
import pytest
import serial_line
from int8_layers import random_layer

from edgeprune.firmware.plan import compiled

pytestmark = pytest.mark.device
LAYER = random_layer(1, "FULLY_CONNECTED")


@pytest.fixture(scope="module")
def line():
    with serial_line.emulated() as line:
        line.store(compiled(LAYER.tflite, "dsp").data)
        line.loaded = line.load()
        yield line


def load(line, data):
    """As the runner does it: 31 bytes a command."""
    assert line.say(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
    for at in range(0, len(data), 31):
        answer = line.say(f"db {data[at : at + 31].hex()}")
        assert answer == (["m-load-done"] if at + 31 >= len(data) else [])


def results(lines):
    (text,) = [text for text in lines if text.startswith("m-results-")]
    return [float(x) for x in re.fullmatch(r"m-results-\[(.*)]", text)[1].split(",")]


def test_the_device_says_who_it_is(line):
    assert line.say("name") == ["m-name-dut-[edgeprune]"]
    profile, model = line.say("profile")
    assert profile == "m-profile-[ULPMark for tinyML Firmware V0.0.1]"
    assert model == "m-model-[other]"
    assert any(text.startswith("infer N") for text in line.say("help"))


def test_an_inference_gives_the_outputs_of_the_reference_with_three_decimals(line):
    layer = dataclasses.replace(LAYER, inputs=LAYER.inputs[:1])
    load(line, layer.inputs.tobytes())
    lines = line.say("infer 3 2")
    texts = [re.sub(r"\d+$", "N", text) for text in lines[:-1]]
    assert texts == [
        "m-warmup-start-N", "m-warmup-done", "m-infer-start-N", "m-lap-us-N", "m-lap-us-N",
        "m-infer-done",
    ]  # fmt: skip
    output = line.loaded["outputs"][0]
    scale = np.array([output["scale_bits"]], np.uint32).view(np.float32)[0]
    real = (layer.outputs().astype(np.float64) - output["zero_point"]) * scale
    np.testing.assert_allclose(results(lines), real, atol=0.00051 + 1e-6 * np.abs(real).max())
    assert results(line.say("results")) == results(lines)


def test_time_goes_on(line):
    first, second = (int(line.say("timestamp")[0].removeprefix("m-lap-us-")) for _ in range(2))
    assert second > first


def test_what_is_loaded_can_be_printed(line):
    load(line, bytes(range(250, 256)) + bytes(range(5)))
    assert line.say("db print") == ["m-buffer-fa-fb-fc-fd-fe-ff-00-01", "m-buffer-02-03-04"]


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("fly", "e-[Unknown command: fly]"),
        ("", "e-[Unknown command: ]"),
        ("db", "e-[Command 'db' requires a subcommand]"),
        ("db load", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 0", "e-[Command 'db load' must be >0 bytes]"),
        ("db load -5", "e-[Command 'db load' must be >0 bytes]"),
        ("db load 99999999999999999999", "e-[Command 'db load' must be >0 bytes]"),
        ("db 123", "e-[Insufficent number of hex digits]"),
        ("db 0g", "e-[Invalid hex digit]"),
        ("infer 0", "e-[Inference iterations must be >0]"),
        ("infer 1 -1", "e-[Inference warmup must be >=0]"),
    ],
)
def test_wrong_commands_are_refused_as_the_reference_refuses_them(line, command, answer):
    assert line.say(command) == [answer]


def test_no_byte_is_written_outside_of_what_was_announced(line):
    """The reference goes on writing behind its buffer."""
    load(line, b"\x01\x02")
    assert line.say("db 0304") == ["e-[All bytes are loaded: 'db load' first]"]
    assert line.say("db print") == ["m-buffer-01-02"]
    assert "exceeds maximum of" in line.say("db load 2000000000")[0]


def test_an_inference_without_its_input_is_refused(line):
    load(line, b"\x01")
    assert line.say("infer 1 0")[-1].startswith("e-[Input db has 1 bytes, expected ")


def test_a_long_inference_ends_when_something_else_is_asked(line):
    load(line, LAYER.inputs[0].tobytes())
    line.send(b"infer 2000000000 0%")
    line.read_until(b"m-lap-us-")
    assert line.ask("hello")[0]["protocol"] == 2


def test_a_line_that_is_longer_than_the_reference_allows_is_dropped(line):
    line.send(b"x" * 200 + b"%")
    assert line.ask("hello")[0]["protocol"] == 2
