"""What one night brought."""

from __future__ import annotations

from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a model on a device, beside the nights before.

    Attributes:
        model: The model's file, without its folder.
        model_path: The file as the plan names it.
        recipe: What was made of it, as ``int8`` or ``auto, sparsity 0.9``.
        board: Name of the board.
        device: What the device calls itself.
        metric: Key of the figure in ``result.json``, whose unit it has.
        value: The figure of this night.
        usual: Median of up to seven nights before; None on the first.
        percent: By how much ``value`` is above ``usual``; None on the first night.
        run: Number of the run in the history.
    """

    model: str
    model_path: str
    recipe: str
    board: str
    device: str
    metric: str
    value: float
    usual: float | None
    percent: float | None
    run: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change over nights.

    Attributes:
        model_path: The model's file.
        recipe: What was made of it.
        board: Name of the board.
        device: What the device calls itself.
        metric: Key of the figure.
        percent: By how much new is above old, as the re-run showed it; as the nights seem to show
            it where none was made.
        p_value: Of the re-run; 0 for a figure that is counted, None without a re-run.
        verdict: ``worse`` and ``better`` are confirmed by a re-run or counted; ``denied`` was not
            confirmed; ``suspected`` was not re-run.
        reasons: What else changed on that night.
        open_reason: Why one that is suspected was not decided on, or None.
        rerun: Number of the run that measured it again, or None.
        run: The night's run.
        first_run: The first run after the change.
        old_run: The run that it was compared with.
    """

    model_path: str
    recipe: str
    board: str
    device: str
    metric: str
    percent: float
    p_value: float | None
    verdict: Literal["worse", "better", "denied", "suspected"]
    reasons: tuple[str, ...]
    open_reason: str | None = None
    rerun: int | None = None
    run: int
    first_run: int
    old_run: int


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """How one device is.

    Attributes:
        device: Its name with the farm.
        board: Name of the board.
        host: Which host reaches it.
        state: As in the table ``farm_devices``.
        message: What it said last, or None.
        seen_utc: When it last answered, ISO 8601, or None.
        quarantine_reason: Why it is not used, or None.
        quarantined_utc: Since when it is not used, or None.
        troubles: Errors in a row.
        done: Jobs that it finished this night.
    """

    device: str
    board: str
    host: str
    state: str
    message: str | None
    seen_utc: str | None
    quarantine_reason: str | None
    quarantined_utc: str | None
    troubles: int
    done: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job of the night.

    Attributes:
        job: Its id.
        kind: ``measure`` or ``golden``.
        model_path: The model's file.
        recipe: Name of the recipe or its file, with the values that the plan put in its place.
        board: Name of the board.
        device: Where it ran or was to run; None where any of the board would do and none did.
        state: ``done``, ``failed``, ``missed``, ``pending`` or ``running``.
        error_kind: Who must act where it failed, or None.
        message: The error in one line, or None.
        run: Number of its run in the history, or None.
    """

    job: str
    kind: str
    model_path: str
    recipe: str
    board: str
    device: str | None
    state: str
    error_kind: str | None
    message: str | None
    run: int | None


class Morning(msgspec.Struct, frozen=True, kw_only=True):
    """What one night brought.

    Attributes:
        schema: Version of this structure.
        night: Its name.
        plan: Name of the plan.
        began_utc: When it began, ISO 8601.
        ended_utc: When it was over, or None.
        jobs: Every job, in the plan's order.
        figures: What was measured, beside the nights before.
        changes: What seems to have changed this night, and what re-runs made of it.
        devices: Every device of the night's boards.
    """

    schema: int = 1
    night: str
    plan: str
    began_utc: str
    ended_utc: str | None
    jobs: tuple[Job, ...]
    figures: tuple[Figure, ...]
    changes: tuple[Change, ...]
    devices: tuple[Device, ...]

    @property
    def unfinished(self) -> list[Job]:
        """Jobs without a result."""
        return [job for job in self.jobs if job.state != "done"]

    @property
    def lost(self) -> list[Job]:
        """Jobs that will have no result: failed, missed, or left when the night was over."""
        is_over = self.ended_utc is not None
        return [job for job in self.unfinished if is_over or job.state in ("failed", "missed")]

    @property
    def unsteady(self) -> list[Job]:
        """Jobs that were measured, and brought no figure that can be relied on."""
        runs = {figure.run for figure in self.figures}
        kinds = ("measure", "golden")
        done = [job for job in self.jobs if job.state == "done" and job.kind in kinds]
        return [job for job in done if job.run not in runs]

    @property
    def regressions(self) -> list[Change]:
        """Confirmed changes for the worse."""
        return [change for change in self.changes if change.verdict == "worse"]

    @property
    def is_ok(self) -> bool:
        """Whether nothing got worse and every job has its result."""
        return not self.unfinished and not self.regressions
