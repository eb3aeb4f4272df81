"""The session against real agents on this machine: plain, under sanitizers, and in Python."""

import os
import re
import zipfile

import agent_rig
import numpy as np
import pytest
from agent_rig import library, session

from edgeprune.errors import DeviceError, DeviceTimeout


@pytest.fixture(scope="module", params=agent_rig.KINDS)
def agent(request, tmp_path_factory):
    return agent_rig.agent(request.param, tmp_path_factory.mktemp("agent"))


native = pytest.mark.parametrize("agent", agent_rig.NATIVE, indirect=True)
in_python = pytest.mark.parametrize("agent", ["python"], indirect=True)


@pytest.fixture
def model(tmp_path):
    def write(tflite):
        path = tmp_path / "model.tflite"
        path.write_bytes(tflite)
        return str(path)

    return write


def test_hello_says_what_the_kernel_says(agent):
    with session(agent) as talk:
        hello = talk.hello()
    assert hello.machine == os.uname().machine
    assert hello.os == f"{os.uname().sysname} {os.uname().release}"
    assert hello.cores == os.sysconf("SC_NPROCESSORS_ONLN")
    with open("/proc/cpuinfo") as file:
        words = re.search(r"^(?:flags|Features)\s*:(.*)$", file.read(), re.M)
    assert words is not None and hello.features == tuple(words[1].split())
    assert hello.cpu


@pytest.mark.parametrize("with_signature", [False, True])
def test_inputs_and_outputs_stand_in_the_order_of_the_graph(agent, model, with_signature):
    path = model(agent_rig.two_inputs(with_signature))
    rng = np.random.default_rng(0)
    samples = [
        [rng.normal(size=shape).astype(np.float32) for shape in ((1, 4), (1, 2, 3))]
        for _ in range(5)
    ]
    with session(agent) as talk:
        loaded = talk.load(library(agent), path)
        outputs = talk.infer(samples)
    assert [(t.name, t.shape, t.bytes) for t in loaded.inputs] == [
        ("first", (1, 4), 16),
        ("second", (1, 2, 3), 24),
    ]
    assert [t.shape for t in loaded.outputs] == [(1, 2, 3), (1, 4)]
    for (first, second), (of_second, of_first) in zip(samples, outputs, strict=True):
        np.testing.assert_array_equal(of_first, np.maximum(first, 0))
        np.testing.assert_array_equal(of_second, np.maximum(second, 0))


@pytest.mark.parametrize("dtype", ["float32", "int8", "float16"])
def test_other_types_pass_through_as_their_bytes(agent, model, dtype):
    path = model(agent_rig.typed_relu(dtype))
    values = np.array([[-4, -3, -2, -1, 0, 1, 2, 3]], dtype)
    with session(agent) as talk:
        assert talk.load(library(agent), path).inputs[0].dtype == dtype
        np.testing.assert_array_equal(talk.infer([[values]])[0][0], np.maximum(values, 0))
        assert talk.time(1, 3, 1.0).first_ns > 0


def test_an_unknown_dimension_is_set_to_one(agent, model):
    values = np.array([[-1, 2, -3, 4]], np.float32)
    with session(agent) as talk:
        loaded = talk.load(library(agent), model(agent_rig.unknown_batch()))
        assert loaded.inputs[0].shape == loaded.outputs[0].shape == (1, 4)
        np.testing.assert_array_equal(talk.infer([[values]])[0][0], [[0, 2, 0, 4]])


def test_many_samples_go_in_several_batches_and_come_back_in_order(agent, model, monkeypatch):
    monkeypatch.setattr("edgeprune.agents.session._INFER_BATCH_BYTES", 100)
    samples = [[np.full((1, 4), k, np.float32)] for k in range(10)]
    with session(agent) as talk:
        talk.load(library(agent), model(agent_rig.unknown_batch()))
        assert [int(row[0][0, 0]) for row in talk.infer(samples)] == list(range(10))


def test_timing_has_every_run_and_the_first_one_apart(agent, model):
    with session(agent) as talk:
        loaded = talk.load(library(agent), model(agent_rig.small_net()))
        timing = talk.time(warmup=3, runs=50, max_s=30)
        again = talk.time(warmup=0, runs=5, max_s=30)
    assert loaded.load_ns > 0
    assert len(timing.latency_ns) == 50 and min(timing.latency_ns) > 0
    assert again.first_ns == timing.first_ns > 0  # of the process, not of the request
    assert timing.peak_memory_bytes is not None and timing.peak_memory_bytes > 1 << 20


