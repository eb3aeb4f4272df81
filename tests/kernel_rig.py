"""edgeprune's own kernels as a program that runs many layers, and XNNPACK beside it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import agent_rig
import compiled
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from edgeprune.devices.toolchain import glibc, zig
from edgeprune.files import paths
from edgeprune.models.tflite import conv_plan, graph

KERNELS = paths.shipped("device_agents") / "kernels"
_SOURCES = Path(__file__).parent / "device_agents" / "kernels"
ANY_X86 = _SOURCES / "any_x86"
X86 = ("avx512_vnni", "avx_vnni", "avx2")
"""Kernels that run on some x86 processors only."""
ARM = ("neon_dot", "neon")
"""Kernels that run on an emulated Cortex-A76 only."""

_TIMEOUT_S = 600


class Driver:
    """The kernels on this machine, or on an emulated core of Arm's.

    Attributes:
        kernels: Names of those that run there.
    """

    def __init__(self, argv, threads=1):
        self._argv = list(map(str, argv))
        self._threads = threads
        lines = self._run("list").decode().splitlines()
        self.kernels = [name for name, runs in map(str.split, lines) if runs == "1"]

    def _run(self, *arguments):
        argv = [*self._argv, *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def run(self, kernel, cases, folder):
        """Runs ``(plan, inputs, output_bytes)`` each; outputs, or the words of a refusal.

        ``inputs`` is int8, its first axis the batch.
        """
        file = folder / "cases"
        file.write_bytes(b"".join(map(_case, cases)))
        printed, at, results = self._run(kernel, file, self._threads), 0, []
        for _, _, size in cases:
            end = at + 1 + size if printed[at] else printed.index(b"\n", at)
            body = printed[at + 1 : end]
            results.append(np.frombuffer(body, np.int8) if printed[at] else body.decode())
            at = end if printed[at] else end + 1
        assert at == len(printed)
        return results


def _case(case):
    plan, inputs, size = case
    return struct.pack("<4I", len(plan), inputs.size, size, len(inputs)) + plan + inputs.tobytes()


def host_driver(folder):
    """Under address and undefined-behaviour checks."""
    return Driver([_program(folder, ["gcc", *agent_rig.SANITIZERS])])


def threads_driver(folder, threads):
    """Whose threads are watched for races."""
    return Driver([_program(folder, ["gcc", "-g1", "-O1", "-fsanitize=thread"])], threads)


def emulated_driver(folder, isa, core):
    """For a core that qemu-user emulates, with the C library that agents run on."""
    compiler, env = ["gcc"], None
    if isa != zig.host_isa():
        target = f"{isa}-linux-gnu.{zig.GLIBC}"
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target]
        env = zig._environment()
    program = _program(folder, [*compiler, "-O2"], env=env)
    return Driver([f"qemu-{isa}", "-L", glibc.folder(isa).parent, "-cpu", core, program])


def any_x86_driver(folder):
    """For an x86 processor with everything, whose vectors plain C computes, under the same checks.

    Functions are compiled for the processor that they run on, not for the one that they are for.
    """
    kernels = [file for file in sorted(KERNELS.glob("*.c")) if file.name != "cpu_x86.c"]
    compiler = ["gcc", *agent_rig.SANITIZERS, "-Dtarget(instructions)=unused", f"-I{ANY_X86}"]
    return Driver([_program(folder, compiler, kernels=[*kernels, ANY_X86 / "every_cpu.c"])])


def valgrind_driver(folder):
    """Under valgrind, which knows no AVX-512: what it does not have, it tells a program so."""
    valgrind = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full"]
    return Driver([*valgrind, _program(folder, ["gcc", "-g1", "-O2"])])


def fuzz_plans(folder, layers, seed, rounds, seconds):
    """Damages plans, under address and undefined-behaviour checks.

    Returns:
        How many plans were damaged, taken all the same, and run.
    """
    program = _program(folder, ["gcc", *agent_rig.SANITIZERS], "fuzz_plan")
    files = []
    for k, (plan, _, _) in enumerate(filter(None, map(plan_and_inputs, layers))):
        files.append(folder / f"{k}.plan")
        files[-1].write_bytes(plan)
    argv = list(map(str, [program, seed, rounds, seconds, *files]))
    done = subprocess.run(argv, capture_output=True, timeout=seconds + _TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return tuple(map(int, done.stdout.split()))


def _program(folder, compiler, name="driver", kernels=None, env=None):
    flags = [*compiler, *agent_rig.C11, *agent_rig.WARNINGS, f"-I{KERNELS}"]
    shared = compiled.joined(folder, flags, kernels or sorted(KERNELS.glob("*.c")), env)
    sources = [shared, _SOURCES / f"{name}.c"]
    return compiled.program(folder, name, flags, sources, ["-lm", "-lpthread"], env=env)


def plan_and_inputs(layer):
    """A case of :class:`Driver` for a layer of :mod:`int8_layers`; None where no plan can stand."""
    model = graph.view(layer.tflite)
    subgraph = model.subgraphs[0]
    try:
        plan = conv_plan.plan_of(model, subgraph, subgraph.operators[0])
    except ValueError:
        return None
    shape = graph.shape_of(subgraph.tensors[subgraph.outputs[0]])
    return plan, layer.inputs, len(layer.inputs) * int(np.prod(shape[1:]))


def xnnpack_outputs(layer):
    """What LiteRT with XNNPACK computes on this machine; int8, flat."""
    interpreter = Interpreter(model_content=layer.tflite, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for values in layer.inputs:
        interpreter.set_tensor(source["index"], values[None])
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"]).ravel().copy())
    return np.concatenate(found)
