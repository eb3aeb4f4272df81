"""``edgeprune.explain``: which layers will run sparse on a board, and if not, why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Unpack

from edgeprune.api import html
from edgeprune.api.firmware_explaining import FirmwareExplanation
from edgeprune.api.keywords import with_options
from edgeprune.api.requests import (
    LimitOptions,
    LoadOptions,
    ModelArgument,
    RecipeOptions,
    progress_for,
    request_of,
)
from edgeprune.artifacts.plan import Forecast, LayerPlan, Plan
from edgeprune.devices.boards import MICROCONTROLLER, load_board
from edgeprune.pipeline.explanation import Explained
from edgeprune.pipeline.explanation import explain as explained
from edgeprune.pipeline.firmware_explanation import explain_firmware
from edgeprune.pipeline.preflight import check_limits
from edgeprune.report.figures import count_text
from edgeprune.report.predicted import PREDICTED_TIME, predicted_time, prediction_remarks

NOT_KNOWN = "not known"


class ExplainOptions(RecipeOptions, LimitOptions, LoadOptions, total=False):
    """Keywords of ``edgeprune.explain``.

    Attributes:
        release: Release of the runtime, as ``2.1``; None takes the board's own.
        what_if: Predict other sparsities, and patterns, as well.
    """

    release: str | None
    what_if: bool


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a runtime does with a model on a board; a notebook shows it as a table.

    Attributes:
        found: All that is known.
    """

    found: Explained

    @property
    def plan(self) -> Plan:
        """Each layer, where nothing is stored sparse as if it were."""
        return self.found.plan

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """The layers that have a sparse kernel, with the reason why they run as they do."""
        return self.found.plan.layers

    @property
    def compressed(self) -> Forecast | None:
        """What ``compress`` would make of it; None where that is not predicted."""
        return self.found.after

    @property
    def what_if(self) -> tuple[Forecast, ...]:
        """The same for other sparsities and patterns, where it was asked for."""
        return self.found.what_if

    def __repr__(self) -> str:
        return f"<edgeprune.Explanation: {self._sentence()}>"

    def _repr_html_(self) -> str:
        after, stored = self.compressed, self.found.stored
        head = ["layer", "runs", "why", "instructions"]
        rows = [
            [layer.name, "sparse" if layer.sparse else "dense", layer.reason, _cost(layer)]
            for layer in self.layers
        ]
        costs = [
            ["dense", _count(stored.dense_instructions)],
            ["as stored", _count(stored.instructions)],
            ["compressed", _count(None if after is None else after.plan.instructions)],
        ]
        times = [stored.dense_cycles, stored.cycles, None if after is None else after.plan.cycles]
        costs = [[*row, _ms(stored, cycles)] for row, cycles in zip(costs, times, strict=True)]
        notes = [*self.found.remarks, *prediction_remarks([stored])]
        notes += [self.found.recipe.why] if self.found.recipe.why else []
        return str(
            html.heading(self._sentence())
            + html.table(["", "instructions (predicted)", PREDICTED_TIME], costs)
            + html.table(head, rows)
            + html.lines(notes)
        )

    def _sentence(self) -> str:
        found = self.found
        whose = "run sparse" if found.is_stored_sparse else "would run sparse if stored so"
        return f"{len(self.plan.sparse)} of {len(self.layers)} layers {whose} on {found.board}"


@with_options(ExplainOptions, RecipeOptions, LimitOptions, LoadOptions, defaults={"what_if": False})
def explain(
    model: ModelArgument,
    board: str,
    progress: Callable[[str], None] | None = None,
    **options: Unpack[ExplainOptions],
) -> Explanation | FirmwareExplanation:
    """Says for each layer whether it will run sparse on a board, as `edgeprune explain` does.

        edgeprune.explain("model.tflite", board="rpi4")

    Args:
        model: A file, the folder of a SavedModel, or a Keras model in memory.
        board: Name of a board, or its ``.toml`` file.
        progress: Told what is going on, line by line; None tells nobody.
        options: Further keywords, below.

    Returns:
        What a runtime does with it; of a microcontroller, what firmware does, and whether it fits.

    Raises:
        EdgepruneError: See :mod:`edgeprune.errors`.
    """
    with request_of(model, board, None, options, ExplainOptions) as request:
        release, what_if = options.get("release"), options.get("what_if", False)
        kind = load_board(request.board)
        check_limits(request, kind, explains=True)
        with progress_for(progress) as shown, shown.stage("explain"):
            if kind.kind == MICROCONTROLLER:
                return FirmwareExplanation(
                    explain_firmware(request, shown, release=release, what_if=what_if)
                )
            return Explanation(
                explained(
                    request.model,
                    request.board,
                    request.recipe,
                    release,
                    what_if,
                    request.allow_code,
                    request.input_shape,
                )
            )


def _cost(layer: LayerPlan) -> str:
    return _count(layer.instructions)


def _ms(plan: Plan, cycles: float | None) -> str:
    return predicted_time(dataclasses.replace(plan, cycles=cycles))


def _count(instructions: float | None) -> str:
    return NOT_KNOWN if instructions is None else count_text(instructions)
