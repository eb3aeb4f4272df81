"""The recipe's table ``[channels]``: which channels a model is to lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CHANNEL = "channel"
"""The pattern that removes whole channels: short for the table ``[channels]``."""

CHANNEL_RATIO = 0.5
"""What that pattern removes of each group where nothing says how much. Source: ours."""

SCOPES = ("local", "global")


@dataclass(frozen=True)
class ChannelLimit:
    """An entry of ``limits`` in the table ``[channels]``.

    Attributes:
        layer: Name, or pattern of the shell.
        pruning_ratio: Most share of the layer's output channels to remove, in [0, 1].
    """

    layer: str
    pruning_ratio: float


@dataclass(frozen=True)
class ChannelsTable:
    """Table ``[channels]``: whole channels are removed first, and the smaller model is pruned.

    Attributes:
        pruning_ratio: Share of channels to remove, in [0, 1); 0 removes none.
        macs: Largest share of the multiply-accumulates to keep, in (0, 1], in place of
            ``pruning_ratio``; 1 removes nothing.
        criterion: What scores channels: a name in ``edgeprune/prune/channels/criteria``; from
            Python also a function of a group that gives a score for each of its units.
        scope: ``local`` removes the share of every group of channels, ``global`` the lowest scores
            of the model.
        round_to: What stays of a group is rounded up to a multiple of this many channels.
        ignored: Layers whose output channels all stay: names, or patterns of the shell.
        limits: Layers that may not lose as many as the others.
        epochs: Passes over the training data with the smaller model.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
    """

    pruning_ratio: float = 0.0
    macs: float = 1.0
    criterion: str | Callable[[Any], Any] = "l2"
    scope: str = "local"
    round_to: int = 1
    ignored: tuple[str, ...] = ()
    limits: tuple[ChannelLimit, ...] = ()
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 1e-3

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be removed."""
        return not self.pruning_ratio and self.macs == 1


def channel_faults(table: ChannelsTable, pattern: str = "") -> list[str]:
    """What is wrong with a table ``[channels]`` beside this pattern in the table ``[prune]``."""
    wrong = []
    if not 0 <= table.pruning_ratio < 1:
        wrong.append(f"channels.pruning_ratio must be in [0, 1), got {table.pruning_ratio:g}")
    if not 0 < table.macs <= 1:
        wrong.append(f"channels.macs must be in (0, 1], got {table.macs:g}")
    if table.macs != 1 and table.pruning_ratio:
        wrong.append("channels takes either pruning_ratio or macs, got both")
    if pattern == CHANNEL and (table.pruning_ratio or table.ignored or table.limits):
        wrong.append(
            f"pattern = {CHANNEL!r} takes sparsity, ignored and limits of [prune] in place of "
            "those in [channels]: leave the pattern out, or the keys in [channels]"
        )
    if table.scope not in SCOPES:
        wrong.append(f"channels.scope must be one of {', '.join(SCOPES)}, got {table.scope!r}")
    wrong += [
        f"channels: the limit of {one.layer} must be in [0, 1], got {one.pruning_ratio:g}"
        for one in table.limits
        if not 0 <= one.pruning_ratio <= 1
    ]
    counts = {"round_to": table.round_to, "epochs": table.epochs, "batch_size": table.batch_size}
    wrong += [f"channels.{key} must be >= 1, got {got}" for key, got in counts.items() if got < 1]
    if not 0 < table.learning_rate < float("inf"):
        rate = table.learning_rate
        wrong.append(f"channels.learning_rate must be > 0 and finite, got {rate:g}")
    return wrong
