"""``edgeprune.log_to_mlflow``: a result becomes a run of MLflow."""

from __future__ import annotations

from edgeprune.api.comparing import ResultArgument
from edgeprune.api.deploying import Deployment
from edgeprune.report import tracking
from edgeprune.report.source import find_result


def log_to_mlflow(
    result: ResultArgument,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    run_id: str | None = None,
    model: bool = False,
) -> str:
    """Logs a result to MLflow, as `edgeprune report --mlflow` does.

        edgeprune.log_to_mlflow(edgeprune.deploy("model.h5", board="rpi4"))

    A figure that was not measured is not logged, and a result that is there already is not logged
    twice. Where nothing but the result is given and a run of MLflow is active, or MLFLOW_RUN_ID
    names one, the result is added to that run; else it is a run of its own.

    Args:
        result: See :data:`ResultArgument`.
        tracking_uri: Server or database, as MLflow takes it; MLflow's own setting if None.
        experiment: Name of the experiment; None takes MLFLOW_EXPERIMENT_NAME, or edgeprune.
        run_id: A run to add to; None makes one.
        model: Log the deployed model as well.

    Returns:
        The run's number in MLflow.

    Raises:
        ConfigError: There is no such result, MLflow is not installed, or its server does not take
            the run.
    """
    if isinstance(result, Deployment):
        found, folder = result.result, result.folder
    else:
        source = find_result(str(result))
        found, folder = source.result, source.page.parent
    where = tracking.place(tracking_uri, experiment, run_id)
    return tracking.log_run(tracking.Content(found, folder, model), where).run_id
