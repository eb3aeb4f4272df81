"""The whole line, on real parts: files in, a result out."""

import dataclasses
import json

import forced
import nets
import numpy as np
import pytest
from fast_recipe import request

from edgeprune import cli
from edgeprune.errors import ConfigError, DeviceError, VerifyError
from edgeprune.history import runs
from edgeprune.history.result_file import parse_result
from edgeprune.pipeline import deploy, device_half, on_device
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import load_recipe
from edgeprune.recipe.run_table import RunTable


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


@pytest.mark.parametrize("error", [DeviceError("the plug was pulled"), KeyboardInterrupt()])
def test_a_model_that_took_long_is_kept_where_its_device_fails(folder, home, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(on_device, "WORTH_KEEPING_S", 0.0)
    monkeypatch.setattr(device_half, "measure", fail)
    with pytest.raises(type(error), match=r"the compressed model is kept in .*, not measured"):
        deploy(request(folder, "local", output=folder / "out"), Progress())
    (file,) = (home / "edgeprune" / "rescued").iterdir()
    assert file.name.endswith("-deployed.tflite") and not (folder / "out").exists()


def test_sessions_and_runs_are_those_of_the_recipe(folder):
    outcome = deploy(request(folder, "local", output=folder / "out"), Progress())
    latency = outcome.result.variants[0].latency_us
    assert (latency.sessions, latency.runs) == (2, 8)
    assert latency.p90 is None and latency.p99 is None
    assert RunTable().planned_sessions() >= 5, "the default gives a verdict"
    assert RunTable().planned_sessions() * RunTable().amount().runs >= 64, "and a p90"
