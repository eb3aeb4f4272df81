"""Every kernel beside LiteRT's reference, on layers drawn at random: equal, bit for bit.

Plain kernels run on this computer under address and undefined-behaviour checks, the others on
an emulated core; one start serves many layers.
"""

import firmware_rig
import numpy as np
import pytest
from full_range import examples
from int8_layers import random_layer

from edgeprune.firmware.plan import compiled

LAYERS = examples(40, 5000)
BATCH = 500
RIGS = ["scalar", *(pytest.param(isa, marks=pytest.mark.device) for isa in ("dsp", "mve"))]
OPS = ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]


@pytest.fixture(scope="module", params=RIGS)
def isa(request):
    return request.param


@pytest.fixture(scope="module")
def rig(isa, tmp_path_factory):
    folder = tmp_path_factory.mktemp(isa)
    return firmware_rig.Host(folder) if isa == "scalar" else firmware_rig.Core(folder, isa)


def check(rig, isa, layers):
    jobs = [(compiled(layer.tflite, isa).data, layer.inputs.tobytes()) for layer in layers]
    for layer, ran in zip(layers, rig.run(jobs), strict=True):
        assert ran.status == 0, layer.text
        np.testing.assert_array_equal(ran.outputs, layer.outputs(), layer.text)


@pytest.mark.parametrize("op", OPS)
def test_outputs_are_those_of_the_reference(rig, isa, op):
    for first in range(0, LAYERS, BATCH):
        seeds = range(first, min(first + BATCH, LAYERS))
        check(rig, isa, [random_layer(seed, op) for seed in seeds])
