"""A result as a run of MLflow, on the server or in the file that its users name as for MLflow.

Source: https://mlflow.org/docs/latest/python_api/mlflow.client.html, ``MlflowClient``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from edgeprune.errors import ConfigError, from_extra
from edgeprune.files.whole_file import shown
from edgeprune.history.result import Result
from edgeprune.history.result_file import FILE_NAME, json_text
from edgeprune.report.page import render, write_page
from edgeprune.report.tensor_errors import FILE_NAME as TENSOR_ERRORS
from edgeprune.report.tracking.figures import SHA256_TAG, TrackedRun, tracked
from edgeprune.text.untrusted import one_line

EXPERIMENT = "edgeprune"
"""Where MLFLOW_EXPERIMENT_NAME names none."""

LIMIT_S = 120.0
"""How long logging may take in all. Source: ours; MLflow alone goes on trying for minutes."""

REACH_S = 30.0
"""How long a server may take to answer at all. Source: ours."""

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""MLflow's own variables, where the user has not set them: short waits, silence, no telemetry."""

_BATCH = 100  # of parameters and tags. Source: MLflow, limits of runs/log-batch

Value = TypeVar("Value")


@dataclass(frozen=True)
class Place:
    """Where a run goes.

    Attributes:
        uri: Of the server or file, as MLflow takes it; it may hold a password.
        experiment: Name of the experiment.
        run_id: A run that is there already and is added to; None makes one.
    """

    uri: str
    experiment: str
    run_id: str | None

    @property
    def shown(self) -> str:
        """The address without user, password and options."""
        try:
            parts = urlsplit(self.uri)
        except ValueError:  # of what is no URL, any part may be the password
            return "an address that cannot be read"
        if not parts.netloc:
            return one_line(self.uri)
        return one_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")

    def without_secrets(self, text: str) -> str:
        """A text of MLflow's, which may repeat the address."""
        text = text.replace(self.uri, self.shown)
        with contextlib.suppress(ValueError):
            password = urlsplit(self.uri).password or ""
            for secret in sorted({password, unquote(password)} - {""}, key=len, reverse=True):
                text = text.replace(secret, "***")
        return text


@dataclass(frozen=True)
class Logged:
    """A run that was logged.

    Attributes:
        run_id: MLflow's number of it.
        is_new: Whether this result was not there before.
        where: Server and experiment, for people.
    """

    run_id: str
    is_new: bool
    where: str


@dataclass(frozen=True)
class Content:
    """What is logged.

    Attributes:
        result: The result.
        folder: Of the run, whose files go along; None where there is none.
        with_model: Whether the deployed file goes along.
        tags: Further tags.
    """

    result: Result
    folder: Path | None
    with_model: bool = False
    tags: Mapping[str, str] | None = None


def place(
    uri: str | None = None, experiment: str | None = None, run_id: str | None = None
) -> Place:
    """Where a run goes: as asked for, else as MLflow's own variables and functions say.

    Raises:
        ConfigError: MLflow is not installed.
    """
    with from_extra("mlflow", "--mlflow"), _settings():
        import mlflow

    if (uri, experiment, run_id) == (None, None, None):
        active = mlflow.active_run()
        run_id = active.info.run_id if active else os.environ.get("MLFLOW_RUN_ID")
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    return Place(uri or mlflow.get_tracking_uri(), name, run_id or None)


def reach(where: Place) -> None:
    """Asks the server for something small, before anything is measured.

    Raises:
        ConfigError: It does not answer.
    """
    _within(REACH_S, where, lambda: _client(where).search_experiments(max_results=1))


def log_run(content: Content, where: Place) -> Logged:
    """Logs a result; one that is there already is left as it is.

    Raises:
        ConfigError: The server does not take it; what it has already is completed by another call.
    """
    run, _ = tracked(content.result), list(_files(content))  # before anything is sent
    run_id, is_new = _within(LIMIT_S, where, lambda: _log(content, run, where))
    return Logged(run_id, is_new, f"{where.shown}, experiment {where.experiment}")


