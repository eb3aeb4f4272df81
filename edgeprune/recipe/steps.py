"""The recipe's list ``[[steps]]``: what is done to a model before all other tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from edgeprune.recipe.channels_table import ChannelsTable, channel_faults, channels_of
from edgeprune.recipe.prune_parts import CHANNEL
from edgeprune.recipe.prune_table import PruneTable, prune_faults
from edgeprune.recipe.tune_table import TuneTable, tune_faults


@dataclass(frozen=True)
class Step:
    """An entry of ``[[steps]]``, with exactly one of its tables.

    Steps are carried out in their order, before the recipe's own tables, and each starts from the
    weights that the one before left. Their seed is that of the table ``[prune]``. Beside none of
    them is a dense model trained for comparison, and ``--max-accuracy-drop`` watches none of them:
    it watches what comes after them.

    Attributes:
        tune: Trains the model as it is.
        channels: Removes channels, as the table ``[channels]`` does; never after weights were
            pruned.
        prune: Prunes weights, as the table ``[prune]`` does; its ``control`` and ``seed`` do not
            count.
    """

    tune: TuneTable | None = None
    channels: ChannelsTable | None = None
    prune: PruneTable | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tables that are given."""
        fields = dataclasses.fields(self)
        return tuple(one.name for one in fields if getattr(self, one.name) is not None)

    @property
    def removes_channels(self) -> bool:
        """Whether channels go, by either table."""
        return (self.channels is not None and not self.channels.is_noop) or (
            self.prune is not None and self.prune.pattern == CHANNEL
        )

    @property
    def removes_weights(self) -> bool:
        """Whether single weights go."""
        table = self.prune
        return table is not None and table.pattern != CHANNEL and table.sparsity > 0


def step_name(number: int, step: Step) -> str:
    """A step in messages.

    >>> step_name(2, Step(tune=TuneTable()))
    '[[steps]] 2 [tune]'
    """
    return f"[[steps]] {number}" + "".join(f" [{name}]" for name in step.names)


def step_faults(steps: Sequence[Step], last: Step) -> list[str]:
    """What is wrong with the steps, each fault with the step's name in front.

    Args:
        steps: In their order.
        last: The recipe's own tables ``[channels]`` and ``[prune]``, which come after them.
    """
    wrong: list[str] = []
    pruned = ""
    for number, step in enumerate(steps, 1):
        name = step_name(number, step)
        if len(step.names) != 1:
            found = " and ".join(step.names) or "none"
            wrong.append(
                f"[[steps]] {number} must have exactly one of [steps.tune], [steps.channels] and "
                f"[steps.prune], got {found}"
            )
        wrong += [f"{name} {fault}" for fault in _table_faults(step)]
        if step.removes_channels and pruned:
            wrong.append(_too_late(name, pruned))
        if step.removes_weights and not pruned:
            pruned = name
    if last.removes_channels and pruned:
        is_pattern = last.prune is not None and last.prune.pattern == CHANNEL
        wrong.append(
            _too_late(f'[prune] pattern = "{CHANNEL}"' if is_pattern else "[channels]", pruned)
        )
    return wrong


def _table_faults(step: Step) -> list[str]:
    faults = [] if step.tune is None else tune_faults(step.tune)
    faults += [] if step.channels is None else channel_faults(step.channels)
    return faults + ([] if step.prune is None else prune_faults(step.prune))


def _too_late(name: str, pruned: str) -> str:
    return (
        f"{name} removes channels after {pruned} pruned weights, and zeros cannot be followed "
        f"through that: put it before {pruned}"
    )


def with_channels_written_out(step: Step) -> Step:
    """The step with ``pattern = "channel"`` written out as a table ``[steps.channels]``."""
    if step.prune is None or step.prune.pattern != CHANNEL:
        return step
    return Step(channels=channels_of(step.prune, ChannelsTable())[1])
