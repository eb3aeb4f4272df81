"""A network that training alone makes better is no cheaper: it is not taken, and that is said."""

import dataclasses
import io
import re
import time

import numpy as np
import pytest
from keras_nets import save
from rich.console import Console

from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Move, Node
from edgeprune.console.quiet import quiet
from edgeprune.data.example import digits_data
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline import chain, search_clock
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, load_recipe

TUNED = Node().after(Move("tune", epochs=8))
DENSE = Cost(100.0, 1000)


def judged(lost, error, node=TUNED, limit=0.01):
    dense = Candidate(Node(), "none", 0.0, 0.0, {"board": DENSE})
    other = Candidate(node, "none", lost, error, {"board": DENSE})
    return Judged(Goal(limit), {"board": DENSE}, [dense, other])


@pytest.mark.parametrize(
    ("lost", "error", "is_told"),
    [(-0.08, 0.02, True), (-0.08, 0.05, False), (-0.008, 0.001, False), (0.01, 0.001, False)],
)
def test_a_gain_is_told_from_chance_and_from_little(lost, error, is_told):
    assert (judged(lost, error).clearly_better() is not None) == is_told


def test_only_the_model_as_it_is_counts():
    smaller = TUNED.after(Move("channels", 0.5, 8))
    assert judged(-0.08, 0.01, smaller).clearly_better() is None
    assert judged(0.0, 0.0, Node()).clearly_better() is None


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A network that was hardly trained, and digits."""
    folder = tmp_path_factory.mktemp("raw")
    digits = {k: v[:, ::2, ::2, :1] if k[0] == "x" else v for k, v in digits_data().items()}
    np.savez(folder / "digits.npz", **digits)
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = layers.Input((16, 16, 1))
    z = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    outputs = layers.Dense(10, activation="softmax")(layers.Flatten()(z))
    net = keras.Model(inputs, outputs)
    with quiet():
        net.compile("adam", "sparse_categorical_crossentropy")
        net.fit(digits["x_train"][:600], digits["y_train"][:600], epochs=1, verbose=0)
    return save(net, folder / "net.keras"), folder / "digits.npz"


def compressed(request):
    log = io.StringIO()
    with Progress(Console(file=log, width=1000), brief=True) as progress:
        done = compress_within_limit(request, resolved_cpu(load_board(request.board).cpu), progress)
    return done, log.getvalue()


def test_the_line_says_how_to_make_it_and_that_makes_it_better(raw, home, tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "STEPS", 100)
    monkeypatch.setattr(chain, "TUNE_STEPS", 200)
    monkeypatch.setattr(search_clock, "now_s", time.process_time)
    model, data = raw
    request = Request(model, "rpi4", Recipe(), str(data), budget_s=10.0, augment="shifts")
    done, log = compressed(request)
    told = [note for note in done.notes if note.startswith("training alone helps")]
    assert len(told) == 1, log
    line = told[0]
    assert line in log
    points, epochs, rate = re.search(
        r"([\d.]+) points better on the samples that choose; it is no cheaper and so not taken: a "
        r"recipe with \[\[steps\]\] and \[steps.tune\] \(epochs = (\d+), learning_rate = (.*)\)",
        line,
    ).groups()
    recipe = tmp_path / "tune.toml"
    recipe.write_text(
        f"[[steps]]\n[steps.tune]\nepochs = {epochs}\nlearning_rate = {rate}\n[verify]\n"
        "score_apart = true\n"
    )
    tuned, _ = compressed(dataclasses.replace(request, recipe=load_recipe(str(recipe))))
    gained = tuned.scores["deployed"].value - tuned.scores["dense"].value
    assert float(points) > 2 and gained > 0.5 * float(points) / 100
