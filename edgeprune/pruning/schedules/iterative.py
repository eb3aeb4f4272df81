"""The schedule ``iterative``: train, prune a share of what is left, rewind, and again."""

from __future__ import annotations

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ModelError
from edgeprune.pruning.schedules.base import SCHEDULES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import GrowingMasks, Moment


@SCHEDULES.register
class Iterative:
    """Rounds of training, each followed by pruning; the last pruning is followed by one more.

    Every pruning takes the same share of the weights that are left, and half of that share of the
    last pruned layer's, so that the whole ends a little denser than the rest of it. Then, with
    ``rewind`` as ``weights``, those that are left return to what they were before step
    ``rewind_step`` of the first training, and so does the learning rate; the optimizer starts anew.
    As ``learning-rate``, weights stay, and only the rate starts from the top.

    Source: Frankle and Carbin 2019, "The Lottery Ticket Hypothesis", section 1 (rewinding to the
    start) and section 2 (the output layer's rate); Frankle et al. 2020, "Linear Mode Connectivity
    and the Lottery Ticket Hypothesis" (to step k); Renda et al. 2020, "Comparing Rewinding and
    Fine-tuning in Neural Network Pruning" (learning rate).

    Raises:
        ModelError: ``rewind_step`` lies outside the first training.
    """

    def __init__(self, table: PruneTable, steps_per_epoch: int) -> None:
        self.epochs = table.epochs * (table.rounds + 1)
        self.saved: dict[str, list[Array]] = {}
        self._round_steps = table.epochs * steps_per_epoch
        self._rounds = table.rounds
        self._rewind_step = table.rewind_step if table.rewind == "weights" else None
        if self._rewind_step is not None and self._rewind_step >= self._round_steps:
            raise ModelError(
                f"rewind_step is {self._rewind_step}, and a round has {self._round_steps} steps: "
                "choose one of them"
            )

    def is_due(self, step: int) -> bool:
        """See :class:`Schedule`."""
        return step == self._rewind_step or (step > 0 and step % self._round_steps == 0)

    def prepare(self, moment: Moment) -> None:
        """See :class:`Schedule`."""
        if moment.step == self._rewind_step:
            self.saved["weights"] = moment.trainer.weights()
        round_number, into = divmod(moment.step, self._round_steps)
        if into or not round_number:
            return
        moment.masks.prune_to(shares(moment.masks, round_number, self._rounds))
        if self._rewind_step is not None:
            moment.trainer.restart(self.saved["weights"])
            moment.masks.apply()

    def position(self, step: int) -> float:
        """See :class:`Schedule`."""
        round_number, into = divmod(step, self._round_steps)
        start = (self._rewind_step or 0) / self._round_steps if round_number else 0.0
        return start + (1 - start) * into / self._round_steps

    def settled_until(self, steps: int) -> int | None:
        """See :class:`Schedule`."""
        return -(-steps // self._round_steps) * self._round_steps


def shares(masks: GrowingMasks, round_number: int, rounds: int) -> dict[str, float]:
    """Each weight's sparsity after ``round_number`` of ``rounds`` prunings."""
    names = list(masks.final)
    found = {}
    for name, final in masks.final.items():
        taken = 1 - (1 - final) ** (1 / rounds)
        if len(names) > 1 and name == names[-1]:
            taken /= 2
        found[name] = 1 - (1 - taken) ** round_number
    return found
