"""Bytes of flash that a network takes on a microcontroller besides its weights, part by part.

    python benchmarks/firmware_size.py [mps2-an386|mps3-an547|...] [KWS|IC|AD|VWW]

Two programs, each by ziglang (what edgeprune builds with) and by arm-none-eabi-gcc: the exported
folder linked with its `main.c`, and the firmware that serves a line. Code and constants are counted
in the linker's map, by the file that they come from.
"""

from __future__ import annotations

import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import mlperf_tiny  # puts the tests' folder onto the path
from plan_bytes import CONV_ARGS

from edgeprune.devices.boards import load_board
from edgeprune.files import paths
from edgeprune.firmware import build, encode
from edgeprune.firmware.board import isa_of_core
from edgeprune.firmware.export import exported
from edgeprune.firmware.facts import facts_of
from edgeprune.firmware.plan import Plan, compiled

FIRMWARE = paths.shipped("firmware")
CORTEX_M = FIRMWARE / "ports" / "cortex_m"
LANGUAGE = ("-std=c99", "-ffunction-sections", "-fdata-sections")
SECTION = re.compile(r"^ +\[ *(\d+)\] (\S+) +PROGBITS +\w+ \w+ (\w+)", re.MULTILINE)
SYMBOL = re.compile(r"^ +\d+: (\w+) +(\w+) (\w+) +(\w+) +\w+ +(\w+) (\S+)$", re.MULTILINE)
PARTS = {"engine": "src", "server": "server", "kernels": "kernels", "port": "ports"}
SOURCES = [file for name in PARTS.values() for file in (FIRMWARE / name).rglob("*.c")]
SOURCES += (paths.shipped("device_agents") / "portable").glob("*.c")
CALLED = re.compile(r'^(?:\w[\w ]*[ *])?(\w+)\(|"(dsp_\w+)"', re.MULTILINE)
DEFINED = {
    name: file.stem for file in SOURCES for names in CALLED.findall(file.read_text())
    for name in names if name
} | {"model_plan": "model", "main": "main"}  # fmt: skip
"""The file of each function that others call, written in C or assembly, and of the plan."""

CHANNEL_BYTES = 9
"""Of ``struct ep_channel`` and its shift."""

START = "int main(void);\nvoid ep_start(void);\nvoid ep_start(void) { main(); }\n"
SCRIPT = """
MEMORY { code (rx) : ORIGIN = 0, LENGTH = 4M
         ram (rwx) : ORIGIN = 0x20000000, LENGTH = 4M }
INCLUDE sections.ld
"""


class Compiler:
    """One of the two, for one board."""

    def __init__(self, name: str, board: str) -> None:
        """Takes the board's core."""
        self.settings = settings = build.settings(board)
        if name == "gcc":
            core = [f"-mcpu={settings['CPU']}", "-mthumb", f"-mfloat-abi={settings['FLOAT']}"]
            self.start, self.end = ["arm-none-eabi-gcc", *core, "-g"], ["-nostdlib", "-lgcc"]
        else:
            core = ["-target", build.TARGETS[settings["FLOAT"]], f"-mcpu={settings['ZIG_CPU']}"]
            self.start, self.end = [sys.executable, "-m", "ziglang", "cc", *core, "-g"], []

    def linked(
        self, code: Sequence[str | Path], script: str, folder: Path
    ) -> tuple[Counter[str], int]:
        """Bytes of code and constants by C file, and those that no symbol stands for."""
        sections = (CORTEX_M / "sections.ld").read_text()
        (folder / "link.ld").write_text(script.replace("INCLUDE sections.ld", sections))
        elf = folder / "program.elf"
        link: list[str | Path] = [
            "-Wl,--gc-sections,-e,ep_start",
            "-T",
            folder / "link.ld",
            "-o",
            elf,
        ]
        _run([*self.start, *LANGUAGE, *self.settings["FLAGS"].split(), *code, *link, *self.end])
        return _symbols(elf)


def _run(argv: Sequence[str | Path]) -> None:
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, env=_environment(), check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])


def _environment() -> dict[str, str]:
    cache = str(paths.cache_folder() / "zig")
    return {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}


