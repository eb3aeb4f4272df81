"""Whole networks on the host's engine: outputs equal LiteRT's reference, bit for bit."""

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


def check(host, tflite, text):
    plan = compiled(tflite, "scalar").data
    for first in range(0, RUNS, BATCH):
        runs = inputs(tflite, min(BATCH, RUNS - first), first)
        (ran,) = host.run([(plan, b"".join(runs))])
        assert ran.status == 0, (text, ran)
        np.testing.assert_array_equal(ran.outputs, reference_outputs(tflite, runs), text)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_firmware_must_run_are_exact(host, name):
    case: Case = NETWORKS[name]()
    assert len(np.unique(case.outputs())) > 1
    check(host, case.tflite, case.text)


@pytest.mark.device
@pytest.mark.parametrize("isa", ["dsp", "mve"])
def test_networks_are_exact_on_an_emulated_core(isa, tmp_path):
    cases = [make() for make in NETWORKS.values()]
    jobs = [(compiled(case.tflite, isa).data, b"".join(case.runs)) for case in cases]
    for case, ran in zip(cases, firmware_rig.Core(tmp_path, isa).run(jobs), strict=True):
        assert ran.status == 0, case.text
        np.testing.assert_array_equal(ran.outputs, case.outputs(), case.text)


@pytest.mark.parametrize("name", REAL)
def test_real_models_of_mlperf_tiny_are_exact(host, name):
    found = beside.shared_models(f"{name}.tflite")
    if not found:
        pytest.skip("the models are not beside the repository")
    check(host, found[0].read_bytes(), name)


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