def commit_tags(folder: Path) -> dict[str, str]:
    """The commit that a folder's files are of, as MLflow names it; empty where there is none."""
    git = ["git", "-C", str(folder)]
    try:
        head, changes = (
            subprocess.run(
                [*git, *words], capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return {}
    dirty = {"mlflow.source.git.dirty": "true"} if changes else {}
    return {"mlflow.source.git.commit": head} | dirty


def _log(content: Content, run: TrackedRun, where: Place) -> tuple[str, bool]:
    client = _client(where)
    run_id, is_whole = (where.run_id, False) if where.run_id else _run(client, run, where)
    if not is_whole:
        _log_figures(client, run_id, run, content.tags or {})
    _log_files(client, run_id, content)
    if not is_whole and not where.run_id:
        client.set_terminated(run_id, "FINISHED", run.begun_ms)
    return run_id, not is_whole


def _log_figures(client: Any, run_id: str, run: TrackedRun, tags: Mapping[str, str]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    time_ms = run.begun_ms or round(1000 * time.time())
    metrics = [Metric(key, value, time_ms, 0) for key, value in run.metrics.items()]
    client.log_batch(run_id, metrics=metrics, synchronous=True)
    for some in _batches([Param(*item) for item in run.params.items()]):
        client.log_batch(run_id, params=some, synchronous=True)
    all_tags = [RunTag(*item) for item in {**run.tags, **tags}.items()]
    client.log_batch(run_id, tags=all_tags, synchronous=True)


def _run(client: Any, run: TrackedRun, where: Place) -> tuple[str, bool]:
    """The result's run, and whether it is whole; a new one where there is none."""
    experiment_id = _experiment(client, where.experiment)
    there = client.search_runs(
        [experiment_id], f"tags.`{SHA256_TAG}` = '{run.sha256}'", max_results=1
    )
    if there:
        return there[0].info.run_id, there[0].info.status == "FINISHED"
    made = client.create_run(
        experiment_id, run.begun_ms, {SHA256_TAG: run.sha256}, run_name=run.name
    )
    return made.info.run_id, False


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    for _ in range(2):
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        with contextlib.suppress(MlflowException):  # another run made it meanwhile
            return str(client.create_experiment(name))
    return str(client.create_experiment(name))


def _log_files(client: Any, run_id: str, content: Content) -> None:
    with tempfile.TemporaryDirectory(prefix="edgeprune-mlflow-") as name:
        made = Path(name)
        (made / FILE_NAME).write_text(json_text(content.result), encoding="utf-8")
        write_page(render(content.result), made / "report.html")
        client.log_artifacts(run_id, str(made))
    for file in _files(content):
        client.log_artifact(run_id, str(file))


def _files(content: Content) -> Iterator[Path]:
    """What goes along out of the run's folder.

    Raises:
        ConfigError: The model was asked for and is not in it.
    """
    if content.folder is not None:
        for name in ("report.txt", "recipe.toml", TENSOR_ERRORS):
            if _is_inside(content.folder, name):
                yield content.folder / name
    if content.with_model:
        name = content.result.deployed.file
        if content.folder is None or not _is_inside(content.folder, name):
            raise ConfigError(
                f"{shown(name)}: no such file in the result's folder, and --mlflow-model logs it; "
                "name the folder that deploy wrote, or leave it out"
            )
        yield content.folder / name


def _is_inside(folder: Path, name: str) -> bool:
    """Whether a file is there and is no other place's: a stranger's result names what it likes."""
    try:
        file = (folder / name).resolve()
        return file.is_file() and file.is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def _batches(items: list[Value]) -> Iterator[list[Value]]:
    rest = iter(items)
    while some := list(islice(rest, _BATCH)):
        yield some


def _client(where: Place) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=where.uri)


def _within(limit_s: float, where: Place, work: Callable[[], Value]) -> Value:
    """What the work returns, which is given up where it takes too long: MLflow cannot be stopped.

    Raises:
        ConfigError: It failed, or took too long.
    """
    done: list[Value] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:  # noqa: BLE001  # of a library, its plug-ins and a server
            failed.append(error)

    with _settings():
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(limit_s)
    if done:
        return done[0]
    if not failed:
        raise ConfigError(f"MLflow at {where.shown} gave no answer in {limit_s:g} s; {_CHECK}")
    raise ConfigError(_fault(failed[0], where)) from None  # what it caught may hold a password


_CHECK = "check that it runs and that MLFLOW_TRACKING_URI is right"


def _fault(error: BaseException, where: Place) -> str:
    """What MLflow says, in one line; of a server that cannot be reached, why."""
    text = where.without_secrets(str(error) or type(error).__name__)
    _, is_lost, reason = text.partition("failed with exception ")
    if is_lost:
        reason = one_line(reason.rpartition(": ")[2].rstrip("'\")"))
        reason += ")" * (reason.count("(") - reason.count(")"))
        return f"MLflow at {where.shown} does not answer: {reason}; {_CHECK}"
    return f"MLflow at {where.shown}: {one_line(text)}"


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    """MLflow's variables in the block."""
    missing = {key: value for key, value in SETTINGS.items() if key not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for key in missing:
            os.environ.pop(key, None)
