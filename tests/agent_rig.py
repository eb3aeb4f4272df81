"""Models, and agents of every kind, for the tests that talk to a real agent."""

from __future__ import annotations

import contextlib
from pathlib import Path

import ai_edge_litert
import compiled
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from nets import TYPES, Net

from edgeprune.agents import build, runtime
from edgeprune.agents.session import AgentSession
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.toolchain import zig
from edgeprune.devices.transports.local import LocalChannel

VERSION = "2.3.0"
SANITIZERS = ("-g1", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Reports name lines; variables would take the compiler half of its time again."""
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
C11 = ("-std=c11", "-D_POSIX_C_SOURCE=200809L")


NATIVE = ("plain", "sanitized")
KINDS = (*NATIVE, "python")


def agent(kind, folder):
    """An agent of one of :data:`KINDS`."""
    if kind == "python":
        return build.python_agent()
    return build.agent("host") if kind == "plain" else sanitized_agent(folder)


def is_python(agent):
    return agent.suffix == ".pyz"


def sanitized_agent(folder):
    """The agent with address and undefined-behaviour checks, which end it with status 99."""
    # It waits for its requests, mostly: to optimize it takes the compiler twice the time.
    compiler = ["gcc", *C11, *WARNINGS, *SANITIZERS, "-O0", build.version_flag()]
    sources, libraries = build.agent_sources(), ("-ldl", "-lpthread", "-lm")
    return compiled.program(folder, "edgeprune-agent", compiler, sources, libraries)


def object_of(source, folder):
    """A C file of the agent by gcc, with the flags of zig's build."""
    compiler = ["gcc", *zig._FLAGS, "-D_POSIX_C_SOURCE=200809L", "-c"]
    return compiled.program(folder, f"{source.stem}.o", compiler, [source])


def faulty_write(folder):
    """A library for LD_PRELOAD, whose ``write`` is as the variable FAULT says."""
    source = Path(__file__).parent / "device_agents" / "faulty_write.c"
    compiler = ["gcc", *WARNINGS, "-shared", "-fPIC"]
    return compiled.program(folder, "faulty_write.so", compiler, [source])


SANITIZER_ENV = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=0",  # the agent ends by _exit, leaks or not
    "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1",
}


def start(agent, env=None):
    """An agent on this machine, as the child process itself."""
    return Child([str(agent)], env or SANITIZER_ENV)


@contextlib.contextmanager
def session(agent):
    """A conversation with an agent on this machine that must end well."""
    child = start(agent)
    try:
        yield AgentSession(LocalChannel(child))
    finally:
        code = child.close(60.0)
    assert code == 0, child.last_words()


def library(agent=None):
    """The runtime for a native agent, or what the one in Python imports on this machine."""
    if agent is not None and is_python(agent):
        return str(Path(ai_edge_litert.__file__).parents[1])
    return str(runtime.library("host", VERSION).path)


def add_input(net, shape, dtype="float32", scale=None, name=None):
    index = net.tensor(shape, dtype, scale=scale)
    net.graph.inputs.append(index)
    if name:
        net.graph.tensors[index].name = name.encode()
    return index


def tensor_map(name, index):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), index
    return entry


def two_inputs(with_signature):
    """Outputs relu(second), relu(first); a signature lists everything the other way round."""
    net = Net()
    first = add_input(net, (1, 4), name="first")
    second = add_input(net, (1, 2, 3), name="second")
    outputs = [net.relu(second), net.relu(first)]
    if with_signature:
        signature = schema.SignatureDefT()
        signature.signatureKey = b"serving_default"
        signature.subgraphIndex = 0
        signature.inputs = [tensor_map("a", second), tensor_map("b", first)]
        signature.outputs = [tensor_map("x", outputs[1]), tensor_map("y", outputs[0])]
        net.model.signatureDefs = [signature]
    return net.build(*outputs)


def unknown_batch():
    """relu on a tensor of shape (-1, 4)."""
    net = Net()
    x = add_input(net, (1, 4))
    y = net.relu(x)
    for index in (x, y):
        net.graph.tensors[index].shapeSignature = np.array([-1, 4], np.int32)
    return net.build(y)


def typed_relu(dtype):
    """relu on int8 numbers of scale 0.5, or on another type without a scale."""
    net = Net()
    scale = 0.5 if dtype == "int8" else None
    x = add_input(net, (1, 8), dtype, scale)
    y = net.relu(x)
    net.graph.tensors[y].type = TYPES[dtype]
    if scale:
        net.graph.tensors[y].quantization = net.graph.tensors[x].quantization
    return net.build(y)


def heavy():
    """One inference of some 77 billion operations: seconds, on one core."""
    net = Net()
    return net.build(net.conv(add_input(net, (1, 128, 128, 512)), 512, kernel=3))


def small_net():
    """A convolution, a depthwise one and a dense head: three kinds of kernel."""
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 8, kernel=3)
    x = net.depthwise(x)
    return net.build(net.dense(net.mean(net.conv(x, 16)), 10))
