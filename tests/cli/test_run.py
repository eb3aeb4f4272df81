"""``edgeprune run`` compares a file's outputs as ``deploy`` does."""

import json
import os

import forced
import nets
import pytest

from edgeprune import cli, history
from edgeprune.agents import build
from edgeprune.agents.lease_folder import FOLDER_VARIABLE
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.local import Local


@pytest.fixture
def folder(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "rpi4-emulated", "--output", "out", *argv])
    return done.value.code, *capsys.readouterr()


@pytest.mark.device
def test_a_right_file_is_measured_with_its_parity_on_16_inputs(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.eligible()))
    code, out, err = run(capsys, "--json")
    assert code == 0, err
    dense, deployed = json.loads(out)["variants"]
    assert dense["parity"]["samples"] == deployed["parity"]["samples"] == 16
    assert deployed["sparse_layers_run"] == 2
    assert deployed["parity"]["max_abs_diff"] > 0, "sparse kernels sum in another order"


@pytest.mark.full_range
@pytest.mark.device
def test_a_file_whose_outputs_are_wrong_is_exit_code_1_with_the_layer(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.wrong_on_arm()))
    code, _, err = run(capsys)
    assert code == 1 and not (folder / "out").exists()
    last = err.splitlines()[-1]
    assert last.startswith("edgeprune: deployed: outputs on rpi4-emulated")
    assert "first differ at t8 (CONV_2D); reading out t5 (CONV_2D)" in last


LOCAL = ("--board", "local", "--sessions", "1", "--runs", "2")


def test_a_history_that_cannot_be_used_is_told_at_the_start_and_the_result_stays(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    (folder / "edgeprune").mkdir()
    (folder / "edgeprune" / "history.sqlite").write_text("no database")
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", *LOCAL, "-o", "out", "-v"])
    warned = capsys.readouterr().err
    assert done.value.code == 0
    first = warned.index("warning: ")
    assert "the run goes on, and its result will be in out" in warned[first:].splitlines()[0]
    assert first < warned.index("verify ...")
    assert "edgeprune report out --record" in warned
    assert json.loads((folder / "out" / "result.json").read_text())["schema"] == 1


def test_a_model_whose_name_is_no_utf8_is_measured(folder, capsys):
    name = os.fsdecode(b"n\xff\nt.tflite")
    (folder / name).write_bytes(nets.eligible())
    with pytest.raises(SystemExit) as done:
        cli.main(["run", name, *LOCAL])
    assert done.value.code == 0
    (made,) = (one for one in folder.iterdir() if one.name.endswith("-local"))
    assert json.loads((made / "result.json").read_text())["model"]["path"] == "n\\udcff\nt.tflite"


def test_who_will_not_wait_is_told_before_any_work_whose_the_device_is(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    local = Local(load_board("local"), Device("local", "local"))
    line = "anna@lab3 (edgeprune deploy, process 12, since 2026-11-28 12:03 UTC)"
    with start_agent(local, str(build.agent("host"))) as agent:
        assert agent.lock(os.environ[FOLDER_VARIABLE], line) is None
        with pytest.raises(SystemExit) as done:
            cli.main(["run", "net.tflite", *LOCAL, "--wait", "0", "-v"])
    said = capsys.readouterr().err
    assert done.value.code == 3
    assert f"edgeprune: this machine is in use by {line}; wait with --wait 10m" in said
    assert "load ..." not in said and not (folder / "net-local").exists()


def test_several_files_take_turns_and_each_is_compared_with_the_first(folder, capsys):
    for name, net in (("old", nets.eligible()), ("new", nets.wrong_on_arm())):
        (folder / f"{name}.tflite").write_bytes(net)
    (folder / "sub").mkdir()
    (folder / "sub" / "old.tflite").write_bytes(nets.eligible())
    files = ["old.tflite", "new.tflite", "sub/old.tflite"]
    with pytest.raises(SystemExit) as done:
        cli.main(["run", *files, "--board", "local", "--runs", "2", "-o", "both", "--json"])
    out, err = capsys.readouterr()
    assert done.value.code == 0, err
    found = json.loads(out)
    assert found["folders"] == ["both/old", "both/new", "both/old-2"]
    assert len({result["sitting"] for result in found["results"]}) == 1
    first, _, third = found["results"]
    assert first["timed"]["order"][:6] == ["deployed", "new", "old-2", "old-2", "new", "deployed"]
    assert first["variants"][0]["sha256"] == third["variants"][0]["sha256"]
    assert [one["a"] for one in found["comparisons"]] == ["both/old"] * 2
    verdicts = [one["changes"][0]["verdict"] for one in found["comparisons"]]
    assert set(verdicts) <= {"better", "worse", "no difference shown", "not measurable"}
    assert len(history.runs()) == 3
    assert json.loads((folder / "both" / "new" / "result.json").read_text()) == found["results"][1]
    assert not list(folder.glob("both/*/.edgeprune-run"))


def test_a_control_is_timed_in_turns_and_kept_with_the_result(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    (folder / "golden.tflite").write_bytes(nets.wrong_on_arm())
    command = ["run", "net.tflite", "--control", "golden.tflite", *LOCAL, "--runs", "2"]
    with pytest.raises(SystemExit) as done:
        cli.main([*command, "-o", "out", "--json"])
    out, err = capsys.readouterr()
    assert done.value.code == 0, err
    result = json.loads(out)
    assert result == json.loads((folder / "out" / "result.json").read_text())
    assert {"deployed", "golden"} == set(result["timed"]["order"]) and "sitting" not in result
    assert not list(folder.glob("*control*"))
    assert ("control" in result) != ("the result has no control" in err)
    assert [run.model_path for run in history.runs()] == ["net.tflite"]


def test_a_board_that_counts_needs_no_control(folder, capsys):
    (folder / "net.tflite").write_bytes(nets.eligible())
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--control", "net.tflite", "--board", "rpi4-emulated"])
    assert done.value.code == 2 and "leave out --control" in capsys.readouterr().err


@pytest.mark.device
def test_a_wrong_one_of_several_files_is_named_and_nothing_is_written(folder, capsys):
    (folder / "net.tflite").write_bytes(forced.encoded(nets.eligible()))
    (folder / "wrong.tflite").write_bytes(forced.encoded(nets.wrong_on_arm()))
    code, _, err = run(capsys, "wrong.tflite")
    assert code == 1 and not (folder / "out").exists()
    last = err.splitlines()[-1]
    assert last.startswith("edgeprune: wrong: outputs on rpi4-emulated")
    assert "first differ at t8 (CONV_2D); reading out t5 (CONV_2D)" in last
    assert [one.model_path for one in history.runs()] == ["wrong.tflite"]
