"""What is taken from a model: the recipe's steps, and the stages ``channels`` and ``prune``."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import Pruned
from edgeprune.devices.boards import Cpu
from edgeprune.pipeline.planned import check_int8, check_size
from edgeprune.pipeline.read import Read, is_trainable
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.steps import after_steps
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.training.context import StageContext


def removed(
    request: Request,
    recipe: Recipe,
    read: Read,
    context: StageContext,
    cpu: Cpu,
    progress: Progress,
) -> tuple[Recipe, StageContext, Pruned]:
    """The recipe's steps, and the stages ``channels`` and ``prune``.

    Args:
        request: What the user asked for.
        recipe: As asked for, for the board's core.
        read: The user's model and data.
        context: For the steps.
        cpu: The board's cores.
        progress: Shows the stages.

    Returns:
        The recipe in force, the context for later stages, and the pruned model.
    """
    from edgeprune.auto.choice import choose
    from edgeprune.channels.stage import remove_channels
    from edgeprune.convert import convert
    from edgeprune.pruning import prune

    loaded, data = read.loaded, read.data
    stepped = after_steps(loaded, recipe, context, progress)
    context = dataclasses.replace(context, teacher=stepped.dense)
    with stage_if(progress, "channels", not recipe.channels.is_noop):
        smaller = remove_channels(stepped.model, recipe.channels, context, recipe.prune.control)
        tflite = read.dense if smaller.model is loaded else convert(smaller.model)
        recipe = choose(
            recipe,
            cpu,
            tflite,
            stored=loaded.stored,
            has_data=data is not None,
            is_trainable=is_trainable(loaded, data),
        )
    _check_storage(tflite, recipe, cpu, loaded)
    with progress.stage("prune"):
        check_size(request, recipe, tflite)
        pruned = prune(smaller, recipe.prune, context, tflite)
    return recipe, context, stepped.joined(pruned)


def _check_storage(tflite: bytes, recipe: Recipe, cpu: Cpu, loaded: Loaded) -> None:
    """Refuses a way of storing weights that the model or the board does not take.

    Raises:
        ModelError: The model cannot be stored so.
        ConfigError: The board cannot compute on it.
    """
    from edgeprune.quantize import check_mode

    if cpu.is_microcontroller:
        check_int8(recipe, loaded)
    check_mode(tflite, recipe.quantize.mode, recipe.quantize.layers)


def stage_if(progress: Progress, name: str, has_work: bool) -> AbstractContextManager[None]:
    """Shows a stage where it has something to do; what does nothing is no news."""
    return progress.stage(name) if has_work else nullcontext()
