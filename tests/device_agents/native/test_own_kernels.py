"""Layers in edgeprune's own kernels, inside the official runtime: right, or refused with reason."""

import agent_rig
import emulated
import numpy as np
import pytest
from int8_layers import random_layer
from int8_networks import mobilenet_v1

from edgeprune import verify
from edgeprune.agents import build
from edgeprune.errors import DeviceError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import OPERATORS
from edgeprune.prediction.xnnpack.releases import RELEASES
from edgeprune.sparsify.own_kernels import layers_of, with_own_kernels

EMULATED = ("rpi4-emulated", "rpi5-emulated")  # without dot products, and with them
KERNEL_OF = {"rpi4-emulated": "neon", "rpi5-emulated": "neon_dot"}


@pytest.fixture(
    scope="module",
    params=["host", "sanitized", *(pytest.param(b, marks=pytest.mark.device) for b in EMULATED)],
)
def device(request, tmp_path_factory):
    """An agent on this machine, under sanitizers, and on emulated boards; with its runtime."""
    if request.param in EMULATED:
        with emulated.agent(board=request.param) as session:
            yield session, emulated.library(board=request.param)
        return
    folder = tmp_path_factory.mktemp("agent")
    program = build.agent("host") if request.param == "host" else agent_rig.sanitized_agent(folder)
    with agent_rig.session(program) as session:
        yield session, agent_rig.library()


@pytest.fixture
def load(device, tmp_path):
    """Loads a file."""
    session, library = device

    def loaded(tflite, **options):
        path = tmp_path / "model.tflite"
        path.write_bytes(tflite)
        return session.load(library, str(path), **options)

    return loaded


def outputs(session, load, tflite, samples):
    load(tflite)
    return [[np.array(one) for one in found] for found in session.infer(samples)]


def assert_same(session, load, tflite, samples):
    own, names = with_own_kernels(tflite)
    assert names
    dense = outputs(session, load, tflite, samples)
    np.testing.assert_equal(outputs(session, load, own, samples), dense)


@pytest.mark.parametrize("op", OPERATORS)
def test_outputs_are_those_of_the_devices_own_xnnpack(device, load, op):
    for seed in range(5):
        layer = random_layer(seed, op, 0.5, 4, large=seed % 2 == 0)
        assert_same(device[0], load, layer.tflite, [[one[None]] for one in layer.inputs])


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_layers_and_change_no_bit(device, load, threads):
    tflite = mobilenet_v1().tflite
    samples = verify.sample_inputs(tflite, None, 2)
    own, _ = with_own_kernels(tflite)
    load(own, threads=threads)
    found = [[np.array(one) for one in sample] for sample in device[0].infer(samples)]
    np.testing.assert_equal(found, outputs(device[0], load, tflite, samples))


def test_sums_that_leave_32_bits_once_scaled_become_what_the_devices_xnnpack_makes_of_them(
    device, load
):
    """Its kernel for AVX-512 wraps there, and all others saturate."""
    layer = random_layer(2356, "CONV_2D", 0.3, 4)
    assert_same(device[0], load, layer.tflite, [[one[None]] for one in layer.inputs])


def test_a_whole_network_computes_the_same(device, load):
    tflite = mobilenet_v1().tflite
    assert_same(device[0], load, tflite, verify.sample_inputs(tflite, None, 2))


def test_a_profile_names_the_kernel_of_each_layer(device, load):
    session, _ = device
    own, names = with_own_kernels(mobilenet_v1().tflite)
    load(own, profile=True)
    tags = [event.tag for event in session.profile(1).events[0]]
    own_tags = [tag for tag in tags if tag.startswith("edgeprune.conv.")]
    assert len(own_tags) == len(set(own_tags)) == len(names)
    (kernel,) = {tag.split(maxsplit=1)[1] for tag in own_tags}
    assert kernel.startswith("sparse int8 ")


