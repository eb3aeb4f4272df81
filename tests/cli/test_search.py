"""``edgeprune search`` on the command line: what it refuses, and what it prints."""

import json

import pytest
import searched_net

from edgeprune import cli


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return searched_net.write(tmp_path_factory.mktemp("search"))


@pytest.fixture
def here(home, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["search", *map(str, argv)])
    return done.value.code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "Missing option '--board'"),
        (("--board", "rpi4-emulated"), "Missing option '--data'"),
        (("--board", "rpi44", "--data", "DATA", "-o", "out"), "did you mean"),
        (("--board", "local", "--data", "DATA"), "Missing option '-o'"),
        (
            ("--board", "local", "--data", "DATA", "-o", "out", "--minimize", "latncy"),
            "did you mean",
        ),
        (
            ("--board", "local", "--data", "DATA", "-o", "out", "--max-accuracy-drop", "0%"),
            "must be above 0%",
        ),
        (("--board", "local", "--data", "DATA", "-o", "out", "--budget", "9"), "--budget must be"),
        (
            ("--board", "local", "--board", "rpi4", "--data", "DATA", "-o", "out", "--host", "pi"),
            "say whose it is, as local=pi",
        ),
        (
            ("--board", "local", "--data", "DATA", "-o", "out", "--host", "rpi5=pi"),
            "no --board is called so",
        ),
        (
            ("--board", "local", "--data", "DATA", "-o", "out", "--max-memory", "10kB"),
            "limits RAM of a microcontroller",
        ),
        (("--board", "local", "--data", "nothing.npz", "-o", "out"), "nothing.npz"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(here, files, capsys, argv, told):
    model, data = files
    words = [data if word == "DATA" else word for word in argv]
    code, out, err = run(capsys, model, *words)
    assert code == 2 and out == ""
    assert told in err.splitlines()[-1], err
    assert not (here / "out").exists()


@pytest.mark.device
def test_json_alone_stands_on_standard_output_and_a_file_that_cannot_be_trained_is_judged(
    here, files, capsys
):
    from edgeprune.convert import convert
    from edgeprune.load import load

    model, data = files
    (here / "net.tflite").write_bytes(convert(load(model)))
    code, out, err = run(
        capsys,
        *(here / "net.tflite", "--data", data, "--board", "mps2-an386", "--budget", "20s"),
        *("-o", "out", "--sessions", "1", "--json"),
    )
    assert code == 0, err
    front = json.loads(out)
    assert front["trained"] == 0 and front["boards"][0]["recommended"]
    assert "nothing can be trained" in front["ended"]
    assert json.loads((here / "out" / "front.json").read_text()) == front


@pytest.mark.device
def test_a_board_that_cannot_be_reached_keeps_its_networks_predicted(here, files, capsys):
    model, data = files
    code, out, err = run(
        capsys,
        *(model, "--data", data, "--board", "rpi4", "--host", "rpi4=127.0.0.1:9"),
        *("--budget", "15s", "-o", "out", "--wait", "0"),
    )
    assert code == 3, err
    assert "stay predicted" in err
    assert "predicted" in out and "measured" not in out.replace("not measured", "")
    front = json.loads((here / "out" / "front.json").read_text())
    (board,) = front["boards"]
    assert board["remark"] and board["best"] == "best-rpi4.toml"
    for point in board["points"]:
        assert (here / "out" / point["file"]).is_file()
        assert (here / "out" / point["recipe"]).is_file()
        assert point["report"] is None and not point["is_measured"]


@pytest.mark.device
def test_a_budget_too_small_for_any_training_says_what_was_judged(here, files, capsys):
    model, data = files
    code, out, err = run(
        *(capsys, model, "--data", data, "--board", "rpi4-emulated"),
        *("--budget", f"{searched_net.NO_TRAINING_S}s", "-o", "out"),
    )
    assert code == 0, err
    front = json.loads((here / "out" / "front.json").read_text())
    assert front["trained"] == 0
    assert "nothing can be trained in that time" in front["ended"]
    assert "rpi4-emulated: " in out
