"""Every operator beside LiteRT's reference, drawn at random: equal, bit for bit.

Convolutions are in ``kernels/test_kernels.py``.
"""

import firmware_rig
import numpy as np
import pytest
from full_range import examples
from int8_operators import CASES, one_channel, random_operator

from edgeprune.firmware.kernels import isa_of
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read.steps import READERS, steps_of
from edgeprune.models.tflite import graph

BATCH = 250


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


def check(rig, cases, isa="scalar"):
    jobs = [(compiled(case.tflite, isa).data, b"".join(case.runs)) for case in cases]
    for case, ran in zip(cases, rig.run(jobs), strict=True):
        assert ran.status == 0, case.text
        np.testing.assert_array_equal(ran.outputs, case.outputs(), case.text)


@pytest.mark.parametrize("name", sorted(CASES))
def test_outputs_are_those_of_the_reference(host, name):
    count = examples(25, 5000)
    for first in range(0, count, BATCH):
        seeds = range(first, min(first + BATCH, count))
        check(host, [random_operator(name, seed) for seed in seeds])


TUNED = [("dsp", "ADD"), ("mve", "ADD"), ("mve", "AVERAGE_POOL_2D")]
"""Operators without weights that have kernels of a core."""


@pytest.mark.device
@pytest.mark.parametrize(("isa", "name"), TUNED)
def test_outputs_are_those_of_the_reference_on_a_core(isa, name, tmp_path):
    core, count, tuned = firmware_rig.Core(tmp_path, isa), examples(60, 5000), 0
    for first in range(0, count, BATCH):
        cases = [random_operator(name, seed) for seed in range(first, min(first + BATCH, count))]
        check(core, cases, isa)
        steps = [step for case in cases for step in steps_of(graph.view(case.tflite))]
        tuned += sum(isa_of(step, isa) == isa for step in steps)
    assert tuned > count / 2


def test_every_operator_is_drawn():
    convolutions = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert set(CASES) | convolutions == set(READERS)


def test_several_filters_on_one_channel_are_a_plain_convolution(host):
    check(host, [one_channel(seed) for seed in range(5)])
