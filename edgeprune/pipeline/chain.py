"""The moves of a search as steps of a recipe, and what they make of a model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.model import Loaded
from edgeprune.auto.moves import Move, Node, Shape
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.pipeline import search_clock
from edgeprune.pipeline.steps import Stepped, after_step
from edgeprune.recipe import Recipe
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.qat_table import QatTable
from edgeprune.recipe.quantize_table import LayerMode
from edgeprune.recipe.steps import Step
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.sparsify.kernel_choice import OWN_PATTERN
from edgeprune.training.context import StageContext

LEARNING_RATE = 2e-3
"""Adam's, at the start of every move. Source: ours, tried on a small convolutional network."""

ROUND_TO, ROUND_TO_ON_FIRMWARE = 8, 4
"""What is left of a group of channels is a multiple of so many.

Source: the tiles of XNNPACK's float kernels on Arm, 8 output channels wide, and of our firmware's.
"""

STEPS, TUNE_STEPS = 1100, 1900
"""Training steps of one move, and of the network as it is before all moves, if the time allows.

Source: ``python benchmarks/training_quality.py FOLDER``: LeNet-5 with a quarter of its
multiply-accumulates comes to 96.0, 96.7 and 97.1 % after 281, 563 and 1,125 steps, dense 97.0 %;
the first training is ours.
"""

MIN_EPOCHS, MAX_EPOCHS = 2, 40
"""Of one move, whatever the data. Source: ours."""

MOVES_IN_BUDGET = 8
"""Trainings that a budget should hold: each is shorter where it would not. Source: ours."""

DISTILLATION = 0.0
"""Weight of the dense network's answers in the loss of a move.

In trainings as short as these they hold the smaller network back: after two epochs a keyword net
with 70 % of its multiply-accumulates had lost 0.1 points without them and 4.0 with a weight of 0.9.
"""

_TIMED_BATCH, _TIMED_BATCHES = 64, 4
_BACKWARD = 3.0
"""A training step takes as many times an inference: forward, and backward twice that. Ours."""


NOTHING_KEPT: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True)
class Chain:
    """Makes networks, each of the one before.

    Attributes:
        context: For the stages; its limit is not watched.
        recipe: What the user asked for.
        cpus: The cores of the boards, by the core's name.
    """

    context: StageContext
    recipe: Recipe
    cpus: dict[str, Cpu]

    @property
    def round_to(self) -> int:
        """What is left of a group of channels is a multiple of so many, on all boards."""
        is_firmware = all(cpu.is_microcontroller for cpu in self.cpus.values())
        return ROUND_TO_ON_FIRMWARE if is_firmware else ROUND_TO

    def step(self, move: Move) -> Step:
        """A move as a step of a recipe; a move of the kind ``qat`` is none."""
        base = self.recipe.prune
        common: dict[str, Any] = {
            "epochs": move.epochs,
            "batch_size": base.batch_size,
            "learning_rate": LEARNING_RATE,
        }
        if move.kind == "tune":
            return Step(tune=TuneTable(**common))
        common["distillation"] = DISTILLATION
        if move.kind == "channels":
            share = round(move.amount, 6)
            smaller = dataclasses.replace(
                self.recipe.channels,
                macs=share,
                round_to=self.round_to,
                finer_where_small=True,
                **common,
            )
            return Step(channels=smaller)
        # Firmware's kernels and edgeprune's own run every convolution; costs are the runtime's.
        runs_all = self.cpus[move.kernels].is_microcontroller or move.pattern == OWN_PATTERN
        table = dataclasses.replace(
            base,
            sparsity=move.amount,
            pattern=move.pattern,
            layers="all" if runs_all else base.layers,
            allocation="uniform" if runs_all else "cost_aware",
            control=False,
            **common,
        )
        if not move.epochs:
            table = dataclasses.replace(
                table, schedule="one_shot", allocation="uniform", distillation=0.0
            )
        return Step(prune=table)

    def after(self, before: Stepped, move: Move) -> Stepped:
        """A network after one more training.

        Raises:
            ModelError: It cannot be trained.
        """
        if move.kind == "qat":
            return self._rounded(before, move)
        cpu = self.cpus.get(move.kernels)
        unwatched = dataclasses.replace(
            self.context, max_accuracy_drop=None, teacher=before.dense, cpu=cpu
        )
        return after_step(before, self.step(move), unwatched)

    def recipe_of(
        self, node: Node, mode: str, why: str, kept: Mapping[str, str] = NOTHING_KEPT
    ) -> Recipe:
        """The recipe that makes a candidate again, exactly.

        Args:
            node: How it was trained.
            mode: How it is stored.
            why: Why it was chosen, in one line.
            kept: Layers that are stored otherwise, by name.
        """
        layers = tuple(LayerMode(layer, other) for layer, other in kept.items())
        steps = tuple(self.step(move) for move in node.moves if move.kind != "qat")
        return dataclasses.replace(
            self.recipe,
            why=why,
            steps=steps,
            prune=dataclasses.replace(self.recipe.prune, sparsity=0.0, pattern="unstructured"),
            channels=ChannelsTable(),
            qat=self._qat(node.moves[-1]) if node.is_rounded else QatTable(),
            quantize=dataclasses.replace(self.recipe.quantize, mode=mode, layers=layers),
            verify=dataclasses.replace(self.recipe.verify, score_apart=True),
        )

    def _qat(self, move: Move) -> QatTable:
        return dataclasses.replace(self.recipe.qat, epochs=move.epochs, distillation=DISTILLATION)

    def _rounded(self, before: Stepped, move: Move) -> Stepped:
        from edgeprune.qat import qat

        unwatched = dataclasses.replace(self.context, max_accuracy_drop=None, teacher=before.dense)
        done = qat(before.model, self._qat(move), "int8", unwatched, {})
        return dataclasses.replace(before, model=done.model)


