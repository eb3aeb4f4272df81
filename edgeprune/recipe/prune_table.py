"""The recipe's table ``[prune]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgeprune.recipe.faults import (
    LAYERS,
    not_a_share,
    not_among,
    not_positive,
    share_text,
    too_small,
)
from edgeprune.recipe.training import Training
from edgeprune.text.near_names import did_you_mean
from edgeprune.text.share import Share

CHANNEL = "channel"
"""The pattern that removes whole channels: short for the table ``[channels]``."""

_SIZE = r"([1-9][0-9]{0,3})"  # no layer is cut into larger blocks
PATTERN_FORMS = {"blocks": f"{_SIZE}x{_SIZE}", "n_of_m": f"{_SIZE}:{_SIZE}"}
"""Kinds of patterns that have numbers in their names, and how those look.

Of weights written ``(out_channels, in_channels)``, ``2x1`` removes two output channels' weights for
one input channel at once, and ``2:4`` keeps two of four input channels' weights.
"""

PATTERN_NAMES = ("unstructured", "kernel", CHANNEL)
"""The other patterns. ``kernel`` chooses for each layer, by the board's core."""

PATTERN_EXAMPLES = ("2x1", "4x1", "1x4", "2x2", "2:4", "1:4")
"""Some of those that have numbers in their names."""

PATTERNS_HELP = "unstructured, kernel, channel, blocks such as 2x1 and 1x4, and N of M such as 2:4"

ALLOCATIONS = ("uniform", "global", "erk", "sensitivity", "cost_aware")
SCHEDULES = ("gradual", "iterative", "one_shot", "rigl")
CRITERIA = (
    "magnitude",
    "l1",
    "l2",
    "random",
    "taylor",
    "wanda",
    "batch_norm_scale",
    "second_order",
)
WHILE_TRAINING = CRITERIA[:5]
"""Criteria that can choose anew while a model is trained; the others prune in one shot."""

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
        pattern: Shape of what is left: one of :data:`PATTERN_NAMES`, or of the forms of
            :data:`PATTERN_FORMS`.
        allocation: How much of the sparsity each layer takes, one of :data:`ALLOCATIONS`.
        layers: ``accelerated``: pointwise convolutions and dense layers, which sparse kernels run;
            ``all``: every convolution as well, which makes the file smaller but nothing faster.
        ignored: Layers to leave alone: names, or patterns of the shell such as ``block1/*``.
        limits: Layers that may not be pruned as far as the others.
        criterion: What tells which weights matter least, one of :data:`CRITERIA`. The last three
            need the schedule ``one_shot``, ``rigl`` has a criterion of its own.
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
        learning_rate: Adam's, at the start.
        distillation: Weight, in [0, 1], of the dense model's answers in the loss; the targets have
            the rest. With 0 it is not asked.
        temperature: Divides the logits of classes in distillation, so that more than the first
            class counts; > 0. Other outputs have none.
        seed: Of shuffling and random inputs.
        control: Train the dense model exactly as long, so that accuracies can be compared.
    """

    sparsity: Share = 0.8
    pattern: str = "unstructured"
    allocation: str = "uniform"
    layers: str = "accelerated"
    ignored: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    criterion: str = "magnitude"
    calibration_samples: int = 512
    recovery: tuple[str, ...] = RECOVERIES
    schedule: str = "gradual"
    rounds: int = 5
    rewind: str = "weights"
    rewind_step: int = 0
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: Share = 0.0
    temperature: float = 4.0
    seed: int = 0
    control: bool = True

    def training(self) -> Training:
        """How its epochs are trained."""
        return Training(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.distillation,
            self.temperature,
            self.seed,
        )


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
    least_epochs = 0 if table.schedule == "one_shot" else 1
    if table.epochs < least_epochs:
        wrong.append(
            f"epochs must be >= {least_epochs} with the schedule {table.schedule}, "
            f"got {table.epochs}"
        )
    wrong += too_small(
        table, {"calibration_samples": 1, "batch_size": 1, "rounds": 1, "rewind_step": 0}
    )
    wrong += not_positive(table, "learning_rate", "temperature")
    return wrong + not_a_share(table, "distillation") + _criterion_faults(table)


def _criterion_faults(table: PruneTable) -> list[str]:
    """What is wrong with a criterion beside its schedule, and with the recovery."""
    wrong = [
        f"recovery {name!r} must be one of {', '.join(RECOVERIES)}{did_you_mean(name, RECOVERIES)}"
        for name in table.recovery
        if name not in RECOVERIES
    ]
    criterion, schedule = table.criterion, table.schedule
    if criterion not in WHILE_TRAINING and criterion in CRITERIA and schedule != "one_shot":
        wrong.append(
            f"the criterion {criterion} prunes at once: set schedule to one_shot (the schedule "
            f"{schedule} takes {', '.join(WHILE_TRAINING)})"
        )
    elif schedule == "rigl" and criterion != "magnitude":
        wrong.append(
            f"the schedule rigl drops by magnitude and grows by gradient: criterion {criterion!r} "
            "is of no use to it, leave it out"
        )
    return wrong


def is_pattern(name: str) -> bool:
    """Whether a pattern may be called so."""
    forms = PATTERN_FORMS.values()
    return name in PATTERN_NAMES or any(re.fullmatch(form, name) for form in forms)


def no_pattern(name: str) -> str:
    """What is wrong with a name that no pattern has."""
    hint = did_you_mean(name, (*PATTERN_NAMES, *PATTERN_EXAMPLES))
    return f"no pattern is called {name!r}; there are {PATTERNS_HELP}{hint}"
