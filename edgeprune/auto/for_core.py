"""A recipe meant for the layers that a core can run sparse."""

from __future__ import annotations

import dataclasses

from edgeprune.devices.boards import Cpu
from edgeprune.prediction.own_kernels import costs_of
from edgeprune.recipe import Recipe
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.sparsify.kernel_choice import OWN_PATTERN


def for_core(recipe: Recipe, cpu: Cpu) -> Recipe:
    """The recipe with every table ``[prune]`` meant for the layers that a core can run sparse.

    A microcontroller's sparse kernels run every convolution, and so do edgeprune's own, which want
    zeros in blocks of 1x4; no other kernel of a PC or phone does anything with such blocks.
    """
    runs_blocks = not cpu.is_microcontroller and takes_own(recipe.sparsify.kernels, cpu)

    def meant(table: PruneTable) -> PruneTable:
        runs_all = cpu.is_microcontroller or (runs_blocks and table.pattern == OWN_PATTERN)
        return dataclasses.replace(table, layers="all") if runs_all else table

    steps = tuple(
        step if step.prune is None else dataclasses.replace(step, prune=meant(step.prune))
        for step in recipe.steps
    )
    found = dataclasses.replace(recipe, prune=meant(recipe.prune), steps=steps)
    return recipe if found == recipe else found


def takes_own(kernels: str, cpu: Cpu) -> bool:
    """Whether any layer can get a kernel of edgeprune's own on a PC or phone."""
    return kernels == "edgeprune" or (kernels == "auto" and costs_of(cpu)[0] is not None)
