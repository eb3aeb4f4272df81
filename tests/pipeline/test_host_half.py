"""Every stage works on what those before it made, and loses nothing of it."""

import dataclasses
import importlib
import json

import keras_nets
import numpy as np
import pytest
from full_range import also

from edgeprune import cli
from edgeprune.auto import choice
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import VerifyError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.pipeline import host_half
from edgeprune.pipeline.read import read_model
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import load_recipe
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.overrides import recipe_of
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.sparsify import stored_dense


def compress(asked, cpu, progress):
    """The host half of a request."""
    return host_half.compress(asked, cpu, progress, read_model(asked, progress))


def spoilt(made):
    """The stage's file with a first zero of a sparse weight filled, stored dense."""
    model = graph.read(stored_dense(made))
    subgraph = model.subgraphs[0]
    for op in subgraph.operators:
        if graph.op_name(model, op) in graph.FILTER_OPERANDS:
            tensor = graph.stored_source(subgraph, op.inputs[1])
            values = graph.constant(model, tensor).copy()
            if 0.5 < (values == 0).mean() < 1:
                values[tuple(np.argwhere(values == 0)[0])] = 1
                model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
                return graph.write(model)
    return made


@pytest.mark.parametrize("stage", ["convert", "rewrite", "quantize", "sparsify"])
def test_a_stage_that_loses_one_zero_ends_the_compression(stage, folder, monkeypatch):
    module = importlib.import_module(f"edgeprune.{stage}")
    right = getattr(module, stage)

    def wrong(*args, **rest):
        made = right(*args, **rest)
        if isinstance(made, bytes):
            return spoilt(made)
        return dataclasses.replace(made, tflite=spoilt(made.tflite))

    fast = load_recipe(str(folder / "fast.toml"))
    recipe = dataclasses.replace(
        fast,
        name="mine",
        prune=dataclasses.replace(fast.prune, pattern="unstructured"),
        cluster=ClusterTable(8),
        quantize=QuantizeTable("int8-weights"),
    )
    cpu = resolved_cpu(load_board("rpi4").cpu)
    asked = Request(folder / "net.tflite", "rpi4", recipe)
    with Progress() as progress:
        done = compress(asked, cpu, progress)
        assert done.tensor_errors and all(one.distinct <= 8 for one in done.clustered.tensors)
        monkeypatch.setattr(module, stage, wrong)
        with pytest.raises(VerifyError, match=f"the stage {stage} lost what was won before"):
            compress(asked, cpu, progress)


def network_and_data(flavour, folder):
    """Writes a network, and ``data.npz`` beside it; the network's file."""
    name = "net.keras" if flavour == "keras" else "net.h5"
    keras_nets.save(keras_nets.build(flavour, "functional"), folder / name)
    data = keras_nets.dataset()
    arrays = ("x_train", "y_train", "x_test", "y_test")
    np.savez(folder / "data.npz", **{key: getattr(data, key) for key in arrays})
    return name


@pytest.mark.parametrize("flavour", ["keras", also("tf_keras")])
def test_a_keras_model_is_pruned_clustered_trained_with_rounding_and_quantized(flavour, folder):
    name = network_and_data(flavour, folder)
    (folder / "all.toml").write_text(
        '[prune]\nsparsity = 0.5\nlayers = "all"\nepochs = 1\ncontrol = false\n'
        "[cluster]\nclusters = 6\nepochs = 1\n"
        '[quantize]\nmode = "int8"\n[qat]\nepochs = 1\n'
    )
    recipe = load_recipe(str(folder / "all.toml"))
    asked = Request(folder / name, "rpi4", recipe, data=str(folder / "data.npz"))
    with Progress() as progress:
        done = compress(asked, resolved_cpu(load_board("rpi4").cpu), progress)
    said = " ".join(done.notes)
    assert "centroids fine-tuned for 1 epoch" in said and "with rounding fine-tuned for 1" in said
    assert not done.profiling_only and graph.weight_sparsity(done.sparsified.tflite) > 0.35
    names = {one.name for one in done.pruned.tensors}
    assert names == {one.name for one in done.clustered.tensors}
    assert all(one.zeros_after >= one.zeros_before for one in done.tensor_errors)
    assert all(1 <= one.distinct <= 6 for one in done.clustered.tensors)


@pytest.mark.parametrize("flavour", [also("keras"), "tf_keras"])
def test_channels_go_first_and_every_later_stage_works_on_what_is_left(flavour, folder, capsys):
    name = network_and_data(flavour, folder)
    (folder / "all.toml").write_text(
        "[channels]\npruning_ratio = 0.5\nepochs = 1\n"
        '[prune]\nsparsity = 0.5\nlayers = "all"\nepochs = 1\n'
        "[cluster]\nclusters = 6\nepochs = 1\n"
        '[quantize]\nmode = "int8"\n[qat]\nepochs = 1\n'
    )
    argv = ["compress", name, "--recipe", "all.toml", "--data", "data.npz", "-o", "out.tflite"]
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, "--json"])
    assert done.value.code == 0
    found = json.loads(capsys.readouterr().out)
    dense, tuned, compressed = found["effects"]
    assert tuned["size"]["macs"] == dense["size"]["macs"]
    assert compressed["size"]["macs"] < 0.6 * dense["size"]["macs"]
    assert compressed["size"]["nonzero_macs"] < 0.7 * compressed["size"]["macs"]
    assert [one["channels_after"] for one in found["channels"]] == [4]
    kept = list((folder / "edgeprune" / "training").glob("*/*"))
    assert {file.name for file in kept} == {"trained.npz"} and len(kept) == 6


def test_a_recipe_that_names_channels_alone_prunes_nothing_else(folder, capsys):
    keras_nets.save(keras_nets.build("keras", "nested"), folder / "net.keras")
    (folder / "half.toml").write_text("[channels]\nmacs = 0.5\nround_to = 2\n")
    argv = ["compress", "net.keras", "-v", "-o", "out.tflite", "--recipe"]
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, "half.toml"])
    assert done.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "channels that are removed together" in text and "inner/mix" in text
    assert "channels were removed at once, without training data" in text


@pytest.mark.parametrize("named", [("auto", "channel"), ("mine.toml", None)])
def test_the_pattern_channel_removes_channels_from_a_flag_or_a_recipe(named, folder, monkeypatch):
    seen, choose = [], choice.choose

    def noted(recipe, cpu, dense, **rest):
        seen.append(size(dense).parameters)
        return choose(recipe, cpu, dense, **rest)

    monkeypatch.setattr(choice, "choose", noted)
    keras_nets.save(keras_nets.build("keras", "functional"), folder / "net.keras")
    (folder / "mine.toml").write_text('[prune]\npattern = "channel"\n')
    name, pattern = named
    asked = Request(folder / "net.keras", "rpi4", recipe_of(name, None, pattern, None))
    with Progress() as progress:
        done = compress(asked, resolved_cpu(load_board("rpi4").cpu), progress)
    assert [one.channels_after for one in done.pruned.groups] == [4]  # half, where nothing says
    dense, compressed = (
        size(network).parameters for network in (done.dense, done.compressed_float)
    )
    assert [compressed] == seen != [dense], "auto sees what is left"
    in_force = done.recipe
    assert in_force.channels.pruning_ratio == 0.5 and in_force.prune.sparsity == 0
