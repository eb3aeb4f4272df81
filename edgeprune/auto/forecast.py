"""What ``compress`` would make of a float model: predicted before anything is trained.

Weights are zeroed at once, the smallest first. What a layer costs depends on how many zeros there
are and in which pattern, hardly on which ones, so training in between changes little.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.artifacts.plan import Forecast
from edgeprune.devices.boards import Cpu
from edgeprune.prediction import explain
from edgeprune.pruning import prune
from edgeprune.recipe.prune_parts import ALLOCATIONS
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import stored_dense
from edgeprune.training.context import StageContext

_NO_FILE = ModelFile(Path(), "", "tflite")


@lru_cache(maxsize=1)
def forecast(tflite: bytes, table: PruneTable, cpu: Cpu) -> Forecast:
    """Prunes, rewrites and plans a float model; the last result is kept for who asks again.

    Args:
        tflite: Any storage; sparse tensors are decoded first.
        table: How to prune; ``sparsity`` 0 leaves the zeros that are there. Allocations that need
            data count as uniform, which ``cost_aware`` costs no more than.
        cpu: The board's cores.

    Raises:
        ModelError: The file is damaged, or its weights are quantized and ``sparsity`` is not 0.
    """
    if ALLOCATIONS[table.allocation].measures_loss:
        table = dataclasses.replace(table, allocation="uniform")
    loaded = Loaded(_NO_FILE, tflite=stored_dense(tflite))
    # Which weights are zero hardly matters to the cost, and other criteria need the Keras model.
    table = dataclasses.replace(table, criterion="magnitude")
    pruned = prune(loaded, table, StageContext(cpu=cpu)).model.tflite or tflite
    rewritten = rewrite(pruned, cpu)
    plan = explain(rewritten.tflite, cpu, assume_hint=True)
    if plan.wrong:  # then compress stores it dense
        plan = explain(rewritten.tflite, cpu)
    return Forecast(
        sparsity=table.sparsity,
        pattern=table.pattern,
        plan=plan,
        summary=rewritten.summary,
        steps=_counted(note.rewrite.replace("_", " ") for note in rewritten.notes if note.done),
        refused=_counted(
            f"{note.rewrite.replace('_', ' ')}: {note.detail}"
            for note in rewritten.notes
            if not note.done
        ),
    )


def _counted(lines: Iterable[str]) -> tuple[str, ...]:
    """Each line once, with how often it came."""
    return tuple(f"{count} x {line}" for line, count in Counter(lines).items())


def grid(
    tflite: bytes, sparsities: tuple[float, ...], patterns: tuple[str, ...], cpu: Cpu
) -> list[Forecast]:
    """Forecasts for every pattern at every sparsity, patterns of one sparsity in a row."""
    table = PruneTable()
    return [
        forecast(tflite, dataclasses.replace(table, sparsity=sparsity, pattern=pattern), cpu)
        for sparsity in sparsities
        for pattern in patterns
    ]
