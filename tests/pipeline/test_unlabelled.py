"""Data without labels: a classifier is held to its own answers, and nothing calls that accuracy."""

import dataclasses
import io

import numpy as np
import pytest
import searched_net
from rich.console import Console

from edgeprune import cli, verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.choosing import kept_apart
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A network much larger than its task, and its data without labels."""
    folder = tmp_path_factory.mktemp("bare")
    model, labelled = searched_net.write(folder, hidden=96, tests=1000)
    with np.load(labelled) as arrays:
        x = {name: arrays[name] for name in ("x_train", "x_test")}
    np.savez(folder / "bare.npz", **x)
    return model, folder / "bare.npz", x


def test_the_search_holds_networks_to_the_dense_one(bare, home):
    model, data, x = bare
    request = Request(model, "mps2-an386", Recipe(), str(data), budget_s=searched_net.BUDGET_S)
    request = dataclasses.replace(request, max_accuracy_drop=0.05)
    log = io.StringIO()
    with (
        searched_net.short_trainings(),
        Progress(Console(file=log, width=1000), brief=True) as progress,
    ):
        done = compress_within_limit(request, resolved_cpu(load_board(request.board).cpu), progress)
    said = log.getvalue() + "\n".join(done.notes)
    assert "limit: at least 95% agreement with the dense network" in said
    assert "not how often it is right" in said
    assert "accuracy" not in said.replace("--max-accuracy-drop", "")
    dense, deployed = done.scores[done.first_score], done.scores["deployed"]
    assert (dense.metric, dense.value) == ("agreement", 1.0)
    assert deployed.value >= 0.95 and deployed.samples == 500
    assert done.recipe.steps, said
    # The score is what anybody would count.
    reported = kept_apart(Dataset(None, None, x["x_test"], None, "bare"))[1].x_test
    net = import_keras("keras").models.load_model(model, compile=False)
    wanted = net.predict(reported, verbose=0).argmax(1)
    (answers,) = verify.answers_of(done.sparsified.tflite)(reported)
    assert (answers.argmax(1) == wanted).mean() == pytest.approx(deployed.value, abs=0.002)


def test_a_recipe_trains_towards_the_dense_network_and_says_how_far_it_agrees(
    bare, home, tmp_path, capsys
):
    model, data, _ = bare
    recipe = tmp_path / "half.toml"
    recipe.write_text("[channels]\nmacs = 0.5\nepochs = 8\n[prune]\nsparsity = 0.0\n")
    args = ["compress", str(model), "--board", "rpi4", "--data", str(data), "--recipe", str(recipe)]
    with pytest.raises(SystemExit) as done:
        cli.main([*args, "-o", str(tmp_path / "half.tflite")])
    assert done.value.code == 0
    told = capsys.readouterr()
    (row,) = (line for line in told.out.splitlines() if line.startswith("agreement with the dense"))
    dense, half = [float(one[:-1]) for one in row.split() if one.endswith("%")][:2]
    assert dense == 100.0 and half > 80
    assert "agrees with the dense network to" in row and "1,000 samples" in row
    assert "accuracy" not in told.out + told.err
