"""A recipe meant for the layers that a core can run sparse."""

from __future__ import annotations

import dataclasses

from edgeprune.devices.boards import Cpu
from edgeprune.recipe import Recipe


def for_core(recipe: Recipe, cpu: Cpu) -> Recipe:
    """The recipe with every table ``[prune]`` meant for the layers that a core can run sparse.

    A microcontroller's sparse kernels run every convolution.
    """
    if not cpu.is_microcontroller:
        return recipe
    prune = dataclasses.replace(recipe.prune, layers="all")
    steps = tuple(
        step
        if step.prune is None
        else dataclasses.replace(step, prune=dataclasses.replace(step.prune, layers="all"))
        for step in recipe.steps
    )
    return dataclasses.replace(recipe, prune=prune, steps=steps)
