"""The recipe's steps: tune, channels and prune in any number, before its own tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelGroup, ChannelPruned, Pruned, PrunedTensor
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.steps import Step
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.training.context import StageContext


@dataclass(frozen=True)
class Stepped:
    """A model after some steps.

    Attributes:
        model: It.
        dense: What distillation asks, and what later stages compare with. It is the user's own
            model; where steps tuned that before anything was removed from it, the tuned one.
        tensors: What was pruned, by name.
        groups: Channels that were removed, by name.
        fine_tuned: Whether a step trained something.
        profiling_only: Whether something was removed without any data.
        notes: Lines for the report, each with its step.
    """

    model: Loaded
    dense: Loaded
    tensors: dict[str, PrunedTensor] = dataclasses.field(default_factory=dict)
    groups: dict[str, ChannelGroup] = dataclasses.field(default_factory=dict)
    fine_tuned: bool = False
    profiling_only: bool = False
    notes: tuple[str, ...] = ()

    def joined(self, pruned: Pruned) -> Pruned:
        """These steps, and what the recipe's own tables ``[channels]`` and ``[prune]`` did."""
        if not self.notes:
            return pruned
        own = pruned.notes if pruned.tensors or pruned.groups else ()  # nothing more is no news
        return dataclasses.replace(
            pruned,
            tensors=tuple((self.tensors | _named(pruned.tensors)).values()),
            groups=tuple(_joined_groups(self.groups, pruned.groups).values()),
            fine_tuned=self.fine_tuned or pruned.fine_tuned,
            profiling_only=self.profiling_only or pruned.profiling_only,
            notes=(*self.notes, *own),
        )


def after_steps(
    loaded: Loaded, recipe: Recipe, context: StageContext, progress: Progress
) -> Stepped:
    """Carries out the recipe's steps, each on the weights of the one before.

    Args:
        loaded: The user's model; is not changed.
        recipe: For the board, see :func:`edgeprune.auto.for_core.for_core`.
        context: As for all stages. No step watches its limit of the drop in accuracy, so that a
            step is the same training whatever the limit.
        progress: Shows each step as a stage.

    Raises:
        ModelError: A step cannot be carried out.
        ConfigError: An option names no layer.
    """
    now = Stepped(loaded, loaded)
    for number, step in enumerate(recipe.steps, 1):
        name = f"step {number} {' '.join(step.names)}"
        with progress.stage(name):
            unwatched = dataclasses.replace(context, max_accuracy_drop=None, teacher=now.dense)
            after = after_step(now, step, unwatched)
        lines = [f"{name}: {note}" for note in after.notes]
        now = dataclasses.replace(after, notes=(*now.notes, *lines))
    return now


def after_step(now: Stepped, step: Step, context: StageContext) -> Stepped:
    """One step more; its notes are those of that step alone.

    Nobody watches a step, so that it trains on all samples but those that the user holds out.
    """
    if context.data is not None:
        context = dataclasses.replace(
            context, data=dataclasses.replace(context.data, is_watched=False)
        )
    if step.tune is not None:
        return _tuned(now, step.tune, context)
    if step.channels is not None:
        return _smaller(now, step.channels, context)
    return _pruned(now, step.prune or PruneTable(), context)


def _tuned(now: Stepped, table: TuneTable, context: StageContext) -> Stepped:
    from edgeprune.tuning import tune

    done = tune(now.model, table, context)
    is_dense = now.model is now.dense
    return dataclasses.replace(
        now,
        model=done.model,
        dense=done.model if is_dense else now.dense,
        fine_tuned=now.fine_tuned or done.fine_tuned,
        notes=done.notes or ("nothing to do",),
    )


def _smaller(now: Stepped, table: ChannelsTable, context: StageContext) -> Stepped:
    from edgeprune.channels.stage import remove_channels

    done = remove_channels(now.model, table, context, control=False)
    return dataclasses.replace(
        now,
        model=done.model,
        groups=_joined_groups(now.groups, done.groups),
        fine_tuned=now.fine_tuned or done.fine_tuned,
        profiling_only=now.profiling_only or done.profiling_only,
        notes=done.notes or ("nothing to do",),
    )


def _pruned(now: Stepped, table: PruneTable, context: StageContext) -> Stepped:
    from edgeprune.convert import convert
    from edgeprune.pruning import prune

    table = dataclasses.replace(table, control=False, seed=context.seed)
    sizes = convert(now.model) if table.needs_sizes else None
    done = prune(ChannelPruned(now.model, now.dense), table, context, sizes)
    return dataclasses.replace(
        now,
        model=done.model,
        tensors=now.tensors | _named(done.tensors),
        fine_tuned=now.fine_tuned or done.fine_tuned,
        profiling_only=now.profiling_only or done.profiling_only,
        notes=done.notes,
    )


def _named(tensors: Iterable[PrunedTensor]) -> dict[str, PrunedTensor]:
    return {tensor.name: tensor for tensor in tensors}


def _joined_groups(
    before: dict[str, ChannelGroup], after: Iterable[ChannelGroup]
) -> dict[str, ChannelGroup]:
    """Groups as they were at first, and as they are at last."""
    joined = dict(before)
    for group in after:
        first = before.get(group.name, group)
        joined[group.name] = dataclasses.replace(group, channels_before=first.channels_before)
    return joined
