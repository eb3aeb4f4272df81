"""The whole line, on real parts: files in, a result out."""

import dataclasses
import importlib
import io
import json
import threading
import types

import emulated
import forced
import keras_nets
import nets
import numpy as np
import pytest
from full_range import also
from rich.console import Console

from edgeprune import cli, pipeline, verify
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.auto import choice
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.devices.links.ssh.host_keys import trust_host_key
from edgeprune.errors import ConfigError, DeviceError, VerifyError
from edgeprune.history import runs
from edgeprune.history.result_file import parse_result
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.pipeline import accuracy_limit, deploy, device_half
from edgeprune.pipeline.accuracy_limit import compress_within_limit
from edgeprune.pipeline.host_half import compress
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import load_recipe
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.overrides import recipe_of
from edgeprune.recipe.quantize_table import QuantizeTable
from edgeprune.recipe.run_table import RunTable
from edgeprune.sparsify import stored_dense
from edgeprune.tasks import Head, Task

FAST = "[run]\nsessions = 2\nruns = 4\nwarmup = 1\n[verify]\nsamples = 2\n"


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    (tmp_path / "fast.toml").write_text(FAST)
    return tmp_path


def request(folder, board, **rest):
    recipe = load_recipe(str(folder / "fast.toml"))
    return Request(folder / "net.tflite", board, recipe, **rest)


@pytest.mark.device
def test_the_emulated_board_gives_a_valid_result_in_the_folder_and_in_the_history(folder, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main(["deploy", "net.tflite", "--board", "rpi4-emulated", "--json", "--output", "out"])
    assert done.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((folder / "out" / "result.json").read_text())
    assert runs()[0].result == parse_result(result)
    dense, deployed = result["variants"]
    assert (deployed["sparse_layers_expected"], deployed["sparse_layers_run"]) == (2, 2)
    assert deployed["instructions"]["per_inference"] < dense["instructions"]["per_inference"]
    assert dense["latency_us"] is None and result["comparison"]["metric"] == "instructions"
    assert deployed["profiling_only"] and not dense["profiling_only"]
    for variant in (dense, deployed):
        assert (folder / "out" / variant["file"]).stat().st_size == variant["bytes"]
    again = load_recipe(str(folder / "out" / "recipe.toml"))
    assert again.prune.sparsity == 0.8


@pytest.mark.device
def test_wrong_outputs_on_the_board_end_in_exit_code_1_with_nothing_written(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.wrong_on_arm()))
    before = {p for p in folder.rglob("*") if "edgeprune" not in p.parts}
    with pytest.raises(SystemExit) as done:
        cli.main(["deploy", "net.tflite", "--board", "rpi4-emulated", "--recipe", "as-is"])
    assert done.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("edgeprune: deployed: outputs on rpi4-emulated")
    assert {p for p in folder.rglob("*") if "edgeprune" not in p.parts} == before
    (run,) = runs()
    assert last.endswith(f"`edgeprune report {run.id}` shows the run")
    assert run.result.validity.verdict == "invalid"
    assert run.result.notes[0] in last and "first differ at" in last
    with pytest.raises(SystemExit):
        cli.main(["report", str(run.id), "--html", "wrong.html"])
    assert "Do not use this model: its outputs are wrong" in (folder / "wrong.html").read_text()


def test_parity_that_fails_names_variant_and_difference(folder, monkeypatch):
    def off_by_some(*asked):
        host = expected(*asked)
        outputs = [[o + np.float32(0.01) for o in row] for row in host.outputs]
        return dataclasses.replace(host, outputs=outputs)

    expected = device_half.host_outputs_with_rounding
    monkeypatch.setattr(device_half, "host_outputs_with_rounding", off_by_some)
    with pytest.raises(VerifyError, match=r"dense: outputs on local.* differ .* by 0\.01"):
        deploy(request(folder, "local"), Progress())


@pytest.mark.parametrize(
    "step", ["edgeprune.report.result.build_result", "edgeprune.verify.with_parity"]
)
def test_measurements_of_which_no_result_can_be_made_are_kept_as_they_came(
    folder, monkeypatch, home, step
):
    def broken(*_):
        raise ConfigError("result.json: $.variants: wrong")

    monkeypatch.setattr(step, broken)
    with pytest.raises(ConfigError, match=r"wrong; what was measured is in (\S+), as it came"):
        deploy(request(folder, "local", output=folder / "out"), Progress())
    (file,) = (home / "edgeprune" / "rescued").iterdir()
    measured = json.loads(file.read_text())["measured"]
    assert all(len(one["sessions"]) == 2 for one in measured)
    assert not (folder / "out").exists()


