"""The server as programs for this computer, under address and undefined-behaviour checks."""

import dataclasses

import compiled
import firmware_rig
import numpy as np
from agent_rig import SANITIZERS
from int8_layers import random_layer

from edgeprune.firmware import plan

SERVER = firmware_rig.FIRMWARE / "server"
TEST = firmware_rig.TEST
C99 = ["gcc", *firmware_rig.C99, f"-I{SERVER}", f"-I{TEST}", "-O2", "-DEP_TEXT_COMMANDS=1"]
ENGINE = [source for source in firmware_rig.sources() if source.parent != TEST]
PORTABLE = [
    firmware_rig.PORTABLE / f"{name}.c" for name in ("frame_header", "json", "text", "utf8")
]
SOURCES = [*ENGINE, *sorted(SERVER.glob("*.c")), *PORTABLE, TEST / "memory_port.c"]


def program(folder, name, *flags):
    """A program of a test's C file and the server, which is compiled once for all of them."""
    compiler = [*C99, *SANITIZERS]
    *server, port = SOURCES
    shared = compiled.joined(folder, compiler, server)
    return compiled.program(folder, name, [*compiler, *flags], [shared, port, TEST / f"{name}.c"])


def power_cut(folder, unit_bytes):
    return program(folder, "power_cut", f"-DUNIT_BYTES={unit_bytes}")


def networks(count, op="CONV_2D", largest_bytes=1600):
    """Small plans, and what each makes of an input of zeros: pairs of bytes."""
    found = []
    for seed in range(400):
        layer = random_layer(seed, op)
        layer = dataclasses.replace(layer, inputs=np.zeros_like(layer.inputs[:1]))
        data = plan.compiled(layer.tflite, "scalar").data
        outputs = layer.outputs().astype(np.int8).tobytes() if len(data) < largest_bytes else b""
        if 0 < len(outputs) <= 200 and layer.inputs.size <= 4096:
            found.append((data, outputs))
        if len(found) == count:
            return found
    raise AssertionError("too few small networks")
