#!/usr/bin/env python3
"""A device that lies: hands requests to the real agent and changes what it answers.

The real agent is the environment's AGENT, the lie its LIE: a name in :data:`LIES`.
"""

import json
import os
import struct
import subprocess
import sys
import time
import zlib

EVIL = "\x1b[2J\x1b]0;t\x07</td><script>x</script>\u202e\r\nedgeprune: all good\x00\ud800`|\"' end"
MAGIC = b"EPF2"


class Raw(bytes):
    """Bytes that are sent in the place of a frame."""


def frame(message, blob=b"", crc=None):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    sizes = struct.pack("<II", len(text), len(blob))
    crc = zlib.crc32(sizes + text + blob) if crc is None else crc
    return MAGIC + sizes + struct.pack("<I", crc) + text + blob


def put(**changes):
    """Other values for keys of the answer."""
    return lambda answer, blob: ({**answer, **changes}, blob)


def drop(key):
    return lambda answer, blob: ({k: v for k, v in answer.items() if k != key}, blob)


def tensor(side, **changes):
    """Other values for keys of the first input or output."""

    def lie(answer, blob):
        answer[side][0] |= changes
        return answer, blob

    return lie


def edit(change):
    """A change of the answer's object in place."""

    def lie(answer, blob):
        change(answer)
        return answer, blob

    return lie


def raw(*parts):
    """Bytes in the place of the answer."""
    return lambda answer, blob: (Raw(b"".join(parts)), b"")


def headed(json_bytes, blob_bytes):
    """A header alone that announces so much."""
    return raw(MAGIC, struct.pack("<III", json_bytes, blob_bytes, 0))


def end(words="", code=3):
    def lie(answer, blob):
        os.write(2, words.encode(errors="surrogatepass"))
        os._exit(code)

    return lie


def trickle(answer, blob):
    """A byte now and then, within any limit for a single one, for 20 s."""
    for byte in frame(answer)[:100]:
        sys.stdout.buffer.write(bytes([byte]))
        sys.stdout.buffer.flush()
        time.sleep(0.2)
    return answer, blob


def flood(answer, blob):
    """Complaints without an end, as far as the host takes them, for 5 s; and no answer."""
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s:
        os.write(2, EVIL.encode(errors="replace") * 1000)
    return answer, blob


def cut(answer, blob):
    sys.stdout.buffer.write(frame(answer, blob)[:-1])
    sys.stdout.buffer.flush()
    os._exit(0)


def unfilled(answer, blob):
    """A window that is far longer than the times in it."""
    time.sleep(0.1)
    return {**answer, "end_ns": answer["end_ns"] + 90_000_000}, blob


