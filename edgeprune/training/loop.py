"""Trains a Keras model while its weights are pruned.

The loop is our own, so that it is the same for both Kerases, for subclassed models and for models
whose own ``fit`` does something else.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import TrainingData
from edgeprune.artifacts.model import Flavour
from edgeprune.console.quiet import quiet
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.keras.flavours import library_errors
from edgeprune.models.keras.weights import fixed_batch
from edgeprune.progress import counted, kept
from edgeprune.recipe.training import Training
from edgeprune.tasks import ROUNDING, check_share, worst_drop
from edgeprune.text.untrusted import reason_of
from edgeprune.training.batch_norm import BatchNormStatistics
from edgeprune.training.distillation import Teacher
from edgeprune.training.drop_limit import DropLimit, Seen, is_lost
from edgeprune.training.epochs import epoch_of
from edgeprune.training.hook import Hook
from edgeprune.training.schedule import GrowingMasks, Moment, Schedule, SinglePass
from edgeprune.training.step import Trainer
from edgeprune.training.store import Place, keep, taken
from edgeprune.training.validation_split import HeldOut, split_of

SAVED_EVERY_S = 10.0
"""A training that nobody watches keeps its state as often; others do after each epoch. Ours."""


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """What to train, and how.

    Attributes:
        model: One input; trained in place.
        flavour: Which Keras the model belongs to.
        masks: What the schedule drives; None trains the model as it is, on the same batches.
        training: Epochs, batch size, learning rate and seed.
        data: Inputs and targets, and what they are for.
        progress: Told a line per epoch.
        place: Where a checkpoint is written after every epoch, and the result at the end; what is
            found there is not trained again. None keeps nothing.
        max_accuracy_drop: What pruning may cost on held-out samples beside ``reference``, or None;
            its meaning is :func:`edgeprune.tasks.worst_drop`'s.
        reference: The model before anything was pruned; None where that is ``model`` as it comes,
            which needs masks.
        hooks: Change the training step, in this order.
        teacher: Gives the model whose answers count in the loss, or None; asked where something is
            left to train.
        beside: Variables beside the model's that training moves.
        schedule: Makes what drives the masks, of the number of steps an epoch has; None trains
            once through all epochs.
        name: Which network it is, for lines about it; empty for the one that is deployed.
    """

    model: Any
    flavour: Flavour
    masks: GrowingMasks | None
    training: Training
    data: TrainingData
    progress: Callable[[str], None]
    place: Place | None = None
    max_accuracy_drop: float | None = None
    reference: Any = None
    hooks: Sequence[Hook] = ()
    teacher: Callable[[], Teacher | None] | None = None
    beside: Sequence[Any] = ()
    schedule: Callable[[int], Schedule] | None = None
    name: str = ""

    def say(self, line: str) -> None:
        """Tells a line of this training."""
        self.progress(self.named(line))

    def named(self, text: str) -> str:
        """The text, with the network's name where it has one."""
        return f"{self.name}: {text}" if self.name else text


def fine_tune(task: TrainingJob) -> tuple[str, ...]:
    """Trains in place; masked weights are zero after every step.

    Batches depend on the seed, the sample count and the training alone, so that a dense model can
    be trained on the very same ones. A share of the samples is held out, see
    :mod:`~edgeprune.training.validation_split`. A training that was finished before, by whatever
    process, is taken from where it is kept.

    Returns:
        Notes, one line each.

    Raises:
        ModelError: Data and model do not fit together, or the loss is no longer finite; a
            checkpoint then holds the last good state.
    """
    if task.max_accuracy_drop is not None:
        check_share(task.max_accuracy_drop)
    known = None if task.place is None else taken(task.place, task.model, task.masks)
    if task.place is not None and known is not None:
        task.say(f"trained before: taken from {task.place.result.path}")
        return known
    teacher = None if task.teacher is None else task.teacher()
    try:
        with task.masks or contextlib.nullcontext():
            with quiet():
                rate, data = task.training.learning_rate, task.data
                trainer = Trainer(task.model, task.flavour, rate, data, task.hooks, teacher)
            with contextlib.closing(trainer):
                training = _Training(task, trainer, teacher)
                training.run()
                notes = training.finish()
    except library_errors() as error:
        raise ModelError(f"the model cannot be trained: {reason_of(error)}") from error
    if task.place is not None:
        keep(task.place, task.model, task.masks, notes, task.say)
    return notes


def trained(training: Training, data: TrainingData, times: int = 1) -> str:
    """What a training was, for a note.

    Args:
        training: What was asked for.
        data: What it was trained on.
        times: How often its epochs were gone through.
    """
    rounds = f"{times} times " if times > 1 else ""
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs} epochs"
    trained_on, held = (len(part) for part in split_of(data, training.seed))
    rest = f", {held:,} others held out" if held else ""
    taught = ", with distillation from the dense model" if training.distillation else ""
    return f"fine-tuned for {rounds}{epochs} on {trained_on:,} samples{rest}{taught}"


