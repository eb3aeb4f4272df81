"""What the agent does for each request; PROTOCOL.md says what goes in and out."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, NamedTuple, Tuple

from edgeprune_agent import facts
from edgeprune_agent.frames import BLOB_LIMIT_BYTES
from edgeprune_agent.lease import DeviceLease
from edgeprune_agent.lock import DeviceLock
from edgeprune_agent.model import Model
from edgeprune_agent.refusal import Refusal
from edgeprune_agent.runtime import open_runtime
from edgeprune_agent.sampler import Sampler

_THREADS_LIMIT = 256
_RUNS_LIMIT = 1000000
_SHORTEST_PERIOD_NS = 1000000
_LONGEST_PERIOD_NS = 10000000000
_NO_PROFILE = "this agent cannot profile: Python's interface of its runtime names no kernels"
_NO_UNPACK = "this agent unpacks no containers: push the file itself"

Request = Dict[str, Any]
Answer = Tuple[Dict[str, Any], bytes]


class Agent:
    """What lasts from one request to the next.

    Attributes:
        model: The loaded model, or None.
        sampler: Takes samples, or None.
        lock: The device's.
        lease: The device's, where a farm gave one.
        ends: No further request is to be read.
    """

    def __init__(self) -> None:
        self.model: Model | None = None
        self.sampler: Sampler | None = None
        self.lock = DeviceLock()
        self.lease = DeviceLease()
        self.ends = False


class Command(NamedTuple):
    """A request that is known.

    Attributes:
        handle: Does it.
        keys: Its keys beside ``id`` and ``cmd``, with their types.
        takes_blob: Whether bytes may come with it.
        needs_model: Whether it is refused without a model.
    """

    handle: Callable[[Agent, Request, bytes], Answer]
    keys: dict[str, type] = {}  # noqa: RUF012 - never changed; Python 3.7 has no other way
    takes_blob: bool = False
    needs_model: bool = False


def _in_range(request: Request, key: str, low: int, high: int) -> int:
    value = int(request[key])
    if not low <= value <= high:
        raise Refusal(f"{key} is {value}, must be {low} to {high}")
    return value


def _hello(agent: Agent, request: Request, blob: bytes) -> Answer:
    return facts.hello(), b""


def _load(agent: Agent, request: Request, blob: bytes) -> Answer:
    threads = _in_range(request, "threads", 1, _THREADS_LIMIT)
    facts.pin_to_cores(request["cpus"])
    agent.model = None
    if not os.access(request["model"], os.R_OK):
        raise Refusal(f"model {request['model']} cannot be read")
    if request["profile"]:
        raise Refusal(_NO_PROFILE)
    interpreter = open_runtime(request["runtime"])
    begin_ns = time.monotonic_ns()
    model = Model(interpreter, request["model"], threads)
    load_ns = time.monotonic_ns() - begin_ns
    agent.model = model
    inputs, outputs = ([t.described() for t in side] for side in (model.inputs, model.outputs))
    return {"load_ns": load_ns, "inputs": inputs, "outputs": outputs}, b""


def _loaded(agent: Agent) -> Model:
    if agent.model is None:
        raise Refusal("no model is loaded")
    return agent.model


def _infer(agent: Agent, request: Request, blob: bytes) -> Answer:
    model = _loaded(agent)
    samples = _in_range(request, "samples", 1, BLOB_LIMIT_BYTES // (model.output_bytes + 1))
    if samples * model.input_bytes != len(blob):
        raise Refusal(
            f"blob has {len(blob)} bytes, must have {samples} samples of {model.input_bytes} bytes"
        )
    parts = []
    for k in range(samples):
        model.set_inputs(blob, k * model.input_bytes)
        model.run()
        parts.append(model.outputs_as_bytes())
    return {}, b"".join(parts)


def _time(agent: Agent, request: Request, blob: bytes) -> Answer:
    warmup = _in_range(request, "warmup", 0, _RUNS_LIMIT)
    runs = _in_range(request, "runs", 1, _RUNS_LIMIT)
    max_ns = _in_range(request, "max_ns", 0, 1 << 63)
    timing = _loaded(agent).time(warmup, runs, max_ns)
    return dict(timing, peak_memory_bytes=facts.peak_memory_bytes()), b""


def _memory(agent: Agent, request: Request, blob: bytes) -> Answer:
    return {"peak_memory_bytes": facts.peak_memory_bytes()}, b""


def _profile(agent: Agent, request: Request, blob: bytes) -> Answer:
    raise Refusal(_NO_PROFILE)


def _unpack(agent: Agent, request: Request, blob: bytes) -> Answer:
    raise Refusal(_NO_UNPACK)


def _clock(agent: Agent, request: Request, blob: bytes) -> Answer:
    return {"now_ns": time.monotonic_ns()}, b""


def _sample_start(agent: Agent, request: Request, blob: bytes) -> Answer:
    period_ns = _in_range(request, "period_ns", _SHORTEST_PERIOD_NS, _LONGEST_PERIOD_NS)
    if agent.sampler is not None:
        raise Refusal("samples are being taken already")
    agent.sampler = Sampler(request["files"], request["command"], period_ns)
    return {}, b""


def _sample_stop(agent: Agent, request: Request, blob: bytes) -> Answer:
    if agent.sampler is None:
        raise Refusal("no samples are being taken")
    sampler, agent.sampler = agent.sampler, None
    return {}, sampler.stop()


def _lock(agent: Agent, request: Request, blob: bytes) -> Answer:
    held, others = agent.lock.take(request["folder"], request["holder"])
    return {"held": held, "others": others}, b""


def _lease(agent: Agent, request: Request, blob: bytes) -> Answer:
    agent.lease.take(request["folder"], _in_range(request, "epoch", 1, 1 << 53))
    return {}, b""


def _quit(agent: Agent, request: Request, blob: bytes) -> Answer:
    agent.ends = True
    return {}, b""


COMMANDS = {
    "hello": Command(_hello),
    "load": Command(
        _load, {"runtime": str, "model": str, "threads": int, "cpus": list, "profile": bool}
    ),
    "infer": Command(_infer, {"samples": int}, takes_blob=True, needs_model=True),
    "time": Command(_time, {"warmup": int, "runs": int, "max_ns": int}, needs_model=True),
    "memory": Command(_memory),
    "profile": Command(_profile, {"runs": int}, needs_model=True),
    "unpack": Command(_unpack, {"packed": str, "target": str, "max_bytes": int}),
    "clock": Command(_clock),
    "sample_start": Command(_sample_start, {"files": str, "command": str, "period_ns": int}),
    "sample_stop": Command(_sample_stop),
    "lock": Command(_lock, {"folder": str, "holder": str}),
    "lease": Command(_lease, {"folder": str, "epoch": int}),
    "quit": Command(_quit),
}
