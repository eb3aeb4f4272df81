"""The arena: nothing overlaps that may not, and what overlaps is safe."""

import dataclasses

import firmware_rig
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_layers import random_layer

from edgeprune.firmware import memory
from edgeprune.firmware.arena import ALIGN_BYTES, Block, Overlap, arranged
from edgeprune.firmware.overlap import Order, window_distance
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph

SPANS = st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(1, 300))


def test_all_of_a_chain_without_overlaps_is_as_large_as_its_largest_pair():
    blocks = [Block("a", 100, -1, 0), Block("b", 50, 0, 1), Block("c", 80, 1, 2)]
    arena = arranged(blocks)
    assert (arena.bytes, arena.lower_bound_bytes) == (152, 152)


def test_an_output_that_may_lie_over_its_input_takes_only_what_it_must():
    blocks = [Block("a", 100, -1, 0), Block("b", 100, 0, 1)]
    arena = arranged(blocks, [Overlap(0, 1, 12)])
    assert (arena.bytes, arena.lower_bound_bytes) == (112, 112)
    assert arena.places[0] - arena.places[1] == 12
    same = arranged(blocks, [Overlap(0, 1, None)])
    assert (same.bytes, same.places) == (100, (0, 0))


def test_nothing_takes_nothing():
    assert arranged([]).bytes == 0


@given(spans=st.lists(SPANS, min_size=1, max_size=12), pairs=st.data())
def test_blocks_of_one_moment_are_apart_or_overlap_as_allowed(spans, pairs):
    blocks = [Block(str(i), size, a, a + b) for i, (a, b, size) in enumerate(spans)]
    allowed = {}
    for i, source in enumerate(blocks):
        for j, target in enumerate(blocks):
            if source.last == target.first and source.first < target.first and i != j:
                distance = pairs.draw(st.one_of(st.none(), st.integers(-400, 400)))
                allowed[i, j] = Overlap(i, j, distance)
    arena = arranged(blocks, list(allowed.values()))
    assert arena.lower_bound_bytes <= arena.bytes
    assert arena.bytes % ALIGN_BYTES == 0
    for i, one in enumerate(blocks):
        assert arena.places[i] % ALIGN_BYTES == 0
        assert arena.places[i] + one.bytes <= arena.bytes
        for j, other in enumerate(blocks[:i]):
            if one.first <= other.last and other.first <= one.last:
                assert _is_allowed(arena.places, blocks, i, j, allowed)


def _is_allowed(places, blocks, i, j, allowed):
    if places[i] + blocks[i].bytes <= places[j] or places[j] + blocks[j].bytes <= places[i]:
        return True
    for source, target in ((i, j), (j, i)):
        if (one := allowed.get((source, target))) is not None:
            behind = places[source] - places[target]
            return behind == 0 if one.distance is None else behind >= one.distance
    return False


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


def differs(host, layer):
    """Whether the engine's outputs are others than LiteRT's."""
    plan = compiled(layer.tflite, "scalar").data
    (ran,) = host.run([(plan, layer.inputs.tobytes())])
    assert ran.status == 0
    return not np.array_equal(ran.outputs, layer.outputs())


def test_an_output_nearer_to_its_input_by_one_word_spoils_it(host, monkeypatch):
    """The distance is the least: the proof of ``overlap.py`` has no slack to give away."""
    layers = [random_layer(seed, "CONV_2D", usual=True) for seed in range(40)]
    assert not any(differs(host, layer) for layer in layers)
    real = memory.distance_of

    def nearer(step, isa):
        return real(step, isa) - ALIGN_BYTES

    monkeypatch.setattr(memory, "distance_of", nearer)
    assert any(differs(host, layer) for layer in layers)


@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    channels=st.integers(1, 4),
    order=st.builds(Order, st.integers(1, 4), is_gathered=st.booleans()),
)
def test_the_distance_is_the_least_that_is_safe(size, kernel, stride, channels, order):
    """Beside a run through every read and write, in which each byte knows when it was written."""
    window = _window(size, kernel, stride, channels)
    least = window_distance(window, order)
    assert _is_safe(window, order, least)
    whole = size[0] * size[1] * size[2]
    if least > -whole:
        assert not _is_safe(window, order, least - 1)


def _window(size, kernel, stride, channels):
    layer = random_layer(0, "CONV_2D")
    window = steps_of(graph.view(layer.tflite))[0].operation.window
    out = tuple(-(-a // s) for a, s in zip(size[:2], stride, strict=True))
    pads = tuple(
        max(0, (o - 1) * s + k - a) // 2
        for o, s, k, a in zip(out, stride, kernel, size[:2], strict=True)
    )
    return dataclasses.replace(
        window, input=size, output=(*out, channels), kernel=kernel, stride=stride,
        dilation=(1, 1), pad=pads,
    )  # fmt: skip


def _reads(window, pixel):
    """Addresses of the input from the first to the last that a pixel's window could reach."""
    height, width, depth = window.input
    y, x = divmod(pixel, window.output[1])
    found = []
    for ky in range(window.kernel[0]):
        for kx in range(window.kernel[1]):
            row = y * window.stride[0] - window.pad[0] + ky
            column = x * window.stride[1] - window.pad[1] + kx
            if 0 <= row < height and 0 <= column < width:
                at = (row * width + column) * depth
                found += range(at, at + depth)
    return found


def _is_safe(window, order, distance):
    """Whether no byte of the input is read after the output wrote over it."""
    pixels, channels = window.output[0] * window.output[1], window.output[2]
    written = set()
    for first in range(0, pixels, order.pixels):
        step = range(first, min(first + order.pixels, pixels))
        writes = {at for pixel in step for at in range(pixel * channels, (pixel + 1) * channels)}
        if not order.is_gathered:
            written |= writes
        for pixel in step:
            if any(at + distance in written for at in _reads(window, pixel)):
                return False
        written |= writes
    return True