class _Training:
    """A training under way."""

    def __init__(self, task: TrainingJob, trainer: Trainer, teacher: Teacher | None) -> None:
        self._task = task
        self._teacher = teacher
        self._trainer = trainer
        self._statistics = BatchNormStatistics(task.model)
        fixed = fixed_batch(task.model)
        samples = len(task.data.x)
        self._trained_on, held = split_of(task.data, task.training.seed)
        if fixed and fixed > len(self._trained_on):
            raise ModelError(f"the model wants batches of {fixed}, and there are {samples} samples")
        self._batch = fixed or task.training.batch_size
        count = len(self._trained_on)
        self._per_epoch = count // fixed if fixed else math.ceil(count / self._batch)
        self._schedule: Schedule = (
            SinglePass(task.training.epochs, self._per_epoch)
            if task.schedule is None
            else task.schedule(self._per_epoch)
        )
        self._held_out = self._held_out_of(trainer, held)
        self._before: dict[str, float] = {}
        self._limit = self._drop_limit(held)
        self._epoch = 0
        self._is_stopped = False
        self._saved_s = time.monotonic()

    @property
    def _is_limited(self) -> bool:
        task = self._task
        is_pruned = task.masks is not None or task.reference is not None
        return is_pruned and task.max_accuracy_drop is not None

    def _drop_limit(self, held: Array) -> DropLimit | None:
        """The limit of the drop; None where there is none, or where nothing is held out."""
        task = self._task
        if not self._is_limited or self._held_out.is_empty:
            return None
        if task.reference is not None:
            with quiet():
                trainer = Trainer(
                    task.reference,
                    task.flavour,
                    task.training.learning_rate,
                    task.data,
                    teacher=self._teacher,
                )
            with contextlib.closing(trainer):
                self._before = self._held_out_of(trainer, held).scores()
        else:
            self._before = self._held_out.scores()
        return DropLimit(-(task.max_accuracy_drop or 0.0) - ROUNDING)

    def _held_out_of(self, trainer: Trainer, held: Array) -> HeldOut:
        taught = None if self._teacher is None else self._teacher.answers
        return HeldOut(trainer, self._task.data, held, fixed_batch(self._task.model), taught)

    def run(self) -> None:
        """All epochs that are left."""
        self._resume()
        while self._epoch < self._schedule.epochs and not self._is_stopped:
            order = np.random.default_rng([self._task.training.seed, self._epoch]).permutation(
                self._trained_on
            )
            loss = self._one_epoch(order)
            is_looked_at = self._task.data.is_watched or self._epoch + 1 == self._schedule.epochs
            scores: Mapping[str, float] = {}
            if is_looked_at:
                with self._trainer.hooked():
                    self._statistics.measure(self._task.data.x, order, self._batch)
                    scores = self._held_out.scores()
            self._epoch += 1
            self._judge(scores)
            if is_looked_at or time.monotonic() - self._saved_s > SAVED_EVERY_S:
                self._save()
                self._saved_s = time.monotonic()
            self._tell(loss, scores)

    def finish(self) -> tuple[str, ...]:
        """Leaves the model in the state that is handed out."""
        notes: tuple[str, ...] = ()
        if self._limit is not None:
            notes = (self._kept(self._limit),)
        elif self._is_limited:
            notes = ("the accepted drop was not watched: too few samples to hold some out",)
        if self._task.masks is not None:
            self._task.masks.finish()
        return notes

    def _one_epoch(self, order: Array) -> float:
        """Mean loss over the epoch's batches."""
        loss = 0.0
        self._now = epoch_of(self._task.data, self._teacher, self._task.training.seed, self._epoch)
        total = self._per_epoch * self._schedule.epochs
        for k in range(self._per_epoch):
            step = self._epoch * self._per_epoch + k
            chosen = np.sort(order[k * self._batch : (k + 1) * self._batch])
            x, y, taught = self._now.batch(chosen, step)
            position = self._schedule.position(step)
            if (masks := self._task.masks) is not None and self._schedule.is_due(step):
                self._check(loss)
                self._schedule.prepare(Moment(step, masks, self._trainer, x, y, taught))
            loss += self._trainer.step(x, y, position, taught) / self._per_epoch
            counted(
                step + 1,
                total,
                self._task.named(
                    f"epoch {self._epoch + 1} of {self._schedule.epochs}, "
                    f"batch {k + 1:,} of {self._per_epoch:,}"
                ),
            )
            if not math.isfinite(loss):
                self._check(loss)
        self._check(loss)
        return loss

    def _check(self, loss: float) -> None:
        if math.isfinite(loss) and not self._trainer.is_lost():
            return
        line = (
            f"training diverged in epoch {self._epoch + 1}: the {self._trainer.loss_name} is "
            f"{loss}; lower learning_rate, or scale the data as the model expects it"
        )
        if self._task.place is not None and self._epoch:
            kept_in = self._task.place.checkpoint.path
            line += f" (the state after epoch {self._epoch} is in {kept_in})"
        raise ModelError(line)

    def _tell(self, loss: float, scores: Mapping[str, float]) -> None:
        masks = self._task.masks
        parts = [f"{self._trainer.loss_name} {loss:.4f}"]
        if masks is not None:
            parts.append(f"sparsity {masks.sparsity():.1%}")
        if not self._held_out.is_empty:
            parts.append(f"held-out {self._held_out.text(scores)}")
        self._task.say(f"epoch {self._epoch}/{self._schedule.epochs}: {', '.join(parts)}")

    def _judge(self, scores: Mapping[str, float]) -> None:
        """Keeps the state where it is the best so far, and stops where the limit is lost."""
        limit = self._limit
        if limit is None:
            return
        until = self._schedule.settled_until(self._epoch * self._per_epoch)
        left = None if until is None else until // self._per_epoch - self._epoch
        _, lost = worst_drop(self._task.data.task, self._before, scores)
        now = Seen(self._share(), -lost, left, self._held_out.text(scores))
        limit.seen.append(now)
        if limit.is_better(now):
            masks = [] if self._task.masks is None else _listed(self._task.masks)
            limit.keep(now, self._trainer.weights(), masks)
        self._is_stopped = is_lost(limit.seen, limit.floor)

    def _share(self) -> float:
        """The share of masked weights; all that was to go is gone where there are no masks."""
        return 1.0 if self._task.masks is None else self._task.masks.sparsity()

    def _kept(self, limit: DropLimit) -> str:
        """Goes back to the best state; says which."""
        accepted = f"the accepted drop of {100 * (self._task.max_accuracy_drop or 0.0):.6g}%"
        early = f", and training stopped after epoch {self._epoch}" if self._is_stopped else ""
        if limit.best is None:
            return f"no epoch kept {accepted} on held-out samples{early}: the last state is kept"
        reached = self._share()
        if (masks := self._task.masks) is not None:
            masks.set(_named(masks, limit.masks))
        self._trainer.restart(limit.weights)
        if limit.best.sparsity < reached:
            return (
                f"kept at {limit.best.sparsity:.1%} sparsity: at {reached:.1%} more than "
                f"{accepted} was lost on held-out samples{early}"
            )
        return f"the best epoch is kept: {limit.best.text} on held-out samples{early}"

    def _save(self) -> None:
        if self._task.place is None:
            return
        beside = [np.asarray(variable.numpy()) for variable in self._task.beside]
        lists = {"state": self._trainer.state(), "beside": beside, "masks": []}
        lists |= {f"saved {name}": part for name, part in self._schedule.saved.items()}
        facts: dict[str, Any] = {"epoch": self._epoch, "stopped": self._is_stopped}
        if self._task.masks is not None and self._task.masks.masks:
            lists["masks"] = _listed(self._task.masks)
        if (limit := self._limit) is not None:
            lists |= {"best weights": limit.weights, "best masks": limit.masks}
            facts |= {"floor": limit.floor, "seen": limit.seen, "best": limit.best}
        try:
            self._task.place.checkpoint.save(lists, facts)
            self._tell_kept()
        except (OSError, ConfigError) as error:
            self._task.say(f"no checkpoint could be written: {reason_of(error)}")

    def _resume(self) -> None:
        saved = self._task.place.checkpoint.load() if self._task.place else None
        if saved is None:
            return
        lists, facts = saved
        if lists["masks"] and self._task.masks is not None:
            self._task.masks.set(_named(self._task.masks, lists["masks"]))
        self._trainer.restore(lists["state"])
        for variable, value in zip(self._task.beside, lists["beside"], strict=True):
            variable.assign(value)
        self._schedule.saved = {
            name.removeprefix("saved "): part
            for name, part in lists.items()
            if name.startswith("saved ")
        }
        self._epoch, self._is_stopped = facts["epoch"], facts["stopped"]
        if self._limit is not None:
            best = facts["best"] and Seen(*facts["best"])
            seen = [Seen(*one) for one in facts["seen"]]
            self._limit = DropLimit(
                facts["floor"], seen, best, lists["best weights"], lists["best masks"]
            )
        self._tell_kept()
        self._task.say(f"resuming after epoch {self._epoch}/{self._schedule.epochs}")

    def _tell_kept(self) -> None:
        if self._task.place is not None:
            kept(
                f"the training up to epoch {self._epoch} of {self._schedule.epochs} is kept in "
                f"{self._task.place.checkpoint.path}: the same command goes on from there"
            )


def _listed(masks: GrowingMasks) -> list[Array]:
    return [masks.masks[weight.name] for weight in masks.weights]


def _named(masks: GrowingMasks, listed: list[Array]) -> dict[str, Array]:
    return {weight.name: mask for weight, mask in zip(masks.weights, listed, strict=True)}
