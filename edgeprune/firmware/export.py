"""A network as a folder of C that any compiler takes: engine, kernels, plan, a short main."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edgeprune.devices.boards import Cpu
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.firmware import linked
from edgeprune.firmware.board import isa_of_core
from edgeprune.firmware.facts import facts_of
from edgeprune.firmware.plan import Plan
from edgeprune.version import __version__

_NAMED = re.compile(r"\bep_s8_\w+__(?:scalar|dsp|mve)\b|\bep_is_\w+(?=, run_)")
_DEFINED = re.compile(r"^(?:void|bool) (ep_\w+)\(", re.MULTILINE)
_INCLUDE = re.compile(r'^#include "([\w/]+\.h)"$', re.MULTILINE)
_TABLES = ("src/kernel_table.c", "src/kinds.c")
_TEMPLATES = Path(__file__).with_name("exported")
_WORDS_A_LINE = 8
_SPEED = {"scalar": "-O2", "dsp": "-Os", "mve": "-O2"}
"""How kernels are optimized: the hot loops of ``dsp`` are written in assembly."""


def exported(plan: Plan, name: str, cpu: Cpu) -> dict[str, str]:
    """The folder's files: their text, by path below the folder.

    Only the kernels that the plan needs are in it, so that nothing else takes flash.

    Args:
        plan: The network's.
        name: What the network is called, for people.
        cpu: The core that the plan is for.

    Raises:
        ConfigError: A source is missing.
    """
    firmware = paths.shipped("firmware")
    sources = [firmware / path for path in linked.sources([plan.data])]
    files = {f"src/{path.name}": _read(path) for path in sources}
    there = {name for text in files.values() for name in _DEFINED.findall(text)}
    for table in _TABLES:
        files[table] = _only(files[table], there)
    for header in _headers(sources):
        where = "include/edgeprune" if header.parent.name == "edgeprune" else "src"
        files[f"{where}/{header.name}"] = _read(header)
    kernels = sorted(path.name for path in sources if path.parent.name == "kernels")
    settings = {
        "@ARCH@": f"-mcpu={cpu.core} -mthumb" if cpu.is_microcontroller else "",
        "@SPEED@": _SPEED[isa_of_core(cpu)],
        "@KERNELS@": " ".join(f"src/{name}" for name in kernels),
    }
    for template in ("main.c", "Makefile", "CMakeLists.txt"):
        files[template] = _filled(_read(_TEMPLATES / template), settings)
    return files | _model(plan, name)


def _filled(template: str, settings: Mapping[str, str]) -> str:
    for name, value in settings.items():
        template = template.replace(name, value)
    return template


def _only(table: str, there: set[str]) -> str:
    """A table without the kernels, and the judges of their plans, that are not there."""
    return _NAMED.sub(lambda name: name[0] if name[0] in there else "NULL", table)


def _headers(sources: Iterable[Path]) -> list[Path]:
    """Headers that sources include, and those that these do."""
    firmware, portable = paths.shipped("firmware"), paths.shipped("device_agents") / "portable"
    folders = [firmware / "include", firmware / "src", firmware / "kernels", portable]
    found: dict[str, Path] = {}
    waiting = list(sources)
    while waiting:
        for name in _INCLUDE.findall(_read(waiting.pop())):
            if name not in found:
                found[name] = _found(name, folders)
                waiting.append(found[name])
    return sorted(found.values())


def _found(name: str, folders: Iterable[Path]) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{name} is missing, reinstall edgeprune")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} is missing, reinstall edgeprune: {error}") from error


def _model(plan: Plan, name: str) -> dict[str, str]:
    """The plan as words, little endian, aligned as the engine wants it."""
    data = plan.data + bytes(-len(plan.data) % 4)
    words = [
        f"0x{int.from_bytes(data[at : at + 4], 'little'):08x}" for at in range(0, len(data), 4)
    ]
    rows = [words[at : at + _WORDS_A_LINE] for at in range(0, len(words), _WORDS_A_LINE)]
    lines = "\n".join("    " + ", ".join(row) + "," for row in rows)
    title = f"/* {_comment(name)}, by edgeprune {__version__}. */\n"
    ends = "".join(_ends(plan.data))
    header = (
        f"{title}{ends}#ifndef MODEL_H\n#define MODEL_H\n\n#include <stdint.h>\n\n"
        f"#define MODEL_PLAN_BYTES {len(plan.data)}\n#define MODEL_ARENA_BYTES {plan.arena.bytes}\n"
        f"\nextern const uint32_t model_plan[{len(words)}];\n\n#endif\n"
    )
    source = (
        f'{title}#include "model.h"\n\nconst uint32_t model_plan[{len(words)}] = {{\n{lines}\n}};\n'
    )
    return {"model.h": header, "model.c": source}


def _ends(plan: bytes) -> Iterator[str]:
    """A line for each input and output: what its int8 stand for."""
    facts = facts_of(plan)
    for word, tensors in (("input", facts.inputs), ("output", facts.outputs)):
        for number, tensor in enumerate(tensors):
            shape = " x ".join(str(size) for size in tensor.shape)
            yield (
                f"/* {word} {number}: {shape}, real value = {tensor.scale:.9g} * "
                f"(stored - ({tensor.zero_point})) */\n"
            )


def _comment(name: str) -> str:
    """A name that ends no comment."""
    return re.sub(r"[^\w.,+-]+", " ", name)[:80]
