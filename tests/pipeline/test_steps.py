"""Recipes of several steps, from the file to the file."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from keras_nets import build, dataset, loaded, save, shown_in_keras, shown_in_tf_keras

from edgeprune import cli
from edgeprune.artifacts.model import ModelFile
from edgeprune.auto.for_core import for_core
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.pipeline.steps import after_steps
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.small_tables import SparsifyTable
from edgeprune.recipe.steps import Step
from edgeprune.recipe.tune_table import TuneTable
from edgeprune.training.context import StageContext

CHAIN = """
[[steps]]
[steps.tune]
epochs = 1
[[steps]]
[steps.channels]
macs = 0.8
epochs = 1
[[steps]]
[steps.prune]
sparsity = 0.5
layers = "all"
epochs = 1
[prune]
sparsity = 0.7
epochs = 1
[quantize]
mode = "int8"
"""


def argv(name):
    return ["compress", name, "--data", "data.npz", "--recipe", "chain.toml", "--board", "rpi4"]


def killed_at(line, command):
    """Runs a command until it says a line, and kills all of it then."""
    words = [sys.executable, "-m", "edgeprune", *command, "-v"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        for said in process.stderr:
            if said.startswith(line):
                os.killpg(process.pid, signal.SIGKILL)
                return True
    return False


@shown_in_keras
def test_a_chain_is_the_same_file_trained_taken_and_killed(flavour, folder, monkeypatch, capfd):
    name = "net.keras" if flavour == "keras" else "net.h5"
    save(build(flavour, "functional"), folder / name)
    data = dataset()
    arrays = ("x_train", "y_train", "x_test", "y_test")
    np.savez(folder / "data.npz", **{key: getattr(data, key) for key in arrays})
    (folder / "chain.toml").write_text(CHAIN)

    def made(output):
        with pytest.raises(SystemExit) as done:
            cli.main([*argv(name), "-v", "--json", "-o", output])
        assert done.value.code == 0
        said = capfd.readouterr()
        return (folder / output).read_bytes(), json.loads(said.out), said.err

    first, told, lines = made("first.tflite")
    assert "step 1 tune: epoch 1/1" in lines and "trained before" not in lines
    assert [list(step) for step in told["recipe"]["steps"]] == [["tune"], ["channels"], ["prune"]]
    assert told["channels"]
    for word in ("step 1 tune: ", "step 2 channels: ", "step 3 prune: ", "fine-tuned for 1 epoch"):
        assert any(note.startswith(word) for note in told["notes"])
    taken, _, lines = made("taken.tflite")
    assert lines.count("trained before: taken from") == 5 and "epoch 1/1" not in lines
    monkeypatch.setenv("EDGEPRUNE_HOME", str(folder / "empty"))
    assert killed_at("step 3 prune: epoch 1/1", [*argv(name), "-o", "killed.tflite"])
    assert not (folder / "killed.tflite").exists()
    killed, _, lines = made("killed.tflite")
    # The last epoch is kept, and a moment later the step: the kill came before that or after it.
    resumed = lines.count("step 3 prune: resuming after epoch 1/1")
    assert resumed + lines.count("trained before: taken from") == 3
    assert first == taken == killed


def from_file(flavour):
    source = ModelFile("m", "abc", "test")
    return dataclasses.replace(loaded(build(flavour, "functional"), flavour), source=source)


def stepped(model, *steps, **context):
    with Progress() as progress:
        recipe = Recipe(steps=tuple(Step(**{kind: table}) for kind, table in steps))
        cpu = resolved_cpu(load_board("rpi4").cpu)
        known = StageContext(dataset(), cpu=cpu, **context)
        return after_steps(model, recipe, known, progress)


TUNE = ("tune", TuneTable(1))
HALF = ("channels", ChannelsTable(0.5, epochs=1))
SPARSE = ("prune", PruneTable(0.5, layers="all", epochs=1))


@shown_in_tf_keras
def test_the_tuned_model_teaches_where_nothing_was_removed_before(flavour):
    model = from_file(flavour)
    first = stepped(model, TUNE)
    assert first.dense is first.model and first.dense is not model
    later = stepped(model, TUNE, SPARSE, TUNE)
    assert later.dense.identity == first.dense.identity != later.model.identity
    assert stepped(model, SPARSE, TUNE).dense is model
    assert stepped(model, HALF, TUNE).dense is model
    again = stepped(model, TUNE, TUNE)
    assert again.dense is again.model and again.model.identity != first.model.identity


@shown_in_keras
def test_each_step_starts_from_the_one_before_and_is_told_by_its_number(flavour):
    done = stepped(from_file(flavour), HALF, ("channels", ChannelsTable(0.5, epochs=1)), SPARSE)
    [group] = [one for one in done.groups.values() if one.channels_after < one.channels_before]
    assert group.channels_before == 4 * group.channels_after
    assert {note.split(": ")[0] for note in done.notes} == {
        "step 1 channels",
        "step 2 channels",
        "step 3 prune",
    }
    assert done.fine_tuned and not done.profiling_only
    assert all(one.zeros > 0 for one in done.tensors.values())


@shown_in_keras
def test_a_step_is_the_same_training_whatever_the_limit_and_needs_no_control(flavour, folder):
    one = stepped(from_file(flavour), SPARSE)
    other = stepped(from_file(flavour), SPARSE, max_accuracy_drop=0.0)
    assert one.model.identity == other.model.identity
    control = dataclasses.replace(SPARSE[1], control=False, seed=3)  # neither counts
    assert stepped(from_file(flavour), ("prune", control)).model.identity == one.model.identity
    assert len(list((folder / "edgeprune" / "training").iterdir())) == 1


@shown_in_tf_keras
def test_zeros_of_layers_that_a_later_step_leaves_alone_stay(flavour):
    narrow = ("prune", PruneTable(0.7, layers="all", ignored=("mix*",), epochs=2))
    done = stepped(from_file(flavour), SPARSE, narrow)
    shares = {one.name: one.zeros / one.weights for one in done.tensors.values()}
    assert any(0.4 < share < 0.6 for share in shares.values())
    assert any(share > 0.65 for share in shares.values())
    zeros = sum(
        int((np.asarray(w) == 0).sum()) for w in done.model.keras.get_weights() if w.ndim > 1
    )
    assert zeros >= sum(one.zeros for one in done.tensors.values())


def test_without_data_what_was_removed_is_fit_to_measure_only():
    with Progress() as progress:
        recipe = Recipe(steps=(Step(tune=TuneTable(1)), Step(prune=PruneTable(0.5, layers="all"))))
        done = after_steps(from_file("keras"), recipe, StageContext(), progress)
    assert done.profiling_only and not done.fine_tuned
    assert done.notes[0] == "step 1 tune: not tuned: there is no training data"


@shown_in_keras
def test_a_microcontroller_prunes_every_convolution_in_steps_too(flavour):
    cpu = resolved_cpu(load_board("mps2-an386").cpu)
    table = PruneTable(0.5, "kernel", epochs=1)
    recipe = for_core(Recipe(steps=(Step(prune=table), Step(tune=TuneTable(1)))), cpu)
    assert recipe.steps[0].prune.layers == recipe.prune.layers == "all"
    with Progress() as progress:
        done = after_steps(from_file(flavour), recipe, StageContext(dataset(), cpu=cpu), progress)
    assert len(done.tensors) == len(stepped(from_file(flavour), SPARSE).tensors)
    same = for_core(Recipe(steps=recipe.steps), resolved_cpu(load_board("rpi4").cpu))
    assert same.steps == recipe.steps


@pytest.mark.parametrize(
    ("board", "pattern", "kernels", "layers"),
    [
        ("rpi5", "1x4", "auto", "all"),
        ("rpi5", "1x4", "runtime", "accelerated"),
        ("rpi5", "kernel", "auto", "accelerated"),
        ("x1-emulated", "1x4", "edgeprune", "all"),
    ],
)
def test_blocks_for_our_own_kernels_are_pruned_wherever_these_run(board, pattern, kernels, layers):
    table = PruneTable(0.8, pattern, epochs=1)
    recipe = Recipe(
        prune=table, steps=(Step(prune=table),), sparsify=SparsifyTable(kernels=kernels)
    )
    found = for_core(recipe, resolved_cpu(load_board(board).cpu))
    assert (found.prune.layers, found.steps[0].prune.layers) == (layers, layers)


def test_explain_says_that_it_carries_out_no_steps(folder, capsys):
    (folder / "chain.toml").write_text(CHAIN)
    with pytest.raises(SystemExit):
        cli.main(["explain", "net.tflite", "--board", "rpi4", "--recipe", "chain.toml"])
    assert "explain carries out none of the recipe's [[steps]]" in capsys.readouterr().err