def epochs_for(steps: int, steps_an_epoch: int, epoch_s: float, budget_s: float) -> int:
    """Epochs of one move: as many as make so many steps, fewer where time is short.

    Args:
        steps: Training steps that are wanted.
        steps_an_epoch: Those of one epoch.
        epoch_s: Seconds of one epoch.
        budget_s: Of the whole search.

    Returns:
        0 where not even two epochs fit twice into the budget.

    >>> epochs_for(1_100, 188, epoch_s=5.0, budget_s=600.0)
    6
    >>> epochs_for(1_100, 188, epoch_s=25.0, budget_s=600.0)
    3
    >>> epochs_for(1_100, 15_000, epoch_s=2_000.0, budget_s=600.0)
    0
    """
    wanted = math.ceil(steps / steps_an_epoch)
    affordable = int(budget_s / MOVES_IN_BUDGET / max(epoch_s, 1e-3))
    epochs = max(MIN_EPOCHS, min(MAX_EPOCHS, wanted, affordable))
    return 0 if 2 * epochs * epoch_s > budget_s else epochs


def epoch_seconds(model: Loaded, data: Dataset) -> float:
    """About how long an epoch takes, from inferences on a few training samples.

    Raises:
        ModelError: There is nothing to train with, or the model does not run on it.
    """
    from edgeprune.models.keras.weights import fixed_batch
    from edgeprune.training.distillation import answering

    if data.x_train is None:
        raise ModelError("there are no samples to train with")
    batch = fixed_batch(model.keras) or min(_TIMED_BATCH, len(data.x_train))
    some, ask = data.x_train[:batch], answering(model.keras)
    ask(some)  # traces
    begun_s = search_clock.now_s()
    for _ in range(_TIMED_BATCHES):
        ask(some)
    took_s = (search_clock.now_s() - begun_s) / _TIMED_BATCHES
    return _BACKWARD * took_s * len(data.x_train) / len(some)


def at_once(chain: Chain, before: Stepped, shape: Shape) -> bytes:
    """A network with so much removed at once and nothing trained, as float TFLite.

    Raises:
        ModelError: Nothing can be removed so.
    """
    from edgeprune.convert import convert

    if shape.macs < 1:
        data = chain.context.data
        return convert(without_channels(before.model, shape.macs, chain.round_to, data))
    step = chain.step(Move("prune", shape.sparsity, 0, shape.kernels, shape.pattern))
    unwatched = dataclasses.replace(
        chain.context, max_accuracy_drop=None, cpu=chain.cpus.get(shape.kernels)
    )
    done = after_step(before, step, unwatched)
    return convert(done.model)


def without_channels(
    model: Loaded, macs: float, round_to: int, data: Dataset | None = None
) -> Loaded:
    """A model with channels removed at once, and batch normalization measured anew.

    Args:
        model: A Keras model; is not changed.
        macs: Share of the multiply-accumulates to keep.
        round_to: What is left of a group of channels is a multiple of so many, of a small one of
            fewer.
        data: To measure with; None leaves the statistics as they are.

    Raises:
        ModelError: Its channels cannot be followed.
    """
    from edgeprune.channels import prune_channels
    from edgeprune.training.batch_norm import BatchNormStatistics

    smaller = prune_channels(model.keras, macs=macs, round_to=round_to, finer_where_small=True)
    if data is not None and data.x_train is not None:
        order = np.random.default_rng(0).permutation(len(data.x_train))[: 8 * 64]
        BatchNormStatistics(smaller.model).measure(data.x_train, order, 64)
    return dataclasses.replace(model, keras=smaller.model)