@pytest.mark.device
@pytest.mark.parametrize("board", EMULATED)
def test_a_core_gets_the_kernel_that_it_can_run(board, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(with_own_kernels(random_layer(1, "CONV_2D").tflite)[0])
    with emulated.agent(board=board) as session:
        session.load(emulated.library(board=board), str(path), profile=True)
        assert f"edgeprune.conv.0 sparse int8 {KERNEL_OF[board]}" in session.profile(1).tags


def changed(tflite, change):
    model = graph.read(tflite)
    change(model.subgraphs[0], model)
    return graph.write(model)


def flip(subgraph, model):
    plan = subgraph.operators[0].customOptions.copy()
    plan[-1] ^= 1
    subgraph.operators[0].customOptions = plan


def drop(subgraph, model):
    subgraph.operators[0].customOptions = None


def widen(subgraph, model):
    source = subgraph.tensors[subgraph.operators[0].inputs[0]]
    source.shape = np.add(source.shape, [0, 0, 1, 0]).astype(np.int32)


def deepen(subgraph, model):
    source = subgraph.tensors[subgraph.operators[0].inputs[0]]
    source.shape = np.multiply(source.shape, [1, 1, 1, 2]).astype(np.int32)


def to_floats(subgraph, model):
    subgraph.tensors[subgraph.operators[0].outputs[0]].type = 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (flip, r"the plan of edgeprune\.conv\.0 is refused: it is damaged"),
        (drop, r"the plan of edgeprune\.conv\.0 is refused: it is no plan of a convolution"),
        (widen, "refused: its input has not the shape that its plan is for"),
        (deepen, "refused: its input has not the shape that its plan is for"),
    ],
)
def test_a_plan_that_is_damaged_or_another_layers_is_refused_at_the_load(device, load, change, why):
    session, _ = device
    own, _ = with_own_kernels(random_layer(3, "CONV_2D", 0.5, 4).tflite)
    with pytest.raises(DeviceError, match=why):
        load(changed(own, change))
    load(own)  # the agent goes on
    session.time(0, 1, 1.0)


def test_tensors_of_another_type_are_refused_before_any_figure(device, load):
    session, _ = device
    own, _ = with_own_kernels(random_layer(3, "CONV_2D", 0.5, 4).tflite)
    with pytest.raises(DeviceError, match="its tensors are not as long as its plan says"):
        load(changed(own, to_floats))
        session.time(0, 1, 1.0)


def test_two_operators_of_one_name_are_refused(device, load):
    def rename(subgraph, model):
        for op in subgraph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            if code.customCode:
                code.customCode = b"edgeprune.conv.7"

    own, _ = with_own_kernels(mobilenet_v1().tflite)
    with pytest.raises(DeviceError, match=r"two operators are called edgeprune\.conv\.7"):
        load(changed(own, rename))


def test_a_batch_that_the_file_leaves_open_is_one(device, load):
    layer = random_layer(6, "FULLY_CONNECTED", 0.5, 4)
    own, _ = with_own_kernels(layer.tflite)

    def leave_open(subgraph, model):
        for tensor in subgraph.tensors:
            tensor.shapeSignature = np.array([-1, tensor.shape[1]], np.int32)

    samples = [[one[None]] for one in layer.inputs]
    dense = outputs(device[0], load, layer.tflite, samples)
    np.testing.assert_equal(outputs(device[0], load, changed(own, leave_open), samples), dense)


def test_a_file_without_layers_for_them_stays_as_it_is():
    tflite = random_layer(1, "DEPTHWISE_CONV_2D").tflite
    assert with_own_kernels(tflite) == (tflite, ()) and layers_of(tflite) == ()


@pytest.mark.device
@pytest.mark.parametrize("version", sorted({r.first for r in RELEASES.values()}))
def test_every_release_of_the_runtime_takes_them(version, tmp_path):
    layer = random_layer(3, "CONV_2D", 0.5, 4)
    own, _ = with_own_kernels(layer.tflite)
    samples, found = [[one[None]] for one in layer.inputs], []
    with emulated.agent(board=EMULATED[1]) as session:
        for k, tflite in enumerate((layer.tflite, own)):
            path = tmp_path / f"{k}.tflite"
            path.write_bytes(tflite)
            session.load(emulated.library(version, EMULATED[1]), str(path))
            found.append(session.infer(samples))
    np.testing.assert_equal(found[1], found[0])
