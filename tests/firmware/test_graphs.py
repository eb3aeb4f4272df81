"""Networks with branches, drawn at random: what lies over what in the arena spoils nothing."""

import firmware_rig
import numpy as np
import pytest
from full_range import examples
from int8_graphs import random_graph
from int8_networks import Network
from int8_operators import Operators

from edgeprune.firmware.fuse import fused
from edgeprune.firmware.operations import Alias, Convolution, Lookup
from edgeprune.firmware.plan import compiled
from edgeprune.firmware.read import steps_of
from edgeprune.models.tflite import graph

BATCH = 250
RIGS = ["scalar", *(pytest.param(isa, marks=pytest.mark.device) for isa in ("dsp", "mve"))]


@pytest.fixture(scope="module", params=RIGS)
def isa(request):
    return request.param


@pytest.fixture(scope="module")
def rig(isa, tmp_path_factory):
    folder = tmp_path_factory.mktemp(isa)
    return firmware_rig.Host(folder) if isa == "scalar" else firmware_rig.Core(folder, isa)


def test_outputs_of_branched_networks_are_those_of_the_reference(rig, isa):
    count = examples(40, 5000)
    for first in range(0, count, BATCH):
        cases = [random_graph(seed) for seed in range(first, min(first + BATCH, count))]
        jobs = [(compiled(case.tflite, isa).data, b"".join(case.runs)) for case in cases]
        for case, ran in zip(cases, rig.run(jobs), strict=True):
            assert ran.status == 0, case.text
            np.testing.assert_array_equal(ran.outputs, case.outputs(), case.text)


def steps_after_fusing(tflite):
    model = graph.view(tflite)
    return [step.operation for step in fused(steps_of(model), graph.io_tensors(model)[1])]


def test_lookups_in_a_row_are_one():
    net = Operators()
    x = net.source((1, 8), 0.1, 3)
    for name in ("RELU", "LOGISTIC"):
        scale, zero_point = (0.1, 3) if name == "RELU" else (1 / 256, -128)
        x = net.make(name, [x], (1, 8), scale, zero_point)
    (step,) = steps_after_fusing(net.finished(x))
    assert isinstance(step, Lookup)


def test_a_lookup_whose_input_is_put_out_stays():
    net = Operators()
    x = net.source((1, 8), 0.1, 3)
    y = net.make("RELU", [x], (1, 8))
    z = net.make("RELU6", [y], (1, 8))
    assert len(steps_after_fusing(net.finished([y, z]))) == 2


def test_operators_that_only_work_out_a_shape_are_left_out():
    net = Operators()
    x = net.source((1, 2, 4, 1), 0.1, 3)
    shape = net.op("SHAPE", [x], (4,), "ShapeOptions", outType=2)
    net.graph.tensors[shape].type = net.graph.tensors[net.const(np.zeros(1, np.int32))].type
    y = net.make("RESHAPE", [x, shape], (1, 2, 4, 1), version=1)
    z = net.make("RELU", [y], (1, 2, 4, 1))
    assert [type(one) for one in steps_after_fusing(net.finished(z))] == [Alias, Lookup]


@pytest.mark.parametrize(("value", "count"), [(0, 1), (5, 2)])
def test_a_pad_with_the_zero_point_is_the_convolutions_own(value, count):

    net = Network()
    x = net.source((1, 4, 4, 2), 0.1, 0)
    amounts = net.const(np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32))
    fill = net.quantized((1,), 0.1, 0, np.array([value], np.int8))
    y = net.make("PADV2", [x, amounts, fill], (1, 5, 5, 2))
    z = net.convolve(y, 3, (3, 3), 2, same=False)
    steps = steps_after_fusing(net.finished(z))
    assert len(steps) == count
    assert isinstance(steps[-1], Convolution)
    assert steps[-1].window.input[:2] == ((4, 4) if count == 1 else (5, 5))
