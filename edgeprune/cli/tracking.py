"""``--mlflow`` and ``--mlflow-model``: a result becomes a run of MLflow as well."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgeprune.cli.options import Function
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import shown

if TYPE_CHECKING:
    from edgeprune.pipeline.outcome import Outcome
    from edgeprune.report.source import Source
    from edgeprune.report.tracking import Content


def mlflow_options(function: Function) -> Function:
    """The two options, handed on as ``mlflow``: whether the model goes along; None without."""

    @functools.wraps(function)
    def with_mlflow(mlflow: bool, mlflow_model: bool, **rest: Any) -> Any:
        return function(mlflow=mlflow_model if mlflow or mlflow_model else None, **rest)

    command: Any = with_mlflow
    for option in (
        click.option("--mlflow-model", is_flag=True, help="The same, with the deployed model."),
        click.option(
            "--mlflow",
            is_flag=True,
            help="Log the result to MLflow too: where MLFLOW_TRACKING_URI says, into the "
            "experiment MLFLOW_EXPERIMENT_NAME, or edgeprune.",
        ),
    ):
        command = option(command)
    return cast(Function, command)


def check_mlflow(mlflow: bool | None) -> None:
    """Before anything is measured: that MLflow is there and answers, where it was asked for.

    Raises:
        ConfigError: It does not.
    """
    if mlflow is None:
        return
    from edgeprune.report.tracking import place, reach

    where = place()
    try:
        reach(where)
    except ConfigError as error:
        raise ConfigError(f"{error}; nothing was measured; leave --mlflow out to go on") from error


def log_outcome(mlflow: bool | None, outcome: Outcome) -> None:
    """Logs what was just measured, with the commit that it was measured at.

    Raises:
        ConfigError: The server does not take it; the message says where the result is.
    """
    if mlflow is None:
        return
    from edgeprune.report.tracking import Content, commit_tags

    content = Content(outcome.result, outcome.folder, mlflow, commit_tags(Path.cwd()))
    try:
        _log(content)
    except ConfigError as error:
        folder = shown(outcome.folder)
        again = f"edgeprune report {folder} {'--mlflow-model' if mlflow else '--mlflow'}"
        raise ConfigError(f"{error}; the result is in {folder}; log it later: {again}") from error


def log_source(mlflow: bool | None, source: Source) -> None:
    """Logs an earlier result, with the files beside it.

    Raises:
        ConfigError: The server does not take it.
    """
    if mlflow is not None:
        from edgeprune.report.tracking import Content

        _log(Content(source.result, source.page.parent, mlflow))


def _log(content: Content) -> None:
    """Logs a result and says where it is.

    Raises:
        ConfigError: The server does not take it.
    """
    from edgeprune.report.tracking import log_run, place

    logged = log_run(content, place())
    word = "logged" if logged.is_new else "logged before"
    click.echo(f"{word} to MLflow at {logged.where}: run {logged.run_id}", err=True)