def test_timing_stops_at_its_time_limit(agent, model):
    with session(agent) as talk:
        talk.load(library(agent), model(agent_rig.small_net()))
        timing = talk.time(warmup=0, runs=1_000_000, max_s=0.2)
    assert 0 < len(timing.latency_ns) < 1_000_000
    assert timing.first_ns > 0  # also without a warm-up
    total = sum(timing.latency_ns)
    assert total - timing.latency_ns[-1] < 0.2e9  # it did not begin another after the limit


@native
def test_a_profile_names_the_kernels_of_each_run(agent, model):
    with session(agent) as talk:
        talk.load(library(agent), model(agent_rig.small_net()), profile=True)
        profile = talk.profile(3)
    assert len(profile.events) == 3
    for run in profile.events:
        kernels = [event.tag for event in run if event.source == 2]
        assert [tag.split(" (")[0] for tag in kernels if "(" in tag][:2] == ["Convolution"] * 2
        assert any("DWConv" in tag for tag in kernels)
        assert any(event.tag.startswith("LiteRT::") and event.source == 0 for event in run)
        assert max(event.elapsed_us for event in run) < 60_000_000  # telemetry is no time
    assert set(profile.tags) == {event.tag for run in profile.events for event in run}


@native
def test_a_profiled_model_cannot_be_timed_nor_the_other_way_round(agent, model):
    path = model(agent_rig.small_net())
    with session(agent) as talk:
        talk.load(library(agent), path, profile=True)
        with pytest.raises(
            DeviceError, match=r"time: the device says: .the model was loaded to be profiled"
        ):
            talk.time(1, 1, 1.0)
    with session(agent) as talk:
        talk.load(library(agent), path)
        with pytest.raises(DeviceError, match="profile: true"):
            talk.profile(1)


def test_the_agent_runs_on_the_core_that_it_is_pinned_to(agent, model):
    core = min(os.sched_getaffinity(0))
    with session(agent) as talk:
        pid = talk.hello().pid
        talk.load(library(agent), model(agent_rig.small_net()), cpus=[core], threads=2)
        affinities = {
            frozenset(os.sched_getaffinity(int(thread)))
            for thread in os.listdir(f"/proc/{pid}/task")
            if int(thread) >= pid
        }
    assert frozenset({core}) in affinities


@pytest.mark.parametrize("core", [-1, 1023, 5000])
def test_a_core_that_does_not_exist_is_refused(agent, model, core):
    with (
        session(agent) as talk,
        pytest.raises(DeviceError, match=r"load: the device says: .cpus names a core"),
    ):
        talk.load(library(agent), model(agent_rig.small_net()), cpus=[0, core])


def test_a_missing_model_or_runtime_is_named(agent, model):
    with (
        session(agent) as talk,
        pytest.raises(DeviceError, match=r"load: the device says: .model /no/such cannot"),
    ):
        talk.load(library(agent), "/no/such")
    with session(agent) as talk, pytest.raises(DeviceError, match=r"runtime library: /no/lib"):
        talk.load("/no/lib", model(agent_rig.small_net()))


def test_the_runtimes_own_words_are_in_the_error(agent, model):
    words = (
        "Flatbuffer|model identifier"
        if agent_rig.is_python(agent)
        else "must have at least 7 bytes"
    )
    with session(agent) as talk, pytest.raises(DeviceError, match=words):
        talk.load(library(agent), model(b"junk\n"))


@native
def test_a_library_that_is_no_runtime_is_refused(agent, model):
    with session(agent) as talk, pytest.raises(DeviceError, match="has no LiteRt"):
        talk.load("libm.so.6", model(agent_rig.small_net()))


@in_python
def test_the_agent_in_python_says_that_it_cannot_profile(agent, model):
    path = model(agent_rig.small_net())
    with session(agent) as talk:
        with pytest.raises(
            DeviceError, match=r"load: the device says: .this agent cannot profile: .* names no k"
        ):
            talk.load(library(agent), path, profile=True)
        talk.load(library(agent), path)
        with pytest.raises(DeviceError, match=r"says: .this agent cannot profile"):
            talk.profile(1)
        with pytest.raises(DeviceError, match="unpacks no containers"):
            talk.unpack("a", "b", 1)


