"""Every kernel beside LiteRT's reference, on layers drawn at random: equal, bit for bit.

Plain kernels run on this computer under address and undefined-behaviour checks, the others on
an emulated core; one start serves many layers.
"""

from functools import cache

import firmware_rig
import numpy as np
import pytest
from full_range import examples
from int8_layers import random_layer

from edgeprune.firmware import kernels
from edgeprune.firmware.patterns import BLOCK_WEIGHTS
from edgeprune.firmware.plan import compiled

LAYERS = examples(30, 5000)
BATCH = 500
CASES = [
    pytest.param(isa, op, pattern, marks=() if isa == "scalar" else pytest.mark.device)
    for isa in kernels.ISAS
    for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    for pattern in kernels.patterns_of(op, isa)
]


@pytest.fixture(scope="module")
def rigs(tmp_path_factory):
    """The engine for each ISA, built when it is asked for."""

    @cache
    def rig(isa):
        folder = tmp_path_factory.mktemp(isa)
        return firmware_rig.Host(folder) if isa == "scalar" else firmware_rig.Core(folder, isa)

    return rig


@pytest.mark.parametrize(("isa", "op", "pattern"), CASES)
def test_outputs_are_those_of_the_reference(rigs, isa, op, pattern, monkeypatch):
    monkeypatch.setattr(kernels, "instructions", lambda _, name, *rest: name != pattern)
    for first in range(0, LAYERS, BATCH):
        seeds = range(first, min(first + BATCH, LAYERS))
        check(rigs(isa), isa, [layer_of(seed, op, pattern) for seed in seeds])


def layer_of(seed, op, pattern):
    """A layer with as many zeros as suit the pattern."""
    if pattern not in BLOCK_WEIGHTS:
        return random_layer(seed, op)
    zeros = (0.3, 0.8, 0.95, 0.999, 1.0)[seed % 5]
    return random_layer(seed, op, zeros, BLOCK_WEIGHTS[pattern])


def check(rig, isa, layers):
    jobs = [(compiled(layer.tflite, isa).data, layer.inputs.tobytes()) for layer in layers]
    for layer, ran in zip(layers, rig.run(jobs), strict=True):
        assert ran.status == 0, layer.text
        np.testing.assert_array_equal(ran.outputs, layer.outputs(), layer.text)
