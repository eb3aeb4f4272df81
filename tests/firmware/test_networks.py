"""Whole networks, here and on both emulated cores: outputs equal LiteRT's reference, bit for bit.

The full range runs 200 inputs of every one, and prints how many values it compared.
"""

import beside
import firmware_rig
import numpy as np
import pytest
from full_range import also, examples
from int8_networks import NETWORKS
from int8_operators import Case, reference_outputs

from edgeprune.firmware.plan import compiled
from edgeprune.models.tflite import graph

RUNS = examples(2, 200)
BATCH = 20
REAL = ["kws_ref_model", "pretrainedResnet_quant", "ad01_int8"]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return firmware_rig.Host(tmp_path_factory.mktemp("host"))


def inputs(tflite, count, seed=0):
    model = graph.view(tflite)
    size = sum(int(np.prod(graph.shape_of(model.subgraphs[0].tensors[i]))) for i in
               graph.io_tensors(model)[0])  # fmt: skip
    chance = np.random.default_rng(seed)
    return [chance.integers(-128, 128, size).astype(np.int8).tobytes() for _ in range(count)]


def check(rig, isa, tflite, text):
    plan, compared = compiled(tflite, isa).data, 0
    batches = [inputs(tflite, min(BATCH, RUNS - i), i) for i in range(0, RUNS, BATCH)]
    jobs = [(plan, b"".join(runs)) for runs in batches]
    for runs, ran in zip(batches, rig.run(jobs, timeout_s=900), strict=True):
        assert ran.status == 0, (text, ran)
        np.testing.assert_array_equal(ran.outputs, reference_outputs(tflite, runs), text)
        compared += ran.outputs.size
    print(f"{isa} {text}: {RUNS} inputs, {compared} values, all equal")


def networks():
    """All of them, by name: built here, and MLPerf Tiny's where they lie beside the repository."""
    found = {name: make().tflite for name, make in NETWORKS.items()}
    real = [file for name in REAL for file in beside.shared_models(f"{name}.tflite")]
    return found | {file.stem: file.read_bytes() for file in real}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_firmware_must_run_are_exact(host, name):
    case: Case = NETWORKS[name]()
    assert len(np.unique(case.outputs())) > 1
    check(host, "scalar", case.tflite, case.text)


@pytest.mark.device
@pytest.mark.parametrize("isa", ["dsp", "mve"])
def test_networks_are_exact_on_an_emulated_core(isa, tmp_path):
    core = firmware_rig.Core(tmp_path, isa)
    for name, tflite in networks().items():
        check(core, isa, tflite, name)


@pytest.mark.parametrize("name", REAL)
def test_real_models_of_mlperf_tiny_are_exact(host, name):
    found = beside.shared_models(f"{name}.tflite")
    if not found:
        pytest.skip("the models are not beside the repository")
    check(host, "scalar", found[0].read_bytes(), name)


@pytest.mark.parametrize("isa", ["dsp", also("scalar"), also("mve")])
@pytest.mark.parametrize(
    "name", ["visual_wake_words", also("mobilenet_v2"), also("mobilenet_v3_small")]
)
def test_the_arena_is_within_5_percent_of_its_bound(name, isa):
    arena = compiled(NETWORKS[name]().tflite, isa).arena
    assert arena.lower_bound_bytes <= arena.bytes <= 1.05 * arena.lower_bound_bytes


def test_keyword_spotting_takes_at_most_16_kb_on_a_cortex_m4():
    found = beside.shared_models("kws_ref_model.tflite")
    if not found:
        pytest.skip("the models are not beside the repository")
    assert compiled(found[0].read_bytes(), "dsp").arena.bytes <= 16_000
