"""Both agents as programs: what they do with bytes; the native one under sanitizers."""

import contextlib
import io
import json
import os
import resource
import struct
import subprocess
import time
import zlib
from pathlib import Path

import agent_rig
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from waits import until

from edgeprune.agents.wire import Frame, pack, read_frame
from edgeprune.devices.links.pipes import Child
from edgeprune.errors import DeviceError

TRANSCRIPT = Path(__file__).with_name("transcript.jsonl")


@pytest.fixture(scope="module", params=["sanitized", "python"])
def agent(request, tmp_path_factory):
    return agent_rig.agent(request.param, tmp_path_factory.mktemp("agent"))


as_shipped = pytest.mark.parametrize("agent", ["plain", "python"], indirect=True)


@pytest.fixture(scope="module")
def talker(agent):
    """One agent for many requests, which must live through all of them."""
    child = agent_rig.start(agent)
    yield child
    child.write(pack(Frame({"id": 0, "cmd": "quit"})), 5)
    assert read_frame(lambda size: child.read(size, 60)).message == {"id": 0, "ok": True}
    assert child.close(60) == 0, child.last_words()


def ask(child, text, blob=b""):
    """Sends JSON text as it is, and returns the answer's message."""
    lengths = struct.pack("<II", len(text), len(blob))
    crc = struct.pack("<I", zlib.crc32(lengths + text + blob))
    child.write(b"EPF2" + lengths + crc + text + blob, 10)
    return receive(child).message


def receive(child):
    return read_frame(lambda size: child.read(size, 60))


def load_request(agent, path):
    return {
        "id": 1,
        "cmd": "load",
        "runtime": agent_rig.library(agent),
        "model": str(path),
        "threads": 1,
        "cpus": [],
        "profile": False,
    }


def transcript():
    return [json.loads(line) for line in TRANSCRIPT.read_text().splitlines()]


@pytest.mark.parametrize("entry", transcript(), ids=lambda entry: entry["shows"])
def test_the_transcript_holds_on_both_ends(agent, entry):
    request = pack(Frame(entry["request"], bytes.fromhex(entry["request_blob"])))
    assert request.hex() == entry["request_frame"]
    answer = bytes.fromhex(entry["answer_frame"])
    assert read_frame(io.BytesIO(answer).read) == Frame(entry["answer"])
    child = agent_rig.start(agent)
    child.write(request, 5)
    if agent_rig.is_python(agent):  # which writes a quote as \" and the other one as \u0022
        assert receive(child) == Frame(entry["answer"])
    else:
        assert child.read(len(answer), 60) == answer
    assert child.close(60) == 0, child.last_words()


def cpu_s(child=None):
    """CPU time of all children that have ended, and of the processes of one that has not."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = used.ru_utime + used.ru_stime
    for stat in Path("/proc").glob("[0-9]*/stat") if child is not None else ():
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == child._process.pid:  # its group
                found += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return found


@as_shipped
def test_the_agent_ends_in_the_middle_of_an_inference_once_its_input_closes(agent, tmp_path):
    """One inference of the model takes longer than the CPU time that is left to it."""
    (tmp_path / "heavy.tflite").write_bytes(agent_rig.heavy())
    child = agent_rig.start(agent)
    child.write(pack(Frame(load_request(agent, tmp_path / "heavy.tflite"))), 10)
    assert read_frame(lambda size: child.read(size, 60)).message["ok"] is True
    run = {"id": 2, "cmd": "time", "warmup": 1000, "runs": 1000, "max_ns": 0}
    child.write(pack(Frame(run)), 10)
    time.sleep(0.5)
    before_s = cpu_s(child)
    assert child.close(60) == 0  # by itself: not killed
    assert cpu_s() - before_s < 1.0


@as_shipped
def test_input_that_closes_behind_requests_sent_ahead_still_ends_the_agent(agent, tmp_path):
    (tmp_path / "heavy.tflite").write_bytes(agent_rig.small_net())
    child = agent_rig.start(agent)
    run = {"id": 2, "cmd": "time", "warmup": 1_000_000, "runs": 1_000_000, "max_ns": 0}
    child.write(
        pack(Frame(load_request(agent, tmp_path / "heavy.tflite"))) + pack(Frame(run)) * 5, 10
    )
    time.sleep(0.1)
    assert child.close(60) == 0


@as_shipped
def test_an_agent_that_nobody_asks_anything_ends_though_its_input_stays_open(agent):
    child = Child([str(agent), "1"], {})
    child.write(pack(Frame({"id": 1, "cmd": "hello"})), 5)
    assert read_frame(lambda size: child.read(size, 60)).message["ok"] is True
    start = time.monotonic()
    with pytest.raises(DeviceError, match="no request for 1 s"):
        child.read(1, 60)
    assert time.monotonic() - start > 0.5
    child.close(1)


BAD_REQUESTS = {
    b"": "not a JSON object",
    b"[]": "not a JSON object",
    b"null": "not a JSON object",
    b"{": "a key is not a string",
    b'{"id"}': "colon",
    b'{"id":1': "does not end with }",
    b'{"id":1}x': "something follows",
    b'{"id":1,"id":1}': "a key appears twice",
    b'{"id":1.5,"cmd":"hello"}': "not an integer",
    b'{"id":1e5,"cmd":"hello"}': "not an integer",
    b'{"id":01,"cmd":"hello"}': "begins with 0",
    b'{"id":99999999999999999999,"cmd":"hello"}': "too large",
    b'{"id":-,"cmd":"hello"}': "neither an integer",
    b'{"id":{"a":1}}': "neither an integer",
    b'{"id":[[1]]}': "neither an integer",
    b'{"id":null,"cmd":"hello"}': "neither an integer",
    b'{"cmd":"hello"}': "no integer id",
    b'{"id":"1","cmd":"hello"}': "no integer id",
    b'{"id":1}': "no cmd",
    b'{"id":1,"cmd":2}': "no cmd",
    b'{"id":1,"cmd":"dance"}': "no command is called dance",
    b'{"id":1,"cmd":"hello","x":1}': "key that it does not know",
    b'{"id":1,"cmd":"infer"}': "needs the key samples",
    b'{"id":1,"cmd":"infer","samples":true}': "samples, an integer",
    b'{"id":1,"cmd":"infer","samples":1}': "no model is loaded",
    b'{"id":1,"cmd":"profile","runs":1}': "no model is loaded",
    b'{"id":1,"cmd":"hello\\u0000"}': "bad escape",
    b'{"id":1,"cmd":"\\ud800"}': "bad escape",
    b'{"id":1,"cmd":"\\x"}': "bad escape",
    b'{"id":1,"cmd":"\\u12"}': "bad escape",
    b'{"id":1,"cmd":"\xff"}': "not UTF-8",
    b'{"id":1,"cmd":"\xed\xa0\x80"}': "not UTF-8",
    b'{"id":1,"cmd":"\n"}': "control character",
    b'{"id":1,"cmd":"hello': "does not end",
    b'{"id":1,"cmd":"hello\\': "bad escape",
    b'{"id":1,"cpus":[1,2': "does not end with ]",
    b'{"id":1,"cpus":[' + b"1," * 2000 + b"1]}": "too many items",
    b"{" + b",".join(b'"k%d":1' % k for k in range(40)) + b"}": "too many keys",
    b"[" * 100_000: "not a JSON object",
}


def is_broken(text):
    """Whether the bytes are UTF-8, but not JSON: the agent in Python then has Python's words."""
    try:
        json.loads(text.decode())
    except UnicodeDecodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return False