def _read(tool: str, elf: Path) -> str:
    argv = ["arm-none-eabi-readelf", "--wide", tool, str(elf)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _symbols(elf: Path) -> tuple[Counter[str], int]:
    """Functions and constants by the file that they are of; what is left of their sections."""
    sections = {
        number: int(size, 16)
        for number, name, size in SECTION.findall(_read("--sections", elf))
        if name.startswith((".text", ".rodata", ".data"))
    }
    found: Counter[str] = Counter()
    file, seen = "", set()
    for address, size, kind, bind, section, name in SYMBOL.findall(_read("--symbols", elf)):
        if kind == "FILE":
            file = name
        elif section in sections and kind in ("FUNC", "OBJECT") and address not in seen:
            seen.add(address)
            found[DEFINED.get(name, "") if bind == "GLOBAL" else Path(file).stem] += int(size, 0)
    return found, sum(sections.values()) - sum(found.values())


def parts_of(found: tuple[Counter[str], int]) -> Counter[str]:
    """The same by part of the firmware."""
    bytes_of, left = found
    parts: Counter[str] = Counter({"strings, alignment": left})
    place = {
        file.stem: part for part, name in PARTS.items() for file in (FIRMWARE / name).rglob("*.c")
    }
    place |= {"text_commands": "text commands", "text_db": "text commands", "say": "text commands"}
    place |= {"main": "main.c", "model": "plan"}
    place |= {name.split(".")[0]: "server" for name in build.PORTABLE}
    for stem, size in bytes_of.items():
        parts[place.get(stem, "compiler's own")] += size
    return parts


def plan_parts(plan: Plan) -> dict[str, int]:
    """Bytes of a plan's weights (with their index), of its channels' tables, and of the rest."""
    weights = channels = 0
    data = plan.data
    (ops_at,) = struct.unpack_from("<I", data, 44)
    for number, (kind, *_) in enumerate(facts_of(data).ops):
        if kind > encode.KINDS["FULLY_CONNECTED"]:
            continue
        at = ops_at + number * struct.calcsize(encode.OP) + 24
        (args_at,) = struct.unpack_from("<I", data, at)
        values = {
            name: struct.unpack_from("<I", data, args_at + place)[0]
            for name, place in CONV_ARGS.items()
        }
        rows = (values["shifts_at"] - values["channels_at"]) // 8
        weights += values["weights_bytes"] + values["index_bytes"]
        weights += 2 * rows if values["counts_at"] else 0
        channels += CHANNEL_BYTES * rows
    return {"weights": weights, "channel tables": channels,
            "rest of the plan": len(data) - weights - channels}  # fmt: skip


def export_parts(compiler: Compiler, plan: Plan, board: str, folder: Path) -> Counter[str]:
    """The exported folder, linked with its main and a start of one line."""
    for path, text in exported(plan, "model", load_board(board).cpu).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "start.c").write_text(START)
    includes = [f"-I{path}" for path in (folder / "include", folder)]
    memory: list[str | Path] = ["-isystem", CORTEX_M / "libc", CORTEX_M / "string.c"]
    compiler_of = " ".join([*map(shlex.quote, compiler.start), f"-isystem {CORTEX_M / 'libc'}"])
    _run(["make", "-s", "-C", folder, "libmodel.a", f"CC={compiler_of}", "ARCH="])
    code: list[str | Path] = [
        folder / "start.c",
        folder / "main.c",
        *includes,
        *memory,
        folder / "libmodel.a",
    ]
    return parts_of(compiler.linked(code, SCRIPT, folder))


def served_parts(compiler: Compiler, board: str, folder: Path) -> Counter[str]:
    """The firmware that serves a line."""
    script = (FIRMWARE / "ports" / board / "link.ld").read_text()
    made_of = build.sources(board)
    code: list[str | Path] = [*made_of.files, *(f"-I{path}" for path in made_of.includes)]
    return parts_of(compiler.linked(code, script, folder))


def show(title: str, parts: Counter[str] | dict[str, int]) -> None:
    """One line a part, and their sum."""
    print(f"{title}: {sum(parts.values()):,} bytes")
    for part, size in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"    {part:18} {size:7,}")


def main() -> None:
    """Prints all."""
    board, name = [*sys.argv[1:], *("mps2-an386", "KWS")[len(sys.argv) - 1 :]]
    isa = isa_of_core(load_board(board).cpu)
    plan = compiled(mlperf_tiny.networks()[name], isa)
    held = plan_parts(plan)
    show(f"{name}'s plan for {isa}", held)
    besides = len(plan.data) - held["weights"]
    for compiler_name in ("ziglang", "gcc"):
        compiler = Compiler(compiler_name, board)
        with tempfile.TemporaryDirectory() as folder:
            parts = export_parts(compiler, plan, board, Path(folder))
            del parts["plan"]
            show(f"exported, by {compiler_name}, without its plan", parts)
            print(f"    with its plan, but for weights: {sum(parts.values()) + besides:,} bytes")
        with tempfile.TemporaryDirectory() as folder:
            show(f"served, by {compiler_name}", served_parts(compiler, board, Path(folder)))
    print(f"served, the file that edgeprune builds: {build.built(board)}")


if __name__ == "__main__":
    main()