def test_a_file_that_nothing_changes_is_one_variant(folder):
    outcome = deploy(
        Request(folder / "net.tflite", "local", load_recipe("as-is"), output=folder / "out"),
        Progress(),
    )
    assert [variant.name for variant in outcome.result.variants] == ["deployed"]
    assert (folder / "out" / "deployed.tflite").read_bytes() == nets.eligible()


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
    assert "int8-weights, because 80% sparse, pattern" in recipe["why"]
    assert any("chose among recipes by the test samples" in line for line in found["notes"])


@pytest.fixture
def over_ssh(folder, lab, monkeypatch):
    """A board like this machine that is reached over SSH, and a bench with one of them."""
    from edgeprune.devices.boards import load_board, resolved_cpu
    from edgeprune.devices.toolchain.zig import host_isa

    text = (emulated.SHIPPED / "local.toml").read_text()
    text = text.replace('"local"', '"box"', 1).replace(
        'use = "local"', 'use = "ssh"\nfolder = "ep"'
    )
    text = text.replace('isa      = "host"', f'isa = "{host_isa()}"')
    (folder / "boards").mkdir()
    (folder / "boards" / "box.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(folder / "boards"))
    assert resolved_cpu(load_board("box").cpu).isa == host_isa()
    (folder / "bench.toml").write_text(
        f'[devices.box-1]\nboard = "box"\nhost = "{lab.device.address}"\nuser = "root"\n'
        f'key = "{lab.key}"\n'
    )
    trust_host_key("box-1", lab.device.host_key())
    return folder


@pytest.mark.device
def test_a_device_behind_a_real_sshd_is_measured_and_left_clean(over_ssh, lab):
    folder = over_ssh
    bench = folder / "bench.toml"
    outcome = deploy(request(folder, "box", bench=bench, output=folder / "out"), Progress())
    assert outcome.result.device.id == "box-1"
    assert [variant.name for variant in outcome.result.variants] == ["dense", "deployed"]
    for variant in outcome.result.variants:
        assert variant.latency_us.runs == 8
        assert variant.parity.where.startswith("box-1")
        states = [session.state for session in variant.sessions]
        assert all(state.wait_share is not None and state.load_1min >= 0 for state in states)
    assert lab.gone("edgeprune-agent")
    names = {path.name for path in (lab.device.home / "ep").rglob("*") if path.is_file()}
    assert names == {"edgeprune-agent", "libLiteRt.so", "dense.tflite", "deployed.tflite"}


@pytest.mark.device
def test_a_file_that_is_run_to_find_a_fault_is_gone_from_the_device_afterwards(over_ssh, lab):
    from edgeprune.agents import build, runtime
    from edgeprune.devices.bench import choose_device, load_bench
    from edgeprune.devices.boards import load_board
    from edgeprune.devices.transports.base import TRANSPORTS
    from edgeprune.push import push

    board = load_board("box")
    device = choose_device(load_bench(over_ssh / "bench.toml"), board, None)
    tflite = nets.eligible()
    samples = verify.sample_inputs(tflite, None, 3)
    library = runtime.library(board.cpu.isa, board.runtime.version)
    with TRANSPORTS.get("ssh")(board, device) as transport:
        pushed = push(transport, [build.agent(board.agent.target), library.path])
        agent, runtime_path = (item.path for item in pushed)
        found = device_half.infer_once(transport, agent, runtime_path, tflite, samples)
    expected = verify.reference_outputs(tflite, samples)
    assert verify.parity(tflite, expected, found, "box").passed
    left = list((lab.device.home / "ep").rglob("*"))
    assert all(path.name != "probe.tflite" for path in left)
    assert all(any(path.iterdir()) for path in left if path.is_dir())


@pytest.mark.device
def test_a_device_that_does_not_answer_is_told_before_anything_is_compressed(over_ssh, lab, capsys):
    lab.cut()
    try:
        with pytest.raises(SystemExit) as done:
            cli.main(["deploy", "net.tflite", "--board", "box", "--bench", "bench.toml", "-v"])
    finally:
        lab.mend()
    assert done.value.code == 3
    log = capsys.readouterr().err
    assert "connect" in log and "convert" not in log


@pytest.mark.device
@pytest.mark.parametrize("after_s", [also(0.2), 0.6, also(1.2)])
def test_a_connection_lost_on_the_way_is_exit_code_3_and_the_next_run_succeeds(
    over_ssh, lab, after_s, capsys
):
    folder = over_ssh
    (folder / "long.toml").write_text("[run]\nsessions = 50\nruns = 1000\n")
    argv = ["deploy", "net.tflite", "--board", "box", "--bench", "bench.toml", "--output", "out"]
    ended = threading.Event()

    def strike():
        """From then on: at a single moment there might be no connection."""
        ended.wait(after_s)
        while not ended.wait(0.05):
            lab.device.kill_sessions()

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        with pytest.raises(SystemExit) as done:
            cli.main([*argv, "--recipe", "long.toml"])
    finally:
        ended.set()
        striking.join()
    assert done.value.code == 3, capsys.readouterr().err
    assert not (folder / "out").exists()
    assert lab.gone("edgeprune-agent")
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, "--recipe", "fast.toml"])
    assert done.value.code == 0