@pytest.mark.parametrize("text", BAD_REQUESTS, ids=lambda text: repr(text[:30]))
def test_a_bad_request_is_refused_with_its_reason(agent, talker, text):
    answer = ask(talker, text)
    is_pythons = agent_rig.is_python(agent) and is_broken(text)
    words = "the request is not a JSON object: " if is_pythons else BAD_REQUESTS[text]
    assert answer["ok"] is False and words in answer["error"]


def test_a_blob_where_none_belongs_is_refused(talker):
    assert "takes no blob" in ask(talker, b'{"id":1,"cmd":"hello"}', b"x" * 100_000)["error"]


@pytest.mark.parametrize(
    ("samples", "blob", "words"),
    [
        (1, bytes(15), "blob has 15 bytes, must have 1 samples of 16 bytes"),
        (1, bytes(17), "blob has 17 bytes"),
        (2, bytes(16), "must have 2 samples"),
        (0, b"", "samples is 0, must be 1 to"),
        (-1, bytes(16), "samples is -1"),
        (2**58, bytes(16), "must be 1 to"),
        (2**25, bytes(16), "blob has 16 bytes"),
    ],
)
def test_a_blob_that_does_not_hold_the_samples_is_refused(agent, tmp_path, samples, blob, words):
    (tmp_path / "model.tflite").write_bytes(agent_rig.unknown_batch())
    child = agent_rig.start(agent)
    assert ask(child, json.dumps(load_request(agent, tmp_path / "model.tflite")).encode())["ok"]
    request = json.dumps({"id": 2, "cmd": "infer", "samples": samples}).encode()
    assert words in ask(child, request, blob)["error"]
    child.write(pack(Frame({"id": 3, "cmd": "infer", "samples": 1}, bytes(16))), 5)
    assert receive(child) == Frame({"id": 3, "ok": True}, bytes(16))
    assert child.close(60) == 0


def test_a_load_that_fails_frees_the_former_model(agent, tmp_path):
    (tmp_path / "model.tflite").write_bytes(agent_rig.unknown_batch())
    child = agent_rig.start(agent)
    for name, succeeds in (("model.tflite", True), ("absent", False)):
        request = json.dumps(load_request(agent, tmp_path / name)).encode()
        assert ask(child, request)["ok"] is succeeds
    run = b'{"id":2,"cmd":"time","warmup":0,"runs":1,"max_ns":0}'
    assert ask(child, run)["error"] == "no model is loaded"
    assert child.close(60) == 0


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=150))
@settings(max_examples=examples(40, 200))
def test_any_text_is_decoded_as_python_encodes_it(talker, text):
    for is_ascii in (True, False):
        request = json.dumps({"id": 5, "cmd": "~" + text}, ensure_ascii=is_ascii).encode()
        error = ask(talker, request)["error"]
        shown = "".join(" " if symbol < " " else symbol for symbol in text)
        assert error == f"no command is called ~{shown}"