@in_python
def test_a_file_that_is_no_wheel_is_refused_and_nothing_is_left(agent, model, tmp_path):
    path = model(agent_rig.small_net())
    wheel = tmp_path / "some.whl"
    wheel.write_bytes(b"junk")
    with session(agent) as talk, pytest.raises(DeviceError, match=r"cannot be unpacked: .*zip"):
        talk.load(str(wheel), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.tflite", "some.whl"]


@in_python
def test_a_wheel_is_unpacked_once_beside_itself(agent, model, tmp_path):
    """The wheel's package hands over this machine's runtime, whose own wheel takes seconds."""
    path = model(agent_rig.unknown_batch())
    wheel = tmp_path / "tflite_runtime-9.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tflite_runtime/__init__.py", "")
        hands_over = "from ai_edge_litert.interpreter import Interpreter as Interpreter"
        archive.writestr("tflite_runtime/interpreter.py", hands_over)
    for _ in range(2):
        with session(agent) as talk:
            talk.load(str(wheel), path)
            assert talk.infer([[np.ones((1, 4), np.float32)]])[0][0].sum() == 4
    names = ["model.tflite", wheel.name, f"{wheel.name}.unpacked"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_one_process_runs_one_model_after_another(agent, model):
    batch, small = agent_rig.unknown_batch(), agent_rig.small_net()
    with session(agent) as talk:
        for profile in (False, not agent_rig.is_python(agent), False):
            talk.load(library(agent), model(batch))
            assert talk.infer([[np.ones((1, 4), np.float32)]])[0][0].sum() == 4
            talk.load(library(agent), model(small), profile=profile)
            assert talk.infer([[np.ones((1, 16, 16, 3), np.float32)]])[0][0].shape == (1, 10)
            if profile:
                first = talk.profile().tags
                assert first == talk.profile().tags


def test_a_load_that_fails_leaves_no_model_and_the_next_one_works(agent, model):
    path = model(agent_rig.unknown_batch())
    with session(agent) as talk:
        talk.load(library(agent), path)
        with pytest.raises(DeviceError, match="load:"):
            talk.load(library(agent), model(b"junk\n"))
        with pytest.raises(DeviceError, match="no model is loaded"):
            talk.infer([[np.ones((1, 4), np.float32)]])
        talk.load(library(agent), model(agent_rig.unknown_batch()))
        assert talk.infer([[np.ones((1, 4), np.float32)]])[0][0].sum() == 4


def test_another_runtime_in_the_same_process_is_refused(agent, model):
    path = model(agent_rig.unknown_batch())
    with session(agent) as talk:
        talk.load(library(agent), path)
        with pytest.raises(DeviceError, match="cannot change to another runtime"):
            talk.load("libm.so.6", path)


def test_a_sample_of_the_wrong_shape_or_type_is_refused_before_it_is_sent(agent, model):
    with session(agent) as talk:
        talk.load(library(agent), model(agent_rig.unknown_batch()))
        for wrong in ([], [np.ones((1, 5), np.float32)], [np.ones((1, 4), np.int32)]):
            with pytest.raises(DeviceError, match="sample"):
                talk.infer([wrong])


def test_nothing_is_asked_of_a_session_without_a_model(agent):
    with session(agent) as talk:
        with pytest.raises(DeviceError, match="no model is loaded"):
            talk.infer([])
        with pytest.raises(DeviceError, match=r"time: .*no model is loaded"):
            talk.time(1, 1, 1.0)
        with pytest.raises(DeviceError, match="timeout_s"):
            talk.time(1, 1, 0.0)


def test_an_answer_that_does_not_come_is_a_timeout(agent, model):
    talk = agent_rig.AgentSession(agent_rig.LocalChannel(agent_rig.start(agent)))
    try:
        talk.load(library(agent), model(agent_rig.small_net()))
        with pytest.raises(DeviceTimeout, match="sent nothing in time"):
            talk.time(1_000_000, 1_000_000, 0.0, timeout_s=0.3)
    finally:
        talk.close(0.5)
