"""The recipe's table ``[prune]``."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.recipe.faults import (
    LAYERS,
    not_among,
    share_text,
    too_small,
)
from edgeprune.recipe.prune_parts import (
    ALLOCATIONS,
    CRITERIA,
    SCHEDULES,
    WHILE_TRAINING,
    is_pattern,
    no_pattern,
)
from edgeprune.recipe.training import Training, training_faults, training_of
from edgeprune.text.near_names import did_you_mean
from edgeprune.text.share import Share

DEFAULT_CRITERION = "magnitude"

RECOVERIES = ("batch_norm", "bias")
"""In the order in which they are done: biases make up for what the statistics leave."""

REWINDS = ("weights", "learning-rate")


@dataclass(frozen=True)
class Limit:
    """An entry of ``limits`` in the table ``[prune]``.

    Attributes:
        layer: Name, or pattern of the shell.
        sparsity: Most share of zeros, in [0, 1).
    """

    layer: str
    sparsity: Share


@dataclass(frozen=True)
class PruneTable:
    """Table ``[prune]``.

    Attributes:
        sparsity: Share of zeros in each pruned tensor, in [0, 1); 0 prunes nothing. A recipe file
            that has a table ``[channels]`` and does not say it has 0.
        pattern: Shape of what is left: unstructured, kernel, channel, blocks such as 2x1 and
            1x4, or N of M such as 2:4.
        allocation: How much of the sparsity each layer takes, one of :data:`ALLOCATIONS`.
        layers: ``accelerated``: what the board's sparse kernels run: pointwise convolutions and
            dense layers, and every convolution on microcontrollers and for blocks of 1x4 where
            edgeprune's own kernels run; ``all``: every convolution in any case, for size.
        ignored: Layers to leave alone: names, or patterns of the shell such as ``block1/*``.
        limits: Layers that may not be pruned as far as the others.
        criterion: What tells which weights matter least, one of :data:`CRITERIA`. Those that
            cannot choose anew while a model is trained need the schedule ``one_shot``; ``rigl`` has
            a criterion of its own.
        calibration_samples: Training samples that a criterion looks at, and ``recovery``.
        recovery: What makes up for some of the damage of ``one_shot`` before or without training,
            of :data:`RECOVERIES`.
        schedule: What happens to masks and weights during training, one of :data:`SCHEDULES`.
        rounds: How often ``iterative`` prunes.
        rewind: What ``iterative`` sets back after each pruning, one of :data:`REWINDS`.
        rewind_step: The training step to whose weights it does.
        epochs: Passes over the training data while and after pruning; with ``iterative``, in each
            of its ``rounds + 1`` trainings. 0, with ``one_shot`` only, trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start; with ``gradual`` until the sparsity is reached. A
            network that lost most of its weights learns anew, and takes twice Keras's own rate.
        distillation: Weight, in [0, 1], of the dense model's answers in the loss; the targets have
            the rest. With 0 it is not asked.
        temperature: Divides the logits of classes in distillation, so that more than the first
            class counts; > 0. Other outputs have none.
        seed: Random seed of shuffling and of random inputs.
        control: Train the dense model exactly as long, so that accuracies can be compared.
    """

    sparsity: Share = 0.8
    pattern: str = "unstructured"
    allocation: str = "uniform"
    layers: str = "accelerated"
    ignored: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    criterion: str = DEFAULT_CRITERION
    calibration_samples: int = 512
    recovery: tuple[str, ...] = RECOVERIES
    schedule: str = "gradual"
    rounds: int = 5
    rewind: str = "weights"
    rewind_step: int = 0
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 2e-3
    distillation: Share = 0.0
    temperature: float = 4.0
    seed: int = 0
    control: bool = True

    @property
    def needs_sizes(self) -> bool:
        """Whether a layer's size as TFLite has it decides how it is pruned."""
        return self.pattern == "kernel" or self.allocation != "uniform"

    def training(self) -> Training:
        """How its epochs are trained."""
        return training_of(self, self.seed)


def prune_faults(table: PruneTable) -> list[str]:
    """What is wrong with the table's values."""
    wrong = []
    if not 0 <= table.sparsity < 1:  # also false for NaN
        wrong.append(f"sparsity must be in [0, 1), got {share_text(table.sparsity)}")
    if not is_pattern(table.pattern):
        wrong.append(no_pattern(table.pattern))
    choices = {"allocation": ALLOCATIONS, "layers": LAYERS, "criterion": CRITERIA}
    wrong += not_among(table, {**choices, "schedule": SCHEDULES, "rewind": REWINDS})
    wrong += [
        f"limits: that of {limit.layer} must be in [0, 1), got {share_text(limit.sparsity)}"
        for limit in table.limits
        if not 0 <= limit.sparsity < 1
    ]
    schedule = SCHEDULES.get(table.schedule)
    if schedule is not None and not schedule.at_once and table.epochs == 0:
        wrong.append(f"epochs must be >= 1 with the schedule {table.schedule}, got 0")
    wrong += too_small(table, {"calibration_samples": 1, "rounds": 1, "rewind_step": 0})
    return wrong + training_faults(table) + _criterion_faults(table)


def _criterion_faults(table: PruneTable) -> list[str]:
    """What is wrong with a criterion beside its schedule, and with the recovery."""
    wrong = [
        f"recovery {name!r} must be one of {', '.join(RECOVERIES)}{did_you_mean(name, RECOVERIES)}"
        for name in table.recovery
        if name not in RECOVERIES
    ]
    criterion, schedule = CRITERIA.get(table.criterion), SCHEDULES.get(table.schedule)
    if criterion is None or schedule is None:
        return wrong
    if not criterion.while_training and not schedule.at_once:
        wrong.append(
            f"the criterion {criterion.name} prunes at once: set schedule to one_shot (the "
            f"schedule {schedule.name} takes {', '.join(WHILE_TRAINING)})"
        )
    elif schedule.own_criterion and criterion.name != DEFAULT_CRITERION:
        wrong.append(
            f"the schedule {schedule.name} {schedule.own_criterion}: criterion "
            f"{criterion.name!r} is of no use to it, leave it out"
        )
    return wrong