@given(st.integers(-(2**58), 2**58))
@settings(max_examples=examples(10, 50))
def test_the_answer_carries_the_requests_number(talker, number):
    assert ask(talker, json.dumps({"id": number, "cmd": "?"}).encode())["id"] == number


JUNK_TEXT = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [
            *(b"{", b"}", b"[", b"]", b'"id"', b'"cmd"', b":", b",", b"1", b"-", b'"', b"\\u"),
            *(b"d8", b"true", b'"time"', b'"load"', b" ", b"\xe2", b"\x80", b"0", b"."),
        ]
    ),
    max_size=40,
).map(b"".join)


@given(JUNK_TEXT, st.binary(max_size=50))
@settings(max_examples=examples(60, 300))
def test_any_json_bytes_in_a_good_frame_get_an_answer(talker, text, blob):
    answer = ask(talker, text, blob)
    assert answer["ok"] is False and answer["error"] and "\n" not in answer["error"]


CRC = bytes(4)
VALID = pack(Frame({"id": 1, "cmd": "hello"}))


@given(st.binary(min_size=4, max_size=60), st.integers(0, len(VALID)))
@settings(max_examples=examples(10, 50))
def test_junk_ends_the_agent_cleanly(agent, junk, keep):
    """Whatever follows part of a good frame: an answer or an end, never a crash."""
    child = agent_rig.start(agent)
    child.write(VALID[:keep] + junk, 5)
    time.sleep(0.03)
    assert child.close(60) in (0, 2), child.last_words()
    assert "Sanitizer" not in child.last_words()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "does not begin with EPF2"),
        (VALID[:-1] + b"!", "its CRC differs"),
        (b"EPF2" + struct.pack("<II", (16 << 20) + 1, 0) + CRC, "longer than"),
        (b"EPF2" + struct.pack("<II", 2, (1 << 30) + 1) + CRC, "longer than"),
        (b"EPF2" + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + CRC, "longer than"),
    ],
)
def test_bytes_that_are_no_frame_end_the_agent_with_a_message(agent, data, words):
    child = agent_rig.start(agent)
    child.write(data, 5)
    until(lambda: words in child.last_words())
    assert child.close(60) == 2


def test_an_answer_that_no_frame_can_hold_is_refused_and_the_agent_lives_on(agent, tmp_path):
    """A tensor's name of 17 MiB stands in the answer to load."""
    net = agent_rig.Net()
    model = net.build(net.relu(agent_rig.add_input(net, (1, 4), name="x" * (17 << 20))))
    (tmp_path / "model.tflite").write_bytes(model)
    child = agent_rig.start(agent)
    request = json.dumps(load_request(agent, tmp_path / "model.tflite")).encode()
    answer = ask(child, request)
    assert answer["id"] == 1 and answer["ok"] is False and set(answer) == {"id", "ok", "error"}
    assert "bytes of JSON and 0 of data; at most 16777216 and 1073741824" in answer["error"]
    assert ask(child, b'{"id":2,"cmd":"clock"}')["ok"] is True
    assert child.close(60) == 0, child.last_words()


@pytest.mark.parametrize(
    "arguments",
    [*(["12abc"], ["abc"], [""], ["0"], ["-1"], ["+1"], [" 1"], ["1 "], ["1.5"], ["0x10"], ["²"]),
     *(["86401"], ["4294967297"], ["9" * 5000], ["1", "2"])],
    ids=lambda arguments: " ".join(arguments)[:12],
)  # fmt: skip
def test_an_argument_that_is_no_number_of_seconds_ends_the_agent(agent, arguments):
    child = Child([str(agent), *arguments], agent_rig.SANITIZER_ENV)
    with pytest.raises(DeviceError, match="takes one argument at most: a number of seconds from 1"):
        child.read(1, 10)
    assert child.close(60) == 3


@as_shipped
def test_an_output_that_takes_nothing_ends_the_agent(agent, tmp_path):
    """It does not try for ever; the file's name has what faulty_write.c looks for."""
    library = agent_rig.faulty_write(tmp_path)
    env = os.environ | {"LD_PRELOAD": str(library), "FAULT": "nothing"}
    with (tmp_path / "output.part").open("wb") as output:
        process = subprocess.Popen([agent], stdin=subprocess.PIPE, stdout=output, env=env)
        process.stdin.write(VALID)
        process.stdin.flush()
        try:
            assert process.wait(20) == 0
        finally:
            process.stdin.close()  # which ends both of its processes, whatever they do
            process.wait(20)
    assert (tmp_path / "output.part").read_bytes() == b""


@pytest.mark.parametrize("argument", ["1", "86400", "00300"])
def test_a_number_of_seconds_is_taken(agent, argument):
    child = Child([str(agent), argument], agent_rig.SANITIZER_ENV)
    child.write(VALID, 5)
    assert receive(child).message["ok"] is True
    assert child.close(60) == 0, child.last_words()
