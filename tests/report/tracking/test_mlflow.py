"""Runs in MLflow itself, in a database of its own, and servers that do not answer."""

import socket

import pytest
from results import changed, counted, result_of, top1

import edgeprune
from edgeprune import cli
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import write_result
from edgeprune.report import tracking
from edgeprune.report.tracking import Content, log_run, place, reach

RESULT = result_of(
    counted("dense", 300, accuracy=top1(0.9)), counted("deployed", 100), verdict="faster",
    speedup=3.0, recipe={"name": "auto", "prune": {f"key{k}": k for k in range(150)}},
)  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An empty database of MLflow's, made once: that takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/runs.db"


@pytest.fixture
def store(database, home, monkeypatch):
    """The client of the database, which is what the environment names."""
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.chdir(home)
    return tracking._client(place())


@pytest.fixture
def silent():
    """The address of a server that takes a request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://anna:geheim@127.0.0.1:{server.getsockname()[1]}"


def folder_of(result, folder):
    write_result(result, folder)
    for name in ("report.txt", "deployed.tflite"):
        (folder / name).write_text(name)
    return folder


def files_of(store, run_id):
    return {file.path for file in store.list_artifacts(run_id)}


def command(*argv):
    with pytest.raises(SystemExit) as done:
        cli.main([*argv])
    return done.value.code


def test_report_logs_a_run_with_figures_and_files_once(store, home, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "boards")
    folder_of(RESULT, home / "out")
    assert command("report", "out", "--mlflow", "--json") == 0
    said = capfd.readouterr()
    assert said.out.startswith("{") and said.err.count("\n") == 2
    assert "logged to MLflow at sqlite" in said.err and "experiment boards: run " in said.err
    run_id = said.err.split()[-1]
    run = store.get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "net.h5 on rpi4"
    assert run.data.metrics["deployed/instructions"] == 100
    assert "deployed/accuracy" not in run.data.metrics
    assert run.data.params["recipe.prune.key149"] == "149"  # more than MLflow takes at once
    assert run.data.tags["edgeprune.model_sha256"] == "ab" * 32
    assert files_of(store, run_id) == {"result.json", "report.html", "report.txt"}
    assert command("report", "out", "--mlflow-model") == 0
    assert capfd.readouterr().err.split()[-1] == run_id
    assert "deployed.tflite" in files_of(store, run_id)
    experiment = store.get_experiment_by_name("boards").experiment_id
    assert len(store.search_runs([experiment])) == 1


def test_a_run_that_broke_off_is_completed(store, home, monkeypatch):
    result = changed(RESULT, {"board": "rpi5"})

    def fail(*ignored):
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(tracking, "_log_files", fail)
        with pytest.raises(ConfigError, match="the disk is full"):
            log_run(Content(result, None), place())
    logged = log_run(Content(result, None), place())
    assert logged.is_new and store.get_run(logged.run_id).info.status == "FINISHED"
    experiment = store.get_experiment_by_name("edgeprune").experiment_id
    found = store.search_runs([experiment], "params.board = 'rpi5'")
    assert [run.info.run_id for run in found] == [logged.run_id]


def test_from_python_a_result_is_added_to_the_active_run(store, home):
    import mlflow

    folder_of(changed(RESULT, {"board": "mine"}), home / "mine")
    experiment = store.create_experiment("training")
    with mlflow.start_run(experiment_id=experiment) as active:
        assert edgeprune.log_to_mlflow(home / "mine", model=True) == active.info.run_id
        assert store.get_run(active.info.run_id).info.status == "RUNNING"
    assert store.get_run(active.info.run_id).data.params["board"] == "mine"
    assert "deployed.tflite" in files_of(store, active.info.run_id)
    assert edgeprune.log_to_mlflow(home / "mine", experiment="other") != active.info.run_id


def test_a_server_that_does_not_answer_is_one_line_without_the_password(
    home, silent, monkeypatch, capfd
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder_of(RESULT, home / "out")
    assert command("report", str(home / "out"), "--mlflow") == 2
    said = capfd.readouterr().err
    (line,) = (line for line in said.splitlines() if line.startswith("edgeprune: "))
    assert "does not answer: Read timed out. (read timeout=1)" in line
    assert "MLFLOW_TRACKING_URI is right" in line and "geheim" not in said


def test_what_takes_too_long_in_all_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(tracking, "REACH_S", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    with pytest.raises(ConfigError, match=r"gave no answer in 0\.2 s"):
        reach(place(silent))


def test_deploy_asks_the_server_before_it_measures(home, monkeypatch, capfd):
    from nets import eligible

    (home / "m.tflite").write_bytes(eligible())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.chdir(home)
    for name in ("deploy", "run"):
        assert command(name, "m.tflite", "--board", "local", "--mlflow") == 2
        said = capfd.readouterr().err
        assert "Connection refused" in said and "nothing was measured" in said
    assert sorted(path.name for path in home.glob("m*")) == ["m.tflite"]


def test_a_result_that_the_server_does_not_take_is_kept_and_named(home, monkeypatch, capfd):
    from edgeprune.cli.tracking import log_outcome
    from edgeprune.pipeline.outcome import Outcome

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    outcome = Outcome(RESULT, folder_of(RESULT, home / "out"), (), ())
    with pytest.raises(ConfigError) as wrong:
        log_outcome(True, outcome)
    assert f"the result is in {home / 'out'}" in str(wrong.value)
    assert str(wrong.value).endswith(f"edgeprune report {home / 'out'} --mlflow-model")


def test_without_mlflow_one_line_says_how_to_install_it(home, monkeypatch, capfd):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    folder_of(RESULT, home / "out")
    assert command("report", str(home / "out"), "--mlflow") == 2
    assert "--mlflow needs mlflow: pip install 'edgeprune[mlflow]'" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["../secret.tflite", "missing.tflite", "link.tflite"])
def test_a_model_that_is_not_in_the_results_folder_is_not_sent(name, home, monkeypatch):
    (home / "secret.tflite").write_text("secret")
    folder = folder_of(RESULT, home / "out")
    (folder / "link.tflite").symlink_to(home / "secret.tflite")
    stranger = changed(RESULT, {"variants.1.file": name})
    with pytest.raises(ConfigError, match="no such file in the result's folder"):
        log_run(Content(stranger, folder, with_model=True), place("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("http://anna:geheim@host:5000/x?key=1", "http://host:5000/x"),
        ("postgresql://a:b@c@host/db", "postgresql://host/db"),
        ("sqlite:///runs.db", "sqlite:///runs.db"),
        ("http://[", "an address that cannot be read"),
        ("databricks", "databricks"),
    ],
)
def test_an_address_is_shown_without_its_password(uri, text):
    assert tracking.Place(uri, "edgeprune", None).shown == text
