"""The recipe's table ``[channels]``: which channels a model is to lose."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edgeprune.recipe.faults import not_among, share_text, too_small
from edgeprune.recipe.prune_parts import CHANNEL
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.training import Training, training_faults, training_of
from edgeprune.text.share import Share

CHANNEL_RATIO = 0.5
"""What the pattern ``channel`` removes of each group where nothing says how much. Source: ours."""

SCOPES = ("local", "global", "macs")


@dataclass(frozen=True)
class ChannelLimit:
    """An entry of ``limits`` in the table ``[channels]``.

    Attributes:
        layer: Name, or pattern of the shell.
        pruning_ratio: Most share of the layer's output channels to remove, in [0, 1].
    """

    layer: str
    pruning_ratio: Share


@dataclass(frozen=True)
class ChannelsTable:
    """Table ``[channels]``: whole channels are removed first, and the smaller model is pruned.

    Attributes:
        pruning_ratio: Share of channels to remove, in [0, 1); 0 removes none.
        macs: Largest share of the multiply-accumulates to keep, in (0, 1], in place of
            ``pruning_ratio``; 1 removes nothing.
        criterion: What scores channels: a name in ``edgeprune/channels/criteria``; from
            Python also a function of a group that gives a score for each of its units.
        scope: ``local`` removes the share of every group of channels, ``global`` the lowest scores
            of the model, ``macs`` more of groups on which more multiply-accumulates hang; empty is
            ``macs`` where ``macs`` is given, else ``local``.
        round_to: What stays of a group is rounded up to a multiple of this many channels.
        ignored: Layers whose output channels all stay: names, or patterns of the shell.
        limits: Layers that may not lose as many as the others.
        epochs: Passes over the training data with the smaller model.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
        distillation: As in the table ``[prune]``.
        temperature: As in the table ``[prune]``.
        finer_where_small: Whether groups of less than two multiples of ``round_to`` are rounded to
            half of it, a quarter and so on, as far as 2.
    """

    pruning_ratio: Share = 0.0
    macs: Share = 1.0
    criterion: str = "l2"
    scope: str = ""
    round_to: int = 1
    ignored: tuple[str, ...] = ()
    limits: tuple[ChannelLimit, ...] = ()
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: Share = 0.0
    temperature: float = 4.0
    finer_where_small: bool = False

    @property
    def is_noop(self) -> bool:
        """Whether nothing is to be removed."""
        return not self.pruning_ratio and self.macs == 1

    def training(self, seed: int) -> Training:
        """How its epochs are trained."""
        return training_of(self, seed)


def channel_faults(table: ChannelsTable, pattern: str = "") -> list[str]:
    """What is wrong with a table ``[channels]`` beside this pattern in the table ``[prune]``."""
    wrong = []
    if not 0 <= table.pruning_ratio < 1:
        wrong.append(f"pruning_ratio must be in [0, 1), got {share_text(table.pruning_ratio)}")
    if not 0 < table.macs <= 1:
        wrong.append(f"macs must be in (0, 1], got {share_text(table.macs)}")
    if table.macs != 1 and table.pruning_ratio:
        wrong.append("either pruning_ratio or macs may be given, got both")
    if pattern == CHANNEL and (table.pruning_ratio or table.ignored or table.limits):
        wrong.append(
            f"pattern = {CHANNEL!r} takes sparsity, ignored and limits of [prune] in place of "
            "those in [channels]: leave the pattern out, or the keys in [channels]"
        )
    wrong += not_among(table, {"scope": SCOPES}) if table.scope else []
    wrong += [
        f"limits: that of {one.layer} must be in [0, 1], got {share_text(one.pruning_ratio)}"
        for one in table.limits
        if not 0 <= one.pruning_ratio <= 1
    ]
    wrong += too_small(table, {"round_to": 1})
    return wrong + training_faults(table, least_epochs=1)


def channels_of(prune: PruneTable, channels: ChannelsTable) -> tuple[PruneTable, ChannelsTable]:
    """The two tables with ``pattern = "channel"`` written out as keys of ``[channels]``."""
    if prune.pattern != CHANNEL:
        return prune, channels
    limits = tuple(ChannelLimit(one.layer, one.sparsity) for one in prune.limits)
    is_said = prune.learning_rate != PruneTable.learning_rate
    channels = dataclasses.replace(
        channels,
        pruning_ratio=prune.sparsity if channels.macs == 1 else 0.0,
        ignored=prune.ignored,
        limits=limits,
        epochs=prune.epochs,
        batch_size=prune.batch_size,
        learning_rate=prune.learning_rate if is_said else channels.learning_rate,
        distillation=prune.distillation,
        temperature=prune.temperature,
    )
    plain = dataclasses.replace(prune, pattern="unstructured", sparsity=0.0, ignored=(), limits=())
    return plain, channels
