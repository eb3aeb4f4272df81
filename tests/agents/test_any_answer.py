"""Answers of a real agent, changed at random in their JSON and in their frames."""

import copy
import functools
import json

import agent_rig
import numpy as np
import pytest
from full_range import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeprune.agents import build
from edgeprune.agents.answers import Hello, LoadedModel, Profile, Timing
from edgeprune.agents.interface import interface_of
from edgeprune.agents.session import AgentSession
from edgeprune.agents.wire import Frame, pack, read_frame
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.transports.base import Channel
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import DeviceError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["float32", "int8", 0, 1, -1, 2**63, "O", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


class Recorder(Channel):
    """Passes everything on, and keeps what came back, frame by frame."""

    def __init__(self, child):
        self.channel = LocalChannel(child)
        self.answers = []
        self.now = b""

    def write(self, data, timeout_s):
        self.answers.append(b"")
        self.channel.write(data, timeout_s)

    def read(self, size, timeout_s):
        data = self.channel.read(size, timeout_s)
        self.answers[-1] += data
        return data

    def close(self, timeout_s=5.0):
        self.channel.close(timeout_s)


class Player(Channel):
    """Answers with given bytes, whatever is asked; then the program has ended."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.left = b""

    def write(self, data, timeout_s):
        self.left = self.answers.pop(0) if self.answers else b""

    def read(self, size, timeout_s):
        part, self.left = self.left[:size], self.left[size:]
        if len(part) < size:
            raise DeviceError("the program ended with status 1")
        return part

    def close(self, timeout_s=5.0):
        return None


def questions(talk, model, profile):
    """All that is asked of one agent; each found value is what its type says."""
    found = [talk.hello(), talk.clock_s(), talk.peak_memory_bytes()]
    expected = interface_of(model.read_bytes())
    loaded = talk.load(agent_rig.library(), str(model), profile=profile, expected=expected)
    if profile:
        found += [loaded, talk.profile(2)]
    else:
        sample = [np.zeros((1, 16, 16, 3), np.float32)]
        found += [loaded, talk.infer([sample] * 2), talk.time(1, 5, 30.0)]
    talk.sample_start([str(model.parent / "text")], "", 0.01)
    return [*found, talk.sample_stop(), talk.clock_s()]


@functools.cache
def recorded(profile):
    """The real answers of an agent, one after the other, and the file that it loaded."""
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="edgeprune-any-answer-"))
    model = folder / "net.tflite"
    model.write_bytes(agent_rig.small_net())
    (folder / "text").write_text("42\n")
    recorder = Recorder(Child([str(build.agent("host"))], {}))
    with AgentSession(recorder) as talk:
        questions(talk, model, profile)
    return tuple(recorder.answers), model


def unpacked(answer):
    position = 0

    def read(size):
        nonlocal position
        position += size
        return answer[position - size : position]

    return read_frame(read)


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value[:3]) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*path, key))


def put(message, path, value):
    """The message with another value in one place."""
    changed = copy.deepcopy(dict(message))
    if not path:
        return value if isinstance(value, dict) else {"id": value}
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def believed_or_refused(answers, model, profile):
    """The conversation with these answers gives values of the right kinds, or one clean line."""
    try:
        found = questions(AgentSession(Player(answers), "pi-01"), model, profile)
    except DeviceError as error:
        line = str(error)
        assert line.isprintable() and len(line) < 1000
        return
    hello, clock_s, peak_bytes, loaded = found[:4]
    assert isinstance(hello, Hello) and type(hello.cores) is int and 0 < hello.cores < 10_000
    assert type(clock_s) is float and (peak_bytes is None or peak_bytes > 0)
    assert isinstance(loaded, LoadedModel) and loaded.load_ns >= 0
    assert [t.shape for t in loaded.outputs] == [(1, 10)]
    for one in found[4:-1]:
        if isinstance(one, Timing):
            assert len(one.latency_ns) == 5 and all(type(v) is int for v in one.latency_ns)
            assert 0 <= sum(one.latency_ns) <= one.end_ns - one.begin_ns
        if isinstance(one, Profile):
            assert len(one.events) == 2


@pytest.mark.parametrize("profile", [False, True])
@settings(max_examples=examples(40, 200), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_an_answer_with_any_value_changed_is_believed_or_refused(profile, data):
    answers, model = recorded(profile)
    k = data.draw(st.integers(0, len(answers) - 1))
    frame = unpacked(answers[k])
    path = data.draw(st.sampled_from(list(places(frame.message))))
    message = put(frame.message, path, data.draw(JSON))
    text = json.dumps(message).encode("utf-8", "surrogatepass")
    try:
        changed = pack(Frame(json.loads(text), frame.blob))
    except ValueError:  # NaN, which our own pack refuses
        return
    believed_or_refused([*answers[:k], changed, *answers[k + 1 :]], model, profile)


@pytest.mark.parametrize("profile", [False, True])
@settings(max_examples=examples(40, 200), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_frame_with_any_bytes_changed_cut_or_added_is_refused_or_believed(profile, data):
    answers, model = recorded(profile)
    k = data.draw(st.integers(0, len(answers) - 1))
    one = bytearray(answers[k])
    at = data.draw(st.integers(0, len(one)))
    kind = data.draw(st.sampled_from(["change", "cut", "add"]))
    junk = data.draw(st.binary(min_size=1, max_size=20))
    if kind == "change":
        one[at : at + len(junk)] = junk
    elif kind == "cut":
        del one[at:]
    else:
        one[at:at] = junk
    believed_or_refused([*answers[:k], bytes(one), *answers[k + 1 :]], model, profile)


@settings(max_examples=examples(40, 200), deadline=None)
@given(st.binary(max_size=60))
def test_any_blob_behind_the_samples_is_read_or_refused(blob):
    answers, model = recorded(False)
    frame = unpacked(answers[-2])
    changed = pack(Frame(frame.message, blob))
    believed_or_refused([*answers[:-2], changed, answers[-1]], model, False)
