"""The drawn arena says what the plan says."""

import xml.etree.ElementTree as ET

import pytest
from int8_graphs import random_graph
from int8_networks import streaming_wakeword

from edgeprune.firmware.drawing import as_svg, as_text, lifetimes
from edgeprune.firmware.plan import compiled

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def memory():
    return compiled(streaming_wakeword().tflite, "dsp").memory


def test_everything_in_the_arena_is_told_in_its_order(memory):
    lives = lifetimes(memory)
    assert len(lives) == len(memory.blocks)
    assert [life.first for life in lives] == sorted(life.first for life in lives)
    assert lives[0].first == -1
    assert max(life.at + life.bytes for life in lives) <= memory.arena.bytes
    assert {life.is_scratch for life in lives} == {True, False}


def test_the_text_names_the_bytes_and_draws_each_operation(memory):
    first, *rows, last = as_text(memory).splitlines()
    assert first == (
        f"arena {memory.arena.bytes:,} bytes, at least {memory.arena.lower_bound_bytes:,} for this "
        "order"
    )
    assert "inputs, operations 0 to 9, outputs" in last
    assert {len(row) for row in rows} == {10 + 12}


def test_the_image_has_one_box_for_each_block(memory):
    image = ET.fromstring(as_svg(memory))
    assert len(image.findall(f"{SVG}rect")) == len(memory.blocks)


@pytest.mark.parametrize("seed", range(5))
def test_any_network_can_be_drawn(seed):
    memory = compiled(random_graph(seed).tflite, "scalar").memory
    ET.fromstring(as_svg(memory))
    assert as_text(memory)
