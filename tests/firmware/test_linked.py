"""A build for known plans has the kernels that they need, and no others."""

import firmware_rig
import numpy as np
import pytest
from firmware_rig import FIRMWARE, TEST, Core, Host
from int8_layers import random_layer
from int8_operators import random_operator

from edgeprune.firmware.linked import sources
from edgeprune.firmware.plan import compiled

NO_KERNEL = 7
SELECTED = [*firmware_rig.C99, "-DEP_SELECTED", "-ffunction-sections", "-Wl,--gc-sections"]
MAX_BYTES = 16384
"""Of code and tables, beside a keyword network's own; with server, start code and port."""


def files(plans):
    return [*(FIRMWARE / name for name in sources(plans)), TEST / "run_layers.c"]


@pytest.fixture
def layer():
    return random_layer(3, "CONV_2D", usual=True)


def test_a_plan_runs_and_another_is_refused(tmp_path, layer):
    plan = compiled(layer.tflite, "scalar").data
    other = random_operator("SOFTMAX", 0)
    host = Host(tmp_path, SELECTED, files([plan]))
    jobs = [(plan, layer.inputs.tobytes())]
    jobs.append((compiled(other.tflite, "scalar").data, b"".join(other.runs)))
    ran, refused = host.run(jobs)
    assert ran.status == 0
    np.testing.assert_array_equal(ran.outputs, layer.outputs())
    assert refused.status == NO_KERNEL


@pytest.mark.device
def test_a_plan_runs_on_a_core(tmp_path, layer):
    plan = compiled(layer.tflite, "dsp").data
    core = Core(tmp_path, "dsp", "selected", SELECTED, files([plan]))
    (ran,) = core.run([(plan, layer.inputs.tobytes())])
    np.testing.assert_array_equal(ran.outputs, layer.outputs())


def all_sources():
    return {f"{file.parent.name}/{file.name}" for file in firmware_rig.sources()}


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "MEAN", "LOGISTIC", "PAD", "MAX_POOL_2D"])
def test_every_kind_has_its_files(name):
    assert set(sources([compiled(random_operator(name, 0).tflite, "scalar").data])) <= all_sources()
