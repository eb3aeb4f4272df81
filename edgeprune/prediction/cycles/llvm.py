"""Cycles of blocks of machine code by LLVM's models of pipelines, where LLVM is installed.

A block is taken as if it ran again and again: where the core runs out of order, its instructions
overlap with those of the block's next run, as they do in a loop. Data are always in the first
level of cache, and branches are foreseen.

Source: LLVM, "llvm-mca - LLVM Machine Code Analyzer".
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgeprune.errors import ConfigError

MAJOR = 19
"""The release that the table was made with; another one has other models."""

_MC, _MCA = f"llvm-mc-{MAJOR}", f"llvm-mca-{MAJOR}"
_REPEATS = 100
_TIMEOUT_S = 600.0
_EVERY_FEATURE = "+all"


def is_installed() -> bool:
    """Whether cycles of unknown blocks can be had on this machine."""
    return shutil.which(_MC) is not None and shutil.which(_MCA) is not None


def cycles_of(blocks: Sequence[bytes], pipelines: str) -> list[float | None]:
    """Cycles of each block.

    Args:
        blocks: Code for aarch64.
        pipelines: LLVM's name of a scheduling model, as ``-mcpu`` takes it.

    Returns:
        In order; None where the model does not know an instruction.

    Raises:
        ConfigError: LLVM is not installed, or fails.
    """
    if not blocks:
        return []
    texts = _assembly(blocks)
    regions = "".join(
        f"# LLVM-MCA-BEGIN {i}\n{text}\n# LLVM-MCA-END\n" for i, text in enumerate(texts)
    )
    options = ["-mtriple=aarch64", f"-mcpu={pipelines}", f"-mattr={_EVERY_FEATURE}"]
    options += ["--call-latency=1", "--skip-unsupported-instructions=any"]
    options += [f"--iterations={_REPEATS}", "--json", "-"]
    found = json.loads(_run(_MCA, options, regions))
    cycles: list[float | None] = [None] * len(blocks)
    for region in found["CodeRegions"]:
        summary = region["SummaryView"]
        i = int(region["Name"])
        if summary["Instructions"] == _REPEATS * (len(blocks[i]) // 4):
            cycles[i] = summary["TotalCycles"] / _REPEATS
    return cycles


def _assembly(blocks: Sequence[bytes]) -> list[str]:
    """Each block as text, one line an instruction."""
    words = [block[i : i + 4] for block in blocks for i in range(0, len(block), 4)]
    code = "".join(" ".join(f"0x{byte:02x}" for byte in word) + "\n" for word in words)
    options = ("--disassemble", "-triple=aarch64", f"-mattr={_EVERY_FEATURE}")
    lines = [line.strip() for line in _run(_MC, options, code).splitlines()]
    lines = [line for line in lines if line and not line.startswith(".")]
    if len(lines) != len(words):
        raise ConfigError(f"{_MC} read {len(lines):,} of {len(words):,} instructions")
    texts, at = [], 0
    for block in blocks:
        count = len(block) // 4
        texts.append("\n".join(lines[at : at + count]))
        at += count
    return texts


def _run(program: str, options: Sequence[str], text: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise ConfigError(f"{program} is not installed: apt-get install llvm-{MAJOR}")
    try:
        done = subprocess.run(
            [Path(path), *options],
            input=text,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{program} failed: {error}") from error
    return done.stdout
