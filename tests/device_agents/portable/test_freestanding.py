"""What firmware shares compiles without an operating system, and asks nothing of one."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import agent_rig
import networkx as nx
import pytest

from edgeprune.devices.toolchain import zig
from edgeprune.files import paths

PORTABLE = paths.shipped("device_agents") / "portable"
SOURCES = sorted(PORTABLE.glob("*.c"))
ZIG = Path(importlib.util.find_spec("ziglang").origin).parent
STACK_BYTES = 512  # of a function's own frame
C99 = [*("-std=c99", "-ffreestanding", "-pedantic", f"-Wframe-larger-than={STACK_BYTES}"),
       *("-Wvla", "-Wshadow", "-O2", *agent_rig.WARNINGS)]  # fmt: skip
CLANG = [sys.executable, "-m", "ziglang", "cc", "-nostdinc"]
CLANG += ["-isystem", str(Path(__file__).with_name("freestanding"))]
CLANG += ["-isystem", str(ZIG / "lib" / "include"), *C99]
COMPILERS = {
    "this machine": ["gcc", *C99],
    "Cortex-M0": [*CLANG, "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"],
    "Cortex-M4": [*CLANG, "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"],
    "RISC-V": [*CLANG, "-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c"],
}

FUNCTIONS = {"memcpy", "memmove", "memset", "memcmp", "strlen"}
HELPERS = re.compile(r"__aeabi_(?![fd])\w+|__[a-z]+[sd]i\d|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail")
"""Of compilers, for integers: the Run-time ABI for the Arm Architecture, GCC's libgcc interface."""

OTHER_HEADERS = re.compile(r"#include <(?!(limits|stdarg|stdbool|stddef|stdint|string)\.h>)(.*)>")


def compiled(compiler, source, folder):
    """The object file, or what the compiler says."""
    made = folder / f"{source.stem}.o"
    done = subprocess.run(
        [*COMPILERS[compiler], "-c", source, "-o", made],
        capture_output=True,
        text=True,
        timeout=120,
        env=None if compiler == "this machine" else zig._environment() | {"PATH": "/usr/bin:/bin"},
    )
    return made if done.returncode == 0 else done.stderr


def symbols(files, *options):
    argv = ["nm", *options, "--format=posix", *files]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    return {line.split()[0] for line in lines.splitlines() if line and not line.endswith(":")}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_shared_code_compiles_without_an_operating_system_and_needs_no_function_of_one(
    compiler, tmp_path
):
    made = [compiled(compiler, source, tmp_path) for source in SOURCES]
    assert len(made) >= 10
    for found in made:
        assert isinstance(found, Path), found
    needed = symbols(made, "--undefined-only") - symbols(made, "--defined-only", "--extern-only")
    assert {name for name in needed if not HELPERS.fullmatch(name)} <= FUNCTIONS


def test_shared_code_keeps_nothing_between_two_calls(tmp_path):
    """Two of everything may be in use at once: all memory that is written is the caller's."""
    for source in SOURCES:
        made = compiled("this machine", source, tmp_path)
        lines = subprocess.run(["nm", made], check=True, capture_output=True, text=True, timeout=60)
        kinds = {line.split()[-2] for line in lines.stdout.splitlines()}
        assert not kinds & set("dDbBC"), source.name


def test_shared_code_includes_headers_alone_that_every_compiler_has():
    for path in PORTABLE.iterdir():
        assert not OTHER_HEADERS.search(path.read_text()), path.name


@pytest.mark.parametrize(
    ("holds", "does_not"),
    [
        ("(-1 >> 1) == -1", "(-1 / 2) == -1"),
        ("(INT64_C(-1) >> 1) == -1", "(INT64_C(-1) / 2) == -1"),
        ("(-1 & 3) == 3", "(-2 & 3) == 3"),
        ("sizeof(int) >= 4", "sizeof(short) >= 4"),
        ("CHAR_BIT == 8", "CHAR_BIT == 9"),
    ],
)
def test_a_compiler_that_computes_otherwise_is_refused(tmp_path, holds, does_not):
    """Each condition as such a compiler would find it."""
    text = (PORTABLE / "target.h").read_text()
    assert holds in text
    other = tmp_path / "target.c"
    other.write_text(text)
    assert isinstance(compiled("this machine", other, tmp_path), Path)
    other.write_text(text.replace(holds, does_not))
    assert "target_needs_" in compiled("this machine", other, tmp_path)


EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \((static|dynamic[^)]*)\)')
STACK_IN_ALL_BYTES = 1024  # callbacks of the caller aside


def short(name):
    """A function's name as its callers have it: of a static one, its file stands before it."""
    return name.rpartition(":")[2]


def test_no_shared_function_calls_itself_and_all_calls_together_take_little_stack(tmp_path):
    """What gcc says of this machine's code; a microcontroller's registers are half as wide."""
    calls, stack = nx.DiGraph(), {}
    for source in SOURCES:
        made = tmp_path / f"{source.stem}.o"
        argv = [*COMPILERS["this machine"], "-fcallgraph-info=su", "-c", source, "-o", made]
        subprocess.run(argv, check=True, timeout=120)
        text = made.with_suffix(".ci").read_text()
        calls.add_edges_from((short(a), short(b)) for a, b in EDGE.findall(text))
        for name, size, kind in NODE.findall(text):
            assert kind == "static", name
            stack[short(name)] = int(size)
    assert {"epz_unpack", "json_parse", "text_string"} <= set(stack)
    assert nx.is_directed_acyclic_graph(calls)
    for a, b in calls.edges:
        calls.edges[a, b]["bytes"] = stack.get(b, 0) + 8  # and where it returns to
    longest = nx.dag_longest_path(calls, "bytes")
    assert stack[longest[0]] + nx.path_weight(calls, longest, "bytes") <= STACK_IN_ALL_BYTES


def test_documents_say_how_much_memory_unpacking_takes(tmp_path):
    (tmp_path / "size.c").write_text(
        '#include <stdio.h>\n#include "epz.h"\n'
        'int main(void) { printf("%zu", sizeof(struct epz_arena)); return 0; }\n'
    )
    argv = ["gcc", f"-I{PORTABLE}", tmp_path / "size.c", "-o", tmp_path / "size"]
    subprocess.run(argv, check=True, timeout=60)
    size = int(subprocess.run([tmp_path / "size"], check=True, capture_output=True).stdout)
    agents = PORTABLE.parent
    root = Path(__file__).parents[3]
    documents = [agents / "README.md", agents / "PROTOCOL.md", PORTABLE / "epz.h"]
    for document in [*documents, root / "docs" / "epz.md"]:
        assert f"about {round(size / 1024, -1):.0f} KiB" in document.read_text(), document
