"""Firmware's engine as programs that run a file of plans: on the host, and on an emulated core."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import compiled
import numpy as np
from agent_rig import SANITIZERS, WARNINGS

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware"
PORTABLE = ROOT / "device_agents" / "portable"
INCLUDES = [f"-I{path}" for path in (FIRMWARE / "include", FIRMWARE / "src", FIRMWARE / "kernels")]
C99 = ["-std=c99", *WARNINGS, *INCLUDES, f"-I{PORTABLE}"]
TEST = FIRMWARE / "test"
_MACHINES = {
    "dsp": (
        "mps2-an386",
        ["-O3", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft", "-DTICKS_AT=0x40028018"],
        ("0x21000000", "16M"),
        40,
    ),
    "mve": (
        "mps3-an547",
        ["-O3", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard", "-DTICKS_AT=0x49302018"],
        ("0x60000000", "16M"),
        50,
    ),
}
"""What each ISA's kernels run on: QEMU's machine, the compiler's flags, where RAM begins and its
size, and the instructions of one tick of its counter (25 and 20 MHz), each taking 1 ns."""


@dataclass(frozen=True)
class Ran:
    """What came of one plan.

    Attributes:
        status: What ep_prepare said; 0 is good.
        bad_op: The number of the operation that it refused.
        instructions: Of the last run, to one tick; 0 on the host.
        outputs: All runs', int8.
    """

    status: int
    bad_op: int
    instructions: int
    outputs: np.ndarray


def sources():
    """The engine's files and its kernels', without server and ports."""
    names = ("engine", "kernel_table", "kinds", "prepare")
    src = [FIRMWARE / "src" / f"{name}.c" for name in names]
    src += sorted((FIRMWARE / "src").glob("check_*.c"))
    return [*src, *sorted((FIRMWARE / "kernels").glob("*.c")), TEST / "run_layers.c"]


class Host:
    """The engine on this computer, under address and undefined-behaviour checks."""

    tick_instructions = 0

    def __init__(self, folder, language=C99, files=None):
        self.folder = folder
        compiler = ["gcc", *language, *SANITIZERS]
        self.program = compiled.program(folder, "run_layers", compiler, files or sources())

    def run(self, jobs, timeout_s=300):
        """Runs pairs of a plan and its inputs, as bytes."""
        source, target = self.folder / "in.bin", self.folder / "out.bin"
        source.write_bytes(_packed(jobs))
        target.unlink(missing_ok=True)
        self.start(source, target, timeout_s)
        return _unpacked(target.read_bytes(), len(jobs), self.tick_instructions)

    def start(self, source, target, timeout_s):
        argv = [self.program, source, target]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


class Core(Host):
    """The engine, or another program of files in and out, on an emulated core."""

    def __init__(self, folder, isa, name="run_layers", language=C99, files=None):
        self.folder = folder
        self.machine, flags, (ram_at, ram_bytes), self.tick_instructions = _MACHINES[isa]
        ram = f"-Wl,--defsym=RAM_AT={ram_at},--defsym=RAM_BYTES={ram_bytes}"
        self.program = compiled.program(
            folder,
            f"{name}-{isa}.elf",
            ["arm-none-eabi-gcc", *language, *flags, "--specs=rdimon.specs"],
            [*(files or sources()), TEST / "semihosting.c"],
            ["-nostartfiles", "-T", str(TEST / "semihosting.ld"), ram, *_start_files(flags)],
        )

    def start(self, source, target, timeout_s):
        arguments = ["run_layers", source.name, target.name]
        semihosting = "enable=on,target=native" + "".join(f",arg={word}" for word in arguments)
        argv = [
            "qemu-system-arm", "-M", self.machine, "-nographic", "-monitor", "none",
            "-icount", "shift=0", "-semihosting-config", semihosting, "-kernel", self.program,
        ]  # fmt: skip
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=self.folder
        )
        assert done.returncode == 0, (done.returncode, done.stderr[-3000:])


def _start_files(flags):
    """Newlib's start code for semihosting, for these flags."""
    machine = [flag for flag in flags if flag.startswith("-m")]
    files = ("rdimon-crt0.o", "crti.o", "crtn.o")
    argv = ["arm-none-eabi-gcc", *machine]
    return [
        subprocess.run(
            [*argv, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in files
    ]


def _filled(data):
    return data + bytes(-len(data) % 4)


def _packed(jobs):
    return b"".join(
        struct.pack("<II", len(plan), len(inputs)) + _filled(plan) + _filled(inputs)
        for plan, inputs in jobs
    )


def _unpacked(data, count, tick_instructions):
    found, at = [], 0
    for _ in range(count):
        status, bad_op, ticks, size = struct.unpack_from("<IIII", data, at)
        outputs = np.frombuffer(data, np.int8, size, at + 16)
        found.append(Ran(status, bad_op, ticks * tick_instructions, outputs))
        at += 16 + size + -size % 4
    assert at == len(data)
    return found