def shrunk(answer, blob):
    """Times and window alike of a hundredth, and a wait that shows it."""
    time.sleep(0.7)
    window_ns = (answer["end_ns"] - answer["begin_ns"]) // 100
    times = [max(100, one // 100) for one in answer["latency_ns"]]
    begin_ns = answer["end_ns"] - max(window_ns, sum(times))
    return {**answer, "begin_ns": begin_ns, "latency_ns": times}, blob


def swapped(answer):
    answer["begin_ns"], answer["end_ns"] = answer["end_ns"], answer["begin_ns"]


def again(later_ns):
    """The first clock is right, every other one is that much later."""
    asked = []

    def lie(answer, blob):
        asked.append(0)
        return {**answer, "now_ns": answer["now_ns"] + (len(asked) > 1) * later_ns}, blob

    return lie


def samples(*parts):
    """A blob of samples of one file: (time_ns, length, text)."""
    blob = b"".join(struct.pack("<qi", time_ns, size) + text for time_ns, size, text in parts)
    return lambda answer, _: (answer, blob)


def later_samples(answer, blob):
    """The real samples, an hour later."""
    (time_ns,) = struct.unpack_from("<q", blob)
    return answer, struct.pack("<q", time_ns + 3600 * 10**9) + blob[8:]


WRONG = "the device's answer is wrong: "
LIES = {
    # name: (command, lie, what is said of it)
    "error with control characters": ("hello", put(ok=False, error=EVIL), "the device says: "),
    "error of 60 kB": ("hello", put(ok=False, error="x" * 60000), "the device says: .xxx"),
    "error that is no text": ("hello", put(ok=False, error=7), WRONG + "error is 7"),
    "error that is missing": ("hello", put(ok=False), WRONG + "error is nothing"),
    "ok that is 1": ("hello", put(ok=1), WRONG + "ok is 1"),
    "ok that is a word": ("hello", put(ok="true"), WRONG + "ok is 'true'"),
    "last words": ("hello", end(EVIL), "ended with status 3; the device says: "),
    "an end without a word": ("hello", end(), "ended with status 3; the device says nothing"),
    "an unknown signal": ("hello", lambda a, b: os.kill(os.getpid(), 40), "ended by signal 40"),
    "answer to another question": ("hello", put(id=77), WRONG + "id is 77"),
    "answer to no question": ("hello", put(id=None), WRONG + "id is None"),
    "id that is true": ("hello", put(id=True), WRONG + "id is True"),
    "another protocol": ("hello", put(protocol=2), "speaks protocol 2"),
    "protocol as text": ("hello", put(protocol="1"), WRONG + "protocol is '1'"),
    "no cores": ("hello", put(cores=0), WRONG + "cores is 0"),
    "cores as a fraction": ("hello", put(cores=2.0), WRONG + r"cores is 2\.0"),
    "a million cores": ("hello", put(cores=10**6), WRONG + "cores is 1000000"),
    "pid that is negative": ("hello", put(pid=-1), WRONG + "pid is -1"),
    "system that is a list": ("hello", put(os=[1]), WRONG + r"os is \[1\]"),
    "system of a page": ("hello", put(os="L" * 5000), WRONG + "os is 'LLL"),
    "features as one text": ("hello", put(features="asimd"), WRONG + "features is 'asimd'"),
    "features without an end": ("hello", put(features=["a"] * 5000), WRONG + "features is a list"),
    "a key that nobody asked for": ("hello", put(sudo=True), WRONG + "sudo is True"),
    "emulated as a word": ("hello", put(emulated="no"), WRONG + "emulated is 'no'"),
    "a GiB behind hello": ("hello", headed(2, 1 << 30), "too long"),
    "4 GiB behind hello": ("hello", headed(2, 0xFFFFFFFF), "too long"),
    "a byte behind hello": ("hello", lambda a, b: (a, b"x"), "too long"),
    "15 MiB of JSON": ("hello", headed(15 << 20, 0), "too long"),
    "JSON that is a list": ("hello", raw(frame([1])), "no JSON object"),
    "JSON of the deep": ("hello", raw(frame(b"[" * 60000)), "JSON is broken"),
    "JSON with NaN": ("hello", raw(frame(b'{"id": NaN}')), "JSON is broken"),
    "JSON with a key twice": ("hello", raw(frame(b'{"id": 1, "id": 2}')), "appears twice"),
    "JSON with 5000 digits": ("hello", raw(frame(b'{"id": ' + b"9" * 5000 + b"}")), "JSON is brok"),
    "JSON in UTF-16": ("hello", raw(frame('{"id": 1}'.encode("utf-16"))), "JSON is broken"),
    "JSON with half a character": ("hello", raw(frame(b'{"\xed\xa0\x80": 1}')), "JSON is broken"),
    "JSON behind a mark": ("hello", raw(frame(b'\xef\xbb\xbf{"id": 1}')), "JSON is broken"),
    "JSON in latin-1": ("hello", raw(frame('{"ö": 1}'.encode("latin-1"))), "JSON is broken"),
    "another checksum": ("hello", lambda a, b: (Raw(frame(a, b, crc=1)), b""), "CRC differs"),
    "a frame that is cut": ("hello", cut, "ended with status 0"),
    "a greeting without an end": ("hello", raw(b"Welcome! " * 20000), "expected a frame"),
    "a trickle": ("hello", trickle, "hello: no answer within 1 s"),
    "a flood of complaints": ("hello", flood, "hello: no answer within 1 s"),
    "a type of Python's": (
        "load",
        tensor("outputs", type="O"),
        WRONG + r"outputs\[0\].type is 'O'",
    ),
    "a type of numpy's": ("load", tensor("outputs", type="U8"), r"outputs\[0\].type is 'U8'"),
    "a type with fields": ("load", tensor("inputs", type="f4,f4"), r"inputs\[0\].type is 'f4,f4'"),
    "another type": ("load", tensor("outputs", type="int32"), r"outputs\[0\] is .*int32\[1, 10\]"),
    "another shape": ("load", tensor("outputs", shape=[10, 1]), r"outputs\[0\] is .*\[10, 1\]"),
    "another name": ("load", tensor("inputs", name="y"), r"inputs\[0\] is y: "),
    "a name to forge": ("load", tensor("inputs", name=EVIL), r"inputs\[0\] is \?\[2J"),
    "a negative size": ("load", tensor("inputs", shape=[-1, 4]), r"inputs\[0\].shape\[0\] is -1"),
    "a huge shape": ("load", tensor("inputs", shape=[2**31 - 1] * 4), r"inputs\[0\].bytes is 3072"),
    "a shape of 100": ("load", tensor("inputs", shape=[1] * 100), r"shape is a list of 100"),
    "bytes that do not fit": ("load", tensor("outputs", bytes=4), r"outputs\[0\].bytes is 4"),
    "one output more": (
        "load",
        edit(lambda a: a["outputs"].append(a["outputs"][0])),
        "outputs is 2",
    ),
    "no inputs": ("load", put(inputs=[]), r"inputs is \[\], expected the model's 1"),
    "inputs that are an object": ("load", put(inputs={}), r"inputs is \{\}"),
    "inputs of nothing": ("load", put(inputs=[None]), r"inputs\[0\] is None"),
    "a load before the question": ("load", put(load_ns=10**15), WRONG + "load_ns is 10000"),
    "a load in no time": ("load", put(load_ns=0), WRONG + "load_ns is 0"),
    "a negative load": ("load", put(load_ns=-5), WRONG + "load_ns is -5"),
    "outputs too short": ("infer", lambda a, b: (a, b[:-1]), "bytes of outputs for 2 samples"),
    "outputs too long": ("infer", lambda a, b: (a, b + b"x"), "too long"),
    "outputs missing": ("infer", lambda a, b: (a, b""), "0 bytes of outputs"),
    "an end before the begin": ("time", edit(swapped), "the device's clock runs backwards"),
    "times without a window": (
        "time",
        edit(lambda a: a.update(end_ns=a["begin_ns"])),
        "latency_ns",
    ),
    "a window of an hour": (
        "time",
        edit(lambda a: a.update(end_ns=a["begin_ns"] + 3600 * 10**9)),
        "the device's clock ran 3,600",
    ),
    "times of another day": (
        "time",
        edit(lambda a: a.update(begin_ns=a["begin_ns"] + 10**14, end_ns=a["end_ns"] + 10**14)),
        "the device's clock ran 100,0",
    ),
    "times far shorter than their window": ("time", unfilled, "expected about the"),
    "times of a hundredth in a window of a hundredth": ("time", shrunk, "this machine waited "),
    "times of nothing": ("time", put(latency_ns=[0] * 7), r"latency_ns\[0\] is 0"),
    "times of a nanosecond": ("time", put(latency_ns=[1] * 7), r"latency_ns\[0\] is 1"),
    "one time of nothing": (
        "time",
        edit(lambda a: a["latency_ns"].__setitem__(3, 0)),
        r"latency_ns\[3\] is 0",
    ),
    "a first inference in no time": ("time", put(first_ns=0), WRONG + "first_ns is 0"),
    "times as text": ("time", put(latency_ns="123456789"), WRONG + "latency_ns is '1234"),
    "times as texts": (
        "time",
        edit(lambda a: a.update(latency_ns=["1"] * 7)),
        "latency_ns.0. is '1'",
    ),
    "times as fractions": ("time", put(latency_ns=[1.5] * 7), r"latency_ns\[0\] is 1\.5"),
    "times as truths": ("time", put(latency_ns=[True] * 7), r"latency_ns\[0\] is True"),
    "negative times": ("time", put(latency_ns=[-1] * 7), r"latency_ns\[0\] is -1"),
    "100,000 times": ("time", put(latency_ns=[1] * 100_000), "too long"),
    "one time more": ("time", put(latency_ns=[1] * 8), "latency_ns is a list of 8 items"),
    "one time less": ("time", edit(lambda a: a["latency_ns"].pop()), "latency_ns is a list of 6"),
    "no time": ("time", put(latency_ns=[]), "latency_ns is a list of 0"),
    "times longer than their window": (
        "time",
        edit(lambda a: a.update(latency_ns=[a["end_ns"] - a["begin_ns"]] * 7)),
        "ns together, expected about the",
    ),
    "a first inference of an hour": (
        "time",
        put(first_ns=3600 * 10**9),
        WRONG + "first_ns is 3600",
    ),
    "a first inference before the load": ("time", put(first_ns=-1), WRONG + "first_ns is -1"),
    "no memory": ("time", put(peak_memory_bytes=0), WRONG + "peak_memory_bytes is 0"),
    "a petabyte of memory": (
        "time",
        put(peak_memory_bytes=2**50),
        "peak_memory_bytes is 11258",
    ),
    "memory of a byte": ("time", put(peak_memory_bytes=1), WRONG + "peak_memory_bytes is 1,"),
    "memory that falls": (
        "time",
        edit(lambda a: a.update(peak_memory_bytes=1 << 17)),
        WRONG + "peak_memory_bytes is 131072",
    ),
    "memory left out": ("time", drop("peak_memory_bytes"), "peak_memory_bytes is nothing"),
    "more events than there can be": (
        "profile",
        put(events=[[[0, 2, 0]] * 300_000], tags=["a"]),
        "too long|at most 16,384 items",
    ),
    "events of one run too many": (
        "profile",
        edit(lambda a: a["events"].append([])),
        "events is a",
    ),
    "a tag that is not there": ("profile", put(events=[[[99, 2, 0]]], tags=["a"]), r"\[99, 2, 0\]"),
    "a tag from behind": ("profile", put(events=[[[-1, 2, 0]]], tags=["a"]), r"\[-1, 2, 0\]"),
    "a source of its own": ("profile", put(events=[[[0, 7, 0]]], tags=["a"]), r"\[0, 7, 0\]"),
    "an event of a day": (
        "profile",
        put(events=[[[0, 2, 86400 * 10**6]]], tags=["a"]),
        "86400000000",
    ),
    "an event as text": ("profile", put(events=[["abc"]], tags=["a"]), "'abc'"),
    "an event of two": ("profile", put(events=[[[0, 2]]], tags=["a"]), r"\[0, 2\], expected"),
    "kernels that take longer than their inference": (
        "profile",
        edit(lambda a: a.update(tags=["a"], events=[[[0, 2, 2000]] * 3000])),
        "events is 6,000,000 us in all, expected at most",
    ),
    "a kernel without a name": ("profile", put(events=[[[0, 2, 0]]], tags=[" "]), "tags.0. is ''"),
    "tags of a page": ("profile", put(tags=["x" * 5000]), r"tags\[0\] is 'xxx"),
    "10,000 tags": ("profile", put(tags=["x"] * 10_000), "tags is a list of 10,000"),
    "tags of numbers": ("profile", put(tags=[1]), r"tags\[0\] is 1"),
    "a clock that goes back": ("clock", again(-(10**9)), "the device's clock runs backwards"),
    "a clock that jumps": ("clock", again(10**12), "the device's clock ran 1,0"),
    "a clock as a fraction": ("clock", put(now_ns=1e9), r"now_ns is 1000000000\.0"),
    "a clock beyond its bits": ("clock", put(now_ns=2**63), "now_ns is 9223"),
    "samples of yesterday": ("sample", samples((5, 1, b"1")), "the device's clock runs backwards"),
    "samples of later": ("sample", later_samples, "the device's clock ran 3,60"),
    "samples that go back": ("sample", samples((9, 1, b"1"), (8, 1, b"1")), "backwards in time"),
    "samples that end early": ("sample", samples((9, 5, b"1")), "is cut off"),
    "a sample of 2 GB": ("sample", samples((9, 2**31 - 1, b"1")), "has 2,147,483,647 bytes"),
    "a sample of -2": ("sample", samples((9, -2, b"")), "has -2 bytes"),
    "samples of a GiB": ("sample", headed(30, 1 << 30), "too long"),
    "more samples than time": (
        "sample",
        samples(*[(9, 1, b"1")] * 5000),
        "samples, at most|backwards",
    ),
    "settings of other files": ("hold", put(before="a\nb\nc"), "before is 'a.nb.nc'"),
    "settings that forge": ("hold", put(before=EVIL), "before is "),
    "settings as a list": ("hold", put(before=["a"]), r"before is \['a'\]"),
    "memory of another kind": (
        "memory",
        put(peak_memory_bytes="1 GB"),
        "peak_memory_bytes is '1 GB'",
    ),
    "more unpacked than packed": ("unpack", put(ok=True, bytes=10**12), "bytes is 1000000000000"),
}


def read(file, size):
    data = b""
    while len(data) < size:
        part = file.read(size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def receive(file):
    text, blob = struct.unpack("<II", read(file, 16)[4:12])
    return json.loads(read(file, text)), read(file, blob)


def honest(request, answer):
    """What an agent would answer to what this one here cannot do."""
    if request["cmd"] in ("hold", "unpack"):
        return {"id": request["id"], "ok": True}
    return answer


def serve():
    command, lie, _ = LIES[os.environ["LIE"]]
    command = {"sample": "sample_stop"}.get(command, command)
    argv = [os.environ["AGENT"], *sys.argv[1:]]
    agent = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    while True:
        request, blob = receive(sys.stdin.buffer)
        agent.stdin.write(frame(request, blob))
        agent.stdin.flush()
        answer, blob = receive(agent.stdout)
        if request["cmd"] == command:
            answer, blob = lie(honest(request, answer), blob)
        sys.stdout.buffer.write(answer if isinstance(answer, Raw) else frame(answer, blob))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
