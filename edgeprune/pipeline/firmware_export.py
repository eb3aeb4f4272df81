"""A network's folder of C, written where the user wants it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeprune.devices.boards import MICROCONTROLLER, load_board
from edgeprune.errors import ConfigError
from edgeprune.files.scratch import scratch_folder
from edgeprune.files.whole_file import shown
from edgeprune.firmware.board import plan_for, whole_of
from edgeprune.firmware.ends import conversions
from edgeprune.firmware.export import exported
from edgeprune.firmware.layers import layers_of
from edgeprune.models.tflite import graph
from edgeprune.pipeline.jobs import read_in_child
from edgeprune.pipeline.preflight import check_model


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: Where.
        core: The core that it is for.
        plan_bytes: Size of the network's plan.
        arena_bytes: Memory that it runs in.
        kernels: Names of the kernels in the folder that the plan calls, each once.
        remark: What the file does at its ends and the folder's C does not; None where nothing.
    """

    folder: Path
    core: str
    plan_bytes: int
    arena_bytes: int
    kernels: tuple[str, ...]
    remark: str | None

    def document(self) -> dict[str, Any]:
        """All of it, as ``--json`` prints it."""
        return {
            "folder": str(self.folder),
            "core": self.core,
            "plan_bytes": self.plan_bytes,
            "arena_bytes": self.arena_bytes,
            "kernels": list(self.kernels),
            "remark": self.remark,
        }


def export(model: Path, board: str, folder: Path) -> Exported:
    """Writes a folder of C, whole or not at all.

    Args:
        model: An int8 ``.tflite`` file.
        board: Name of a microcontroller, whose core it is for.
        folder: Where; it must not exist.

    Raises:
        ModelError: Firmware cannot run the model, or the chip is too small for it.
        ConfigError: The board is none with firmware, or the folder cannot be written.
    """
    kind = load_board(board)
    if kind.kind != MICROCONTROLLER:
        raise ConfigError(f"{kind.name} is no microcontroller: firmware runs on none of its cores")
    if folder.exists() or folder.is_symlink():
        raise ConfigError(f"{shown(folder)}: exists already; remove it, or choose another name")
    check_model(model)
    tflite = read_in_child(model, False, None).tflite
    plan = plan_for(tflite, kind, whole_of(kind))
    files = exported(plan, model.name, kind.cpu)
    try:
        with scratch_folder(folder.absolute().parent) as aside:
            whole = aside / "whole"
            for name, text in files.items():
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                (whole / name).write_text(text, encoding="utf-8")
            os.rename(whole, folder)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    kernels = dict.fromkeys(layer.kernel for layer in layers_of(tflite, plan))
    remark = conversions(graph.view(tflite), "your program has to convert")
    sizes = len(plan.data), plan.arena.bytes
    return Exported(folder, kind.cpu.core, *sizes, tuple(kernels), remark)
