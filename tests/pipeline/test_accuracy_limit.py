"""A limit of accuracy ends the line, or makes it choose, and holds to the last sample."""

import json
import types

import nets
import numpy as np
import pytest
from fast_recipe import request

from edgeprune import cli, verify
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.pipeline import accuracy_limit
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.progress import Progress
from edgeprune.tasks import Head, Task


@pytest.fixture
def scored(folder):
    """A network whose own answers are the labels, so that it is always right."""
    x = np.random.default_rng(0).normal(size=(60, 32, 32, 3)).astype(np.float32)
    tflite = nets.eligible(sparsity=0.0, size=32)
    (folder / "net.tflite").write_bytes(tflite)
    host = verify.HostModel(tflite, reference=True)
    labels = np.array([host([row[None]])[0].argmax() for row in x])
    np.savez(folder / "d.npz", x_test=x, y_test=labels)
    return folder


def exit_code(*argv):
    with pytest.raises(SystemExit) as done:
        cli.main([str(word) for word in argv])
    return done.value.code


LIMIT = ("net.tflite", "--data", "d.npz", "--max-accuracy-drop")


@pytest.mark.parametrize("command", [("deploy", "--board", "local"), ("compress", "-o", "out")])
def test_a_limit_that_cannot_be_kept_is_exit_code_1_and_nothing_is_written(scored, capsys, command):
    before = sorted(scored.glob("[!.]*"))  # libraries' caches are in the home, which is here
    assert exit_code(*command, *LIMIT, 0, "--recipe", "fast.toml", "--sparsity", 0.98) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "--max-accuracy-drop 0% cannot be kept on 60 test samples: 98% sparse" in said
    assert "; what would help: a lower --sparsity or the Keras model" in said
    assert sorted(scored.glob("[!.]*")) == before


def test_auto_goes_on_with_what_keeps_the_limit_and_says_what_did_not(scored, capsys):
    flags = ("--board", "rpi4", "--no-verify", "--json", "-o", "out.tflite")
    assert exit_code("compress", *LIMIT, "100%", *flags) == 0
    first = json.loads(capsys.readouterr().out)
    (scored / "out.tflite").unlink()
    assert exit_code("compress", *LIMIT, 0.1, *flags) == 0
    found = json.loads(capsys.readouterr().out)
    lossy, kept = (one["effects"][-1]["accuracy"]["value"] for one in (first, found))
    assert lossy < 0.9 <= kept
    recipe = found["recipe"]
    assert recipe["prune"]["sparsity"] == 0 and recipe["quantize"]["mode"] == "int8-weights"
    assert recipe["why"].startswith("nothing cheaper keeps the limit: the closest is ")
    assert "zeros: " in recipe["why"] and "points worse" in recipe["why"]


@pytest.mark.parametrize("right", range(1, 60))
def test_a_drop_of_exactly_the_limit_keeps_it(right, monkeypatch, folder):
    scores = {"dense": Accuracy("top1", 1.0, 60), "deployed": Accuracy("top1", right / 60, 60)}
    loss = "categorical_crossentropy"
    head = Head("out", (2,), "classification", "class numbers", "softmax", 2, loss, "top1", ())
    fake = types.SimpleNamespace(scores=scores, task=Task((head,)), first_score="dense")
    monkeypatch.setattr(accuracy_limit, "compress", lambda *_: fake)
    asked = request(folder, "local", max_accuracy_drop=(60 - right) / 60)
    assert compress_within_limit(asked, None, Progress()) is fake