@pytest.mark.parametrize("error", [DeviceError("the plug was pulled"), KeyboardInterrupt()])
def test_a_model_that_took_long_is_kept_where_its_device_fails(folder, home, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pipeline, "WORTH_KEEPING_S", 0.0)
    monkeypatch.setattr(device_half, "measure", fail)
    with pytest.raises(type(error), match=r"the compressed model is kept in .*, not measured"):
        deploy(request(folder, "local", output=folder / "out"), Progress())
    (file,) = (home / "edgeprune" / "rescued").iterdir()
    assert file.name.endswith("-deployed.tflite") and not (folder / "out").exists()


@pytest.mark.device
def test_two_runs_on_one_device_take_turns(over_ssh):
    """Their windows on the device's own clock do not overlap, and one says whom it waits for."""
    folder, logs, found = over_ssh, [io.StringIO(), io.StringIO()], []

    def run(log):
        asked = request(folder, "box", bench=folder / "bench.toml")
        with Progress(Console(file=log, width=200)) as progress:
            found.append(deploy(asked, progress).result)

    (folder / "fast.toml").write_text(FAST.replace("sessions = 2", "sessions = 5"))
    running = [threading.Thread(target=run, args=(log,)) for log in logs]
    for one in running:
        one.start()
    for one in running:
        one.join(600)
    assert len(found) == 2 and len(runs()) == 2
    windows = []
    for result in found:
        sessions = [session for variant in result.variants for session in variant.sessions]
        windows.append((min(s.begin_s for s in sessions), max(s.end_s for s in sessions)))
    (_, first_end), (second_begin, _) = sorted(windows)
    assert first_end < second_begin
    # Both may, where the run of the test before ends late.
    assert any("waiting for box-1, for 60 min at most: in use by" in o.getvalue() for o in logs)


def test_sessions_and_runs_are_those_of_the_recipe(folder):
    outcome = deploy(request(folder, "local", output=folder / "out"), Progress())
    latency = outcome.result.variants[0].latency_us
    assert (latency.sessions, latency.runs) == (2, 8)
    assert latency.p90 is None and latency.p99 is None
    assert RunTable().planned_sessions() >= 5, "the default gives a verdict"
    assert RunTable().planned_sessions() * RunTable().amount().runs >= 64, "and a p90"


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


@pytest.mark.parametrize("flavour", ["keras", also("tf_keras")])
def test_a_keras_model_is_pruned_clustered_trained_with_rounding_and_quantized(flavour, folder):
    name = "net.keras" if flavour == "keras" else "net.h5"
    keras_nets.save(keras_nets.build(flavour, "functional"), folder / name)
    data = keras_nets.dataset()
    arrays = ("x_train", "y_train", "x_test", "y_test")
    np.savez(folder / "data.npz", **{key: getattr(data, key) for key in arrays})
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


@pytest.mark.parametrize("right", range(1, 60))
def test_a_drop_of_exactly_the_limit_keeps_it(right, monkeypatch, folder):
    scores = {"dense": Accuracy("top1", 1.0, 60), "deployed": Accuracy("top1", right / 60, 60)}
    loss = "categorical_crossentropy"
    head = Head("out", (2,), "classification", "class numbers", "softmax", 2, loss, "top1", ())
    fake = types.SimpleNamespace(scores=scores, task=Task((head,)), first_score="dense")
    monkeypatch.setattr(accuracy_limit, "compress", lambda *_: fake)
    asked = request(folder, "local", max_accuracy_drop=(60 - right) / 60)
    assert compress_within_limit(asked, None, Progress()) is fake


@pytest.mark.parametrize("flavour", [also("keras"), "tf_keras"])
def test_channels_go_first_and_every_later_stage_works_on_what_is_left(flavour, folder, capsys):
    name = "net.keras" if flavour == "keras" else "net.h5"
    keras_nets.save(keras_nets.build(flavour, "functional"), folder / name)
    data = keras_nets.dataset()
    arrays = ("x_train", "y_train", "x_test", "y_test")
    np.savez(folder / "data.npz", **{key: getattr(data, key) for key in arrays})
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
    assert not list((folder / "edgeprune" / "training").iterdir())


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
