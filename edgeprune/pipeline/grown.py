"""The stage ``prune`` where the recipe ``auto`` chooses a sparsity for a microcontroller."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded
from edgeprune.artifacts.pruned import ChannelPruned, Pruned
from edgeprune.auto.firmware_forecast import firmware_forecasts
from edgeprune.auto.growth import (
    SPARSITIES,
    Attempt,
    Growth,
    Judged,
    grow,
    table_for,
    trainer,
    worthwhile,
)
from edgeprune.devices.boards import MICROCONTROLLER, Board, load_board
from edgeprune.errors import ModelError, VerifyError
from edgeprune.firmware.board import REMEDIES, excess
from edgeprune.firmware.planned import Forecast, Planned, planned_on
from edgeprune.pipeline.planned import room_for
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import calibration_samples, limit_lines, sizes_of
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.report.figures import bytes_text, count_text
from edgeprune.tasks import ROUNDING, amount_text, worst_drop
from edgeprune.training.context import StageContext

DEFAULT_DROP = 0.01
"""What ``auto`` may lose where the user gives no limit: a point of top-1 accuracy. Source: ours."""


@dataclass(frozen=True)
class Unpruned:
    """What is to be pruned.

    Attributes:
        pruned: As it comes from the stage ``channels``.
        tflite: The same as float TFLite.
        dense: The user's model as float TFLite.
        score: The user's model's, on the test samples; None where there is nothing to score.
    """

    pruned: ChannelPruned
    tflite: bytes
    dense: bytes
    score: Accuracy | None


def own_limit(
    request: Request, recipe: Recipe, model: Unpruned, context: StageContext
) -> tuple[Recipe, list[str]]:
    """What ``auto`` may lose where the user sets no limit, in words; none where there is none.

    Returns:
        The recipe, which says why nothing is pruned where no share of the score can be kept; and
        the lines to show.
    """
    if request.max_accuracy_drop is not None:
        return recipe, []
    try:
        lines = limit_lines(context.data, model.score, DEFAULT_DROP)
    except ModelError as error:
        why = f"{recipe.why}; nothing is pruned, since no limit of accuracy holds: {error}"
        return dataclasses.replace(recipe, why=why), []
    return recipe, [f"{line} (--max-accuracy-drop sets another)" for line in lines]


def chooses(request: Request, recipe: Recipe, model: Unpruned, *, trains: bool) -> bool:
    """Whether the sparsity is to be found by training.

    Args:
        request: What the user asked for; a recipe that says why it was chosen is chosen already.
        recipe: In force.
        model: What is to be pruned.
        trains: Whether there is a Keras model, and data to train it on.
    """
    return (
        load_board(request.board).kind == MICROCONTROLLER
        and recipe.name == "auto"
        and not request.recipe.why
        and "sparsity" not in recipe.fixed
        and recipe.quantize.mode == "int8"
        and trains
        and model.score is not None
    )


def check_size(request: Request, recipe: Recipe, tflite: bytes) -> None:
    """Refuses, before it is trained, what will be too large for a microcontroller.

    Raises:
        ModelError: It does not fit into the board.
        VerifyError: It takes more than the user allows.
    """
    board = load_board(request.board)
    if board.kind != MICROCONTROLLER or not recipe.prune.sparsity or not request.must_fit:
        return
    room = room_for(request, board)
    (found,) = firmware_forecasts(tflite, recipe.prune, (recipe.prune.sparsity,), board, room)
    if found.excess:
        raise _too_large(request, board, found, f"at {found.sparsity:.0%} sparsity ")


def _too_large(
    request: Request, board: Board, found: Forecast, when: str
) -> ModelError | VerifyError:
    """By whose limit it is: the board's, or the user's."""
    if "--max-" in found.excess:
        return VerifyError(f"{when}{found.excess}: allow more, or {REMEDIES}")
    return ModelError(f"{board.name} cannot run the model: {when}{found.excess}: {REMEDIES}")


def grown(
    request: Request,
    recipe: Recipe,
    model: Unpruned,
    context: StageContext,
    progress: Progress,
) -> tuple[Recipe, Pruned | None]:
    """Trains sparser while the accuracy holds, within what fits.

    Returns:
        The recipe in force, which says why; and the pruned model, None where the dense one stays.

    Raises:
        ModelError: No sparsity fits into the board, or the model cannot be trained.
        VerifyError: None fits that keeps the user's limits.
    """
    board = load_board(request.board)
    room = room_for(request, board)
    limit = DEFAULT_DROP if request.max_accuracy_drop is None else request.max_accuracy_drop
    judge = _Judge(recipe, model, context.data, limit)
    table = table_for(recipe, judge.training_samples)
    dense, *sparser = firmware_forecasts(model.tflite, table, (0.0, *SPARSITIES), board, room)
    tried = worthwhile(sparser, dense)
    must_fit = bool(dense.excess) and request.must_fit
    if must_fit and not tried:
        last = sparser[-1]
        raise _too_large(request, board, last, f"even at {last.sparsity:.0%} sparsity ")
    if must_fit:
        fitting = min(one.sparsity for one in sparser if not one.excess)
        progress.note(f"dense in int8: {dense.excess}; it fits from {fitting:.0%} zeros on")
    whole = judge.int8(model.pruned.model)
    own, before = judge.lost(whole), planned_on(whole, board)
    if own > limit + ROUNDING and not must_fit:
        why = f"{recipe.why}; int8 alone loses {judge.text(own)}, so that nothing is pruned as well"
        progress.note(f"chosen: {why}")
        return dataclasses.replace(recipe, why=why), None

    def judged(trained: Loaded) -> Judged:
        tflite = judge.int8(trained)
        lost, after = judge.lost(tflite), planned_on(tflite, board)
        is_faster = after.instructions < before.instructions or must_fit
        fits = not excess(after.flash_bytes, after.ram_bytes, room)
        return Judged(lost, after, holds=lost <= limit + ROUNDING and is_faster and fits)

    growth = grow(
        model.pruned,
        tried,
        trainer(table, context),
        judged,
        lambda attempt: progress.note(f"tried: {judge.attempt(attempt)}"),
    )
    chosen = growth.chosen
    if chosen is None and must_fit:
        chosen = _gentlest(request, growth, judge)
    why = judge.why(growth, chosen, before, board.cpu.core)
    progress.note(f"chosen: {why}")
    if chosen is None:
        return dataclasses.replace(recipe, why=why), None
    epochs = growth.trainings(chosen) * table.epochs
    table = dataclasses.replace(table, sparsity=chosen.sparsity, epochs=epochs)
    return dataclasses.replace(recipe, prune=table, why=why), chosen.pruned


def _gentlest(request: Request, growth: Growth, judge: _Judge) -> Attempt | None:
    """What loses least of what fits, where nothing that fits keeps the limit.

    Raises:
        VerifyError: The user insists on the limit.
    """
    if request.max_accuracy_drop is None:
        return growth.closest
    tried = "; ".join(judge.attempt(attempt) for attempt in growth.attempts)
    raise VerifyError(
        f"--max-accuracy-drop {100 * judge.limit:.6g}% cannot be kept by what fits: {tried}; what "
        "would help: more training data or epochs, fewer channels (--pattern channel), or more "
        "room for the network"
    )


class _Judge:
    """Scores models as int8 on the test samples, and says in words what was lost.

    Attributes:
        limit: What may be lost.
        training_samples: How many there are.
    """

    def __init__(self, recipe: Recipe, model: Unpruned, data: Dataset | None, limit: float) -> None:
        """``data``: with test samples that :attr:`Unpruned.score` was found on.

        Raises:
            ModelError: There is no score to compare with.
        """
        if data is None or data.task is None or model.score is None:
            raise ModelError("the data gives nothing to score the model with")
        self.limit, self.training_samples = limit, sizes_of(data)[0]
        self._recipe, self._dense, self._data, self._task = recipe, model.dense, data, data.task
        self._before = model.score.by_head(data.task)
        self._metric = data.task.judged[0].metric

    def int8(self, model: Loaded) -> bytes:
        """A model's int8 network, as the stage ``quantize`` makes it."""
        from edgeprune.convert import convert
        from edgeprune.quantize import quantize

        samples = calibration_samples(self._data, self._recipe.quantize.calibration_samples)
        return quantize(convert(model), "int8", samples, seed=self._recipe.prune.seed).tflite

    def lost(self, tflite: bytes) -> float:
        """What a network loses beside the user's model."""
        score = verify.accuracy(tflite, self._data, self._dense)
        if score is None:
            return float("inf")
        head, lost = worst_drop(self._task, self._before, score.by_head(self._task))
        self._metric = head.metric
        return lost

    def text(self, lost: float) -> str:
        """An amount that was lost, in words."""
        return amount_text(self._metric, lost)

    def loses(self, lost: float) -> str:
        """The same as a verb."""
        return f"loses {self.text(lost)}" if lost > ROUNDING else "loses nothing"

    def attempt(self, attempt: Attempt) -> str:
        """A sparsity that was trained, what it takes, and what it lost."""
        plan = attempt.judged.planned
        return (
            f"{attempt.sparsity:.0%} sparse, {count_text(plan.instructions)} instructions "
            f"(estimated), {bytes_text(plan.flash_bytes)} of flash: {self.loses(attempt.lost)}"
        )

    def why(self, growth: Growth, chosen: Attempt | None, before: Planned, core: str) -> str:
        """What was chosen and why, in one line.

        Args:
            growth: What was tried.
            chosen: What is taken; None for the network with nothing pruned.
            before: That one, in int8.
            core: The board's.
        """
        accepted = self.text(self.limit)
        failed = [one for one in growth.attempts if not one.judged.holds]
        others = "; ".join(f"{one.sparsity:.0%} {self.loses(one.lost)}" for one in failed)
        if chosen is None and not failed:
            return f"int8 with nothing pruned: no sparsity saves {core} enough instructions"
        if chosen is None:
            return f"int8 with nothing pruned, to lose at most {accepted}: {others}"
        after = chosen.judged.planned
        head = (
            f"{chosen.sparsity:.0%} sparse: {count_text(before.instructions)} to "
            f"{count_text(after.instructions)} instructions on {core} (estimated), "
            f"{bytes_text(before.flash_bytes)} to {bytes_text(after.flash_bytes)} of flash"
        )
        if not chosen.judged.holds:
            return f"{head}; of what fits it loses least, {self.text(chosen.lost)}"
        rest = f" ({others})" if others else ""
        return f"{head}; the sparsest tried that loses at most {accepted}{rest}"
