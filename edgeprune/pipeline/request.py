"""What the user asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeprune.recipe import Recipe


@dataclass(frozen=True)
class Instead:
    """What ``auto`` takes in place of a search: a device ran its choice slower than dense.

    Attributes:
        recipes: The first of them that keeps the limit is taken.
        lines: What was told of the search and of the device so far.
    """

    recipes: tuple[Recipe, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        model: Model file, or folder of a SavedModel.
        board: Name of the board.
        recipe: What to do, checked.
        data: The user's ``--data``, or None.
        output: Folder to write, or None for one named after model and board.
        bench: Bench file, or None for the user's own.
        host: Device name or address, or None.
        allow_code: Load files that carry code.
        input_shape: Fills open dimensions of a Keras model's inputs, without the batch, or None.
        max_accuracy_drop: Largest accepted loss: 0.01 is a point of top-1 accuracy, or one percent
            of the dense model's own score by any other metric.
        meter: What measures energy, as ``--meter`` names it, or None for the device's own.
        grid_factor: Grams of CO2e per kilowatt-hour, or None for the bench's.
        scale: Onto which range inputs are mapped, as ``--scale`` says it, or None.
        allow_weak: Go on with data on which the model is no better than chance.
        augment: Which other views of images are trained on, as ``--augment`` says it.
        command: What the user started, for others who wait for its device or its folder.
        wait_s: How long to wait for a device that others use.
        epoch: Of the farm's lease of the device, whose result the farm records; None for a run of
            its own.
        max_size: Most bytes of the deployed file, or None for any; on a microcontroller, of flash
            for the plan, or None for a whole slot.
        max_memory: Most bytes of RAM for its arena, or None for what the firmware leaves.
        budget_s: Seconds in which ``auto`` searches the best network, or None for its own.
        must_fit: Whether a network that is too large for a microcontroller is refused.
        instead: What ``auto`` takes in place of a search, or None.
    """

    model: Path
    board: str
    recipe: Recipe
    data: str | None = None
    output: Path | None = None
    bench: Path | None = None
    host: str | None = None
    allow_code: bool = False
    input_shape: tuple[int, ...] | None = None
    max_accuracy_drop: float | None = None
    meter: str | None = None
    grid_factor: float | None = None
    scale: str | None = None
    allow_weak: bool = False
    augment: str = "auto"
    command: str = "edgeprune deploy"
    wait_s: float = 3600.0
    epoch: int | None = None
    max_size: int | None = None
    max_memory: int | None = None
    budget_s: float | None = None
    must_fit: bool = True
    instead: Instead | None = None
