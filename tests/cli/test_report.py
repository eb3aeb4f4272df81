import json
from pathlib import Path

import pytest
from results import changed, counted, document, result_of

from edgeprune import cli, history
from edgeprune.history.result_file import write_result

RESULT = result_of(
    counted("dense", 300), counted("deployed", 100), verdict="faster", speedup=3.0,
    notes=["a stage's line"], reasons=["1 x CONV_2D: too few zeros"],
)  # fmt: skip


def run(*argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["report", *argv])
    return done.value.code


@pytest.fixture
def folder(home, monkeypatch):
    monkeypatch.chdir(home)
    write_result(RESULT, home / "out")
    return home


def test_tables_are_printed_and_the_page_is_written_beside_the_result(folder, capsys):
    assert run("out") == 0
    printed = capsys.readouterr().out
    assert "3.00x fewer instructions" in printed and "written to out/report.html" in printed
    assert "a stage's line" in printed and "too few zeros" in printed
    page = (folder / "out" / "report.html").read_text()
    assert "too few zeros" in page and "3.00x fewer instructions" in page


def test_json_alone_is_on_stdout(folder, capsys):
    assert run("out", "--json", "--html", "page.html") == 0
    found = capsys.readouterr()
    assert json.loads(found.out) == document(RESULT) and "written to page.html" in found.err
    assert (folder / "page.html").exists()


def test_a_recorded_run_gets_a_page_in_the_current_folder(folder, capsys):
    number = history.record(RESULT)
    assert run(str(number)) == 0
    assert (folder / f"report-{number}.html").exists()


def test_the_history_is_listed_with_numbers(folder, capsys):
    assert run("--history") == 0
    assert "no run is recorded" in capsys.readouterr().out
    numbers = [history.record(RESULT) for _ in range(3)]
    assert run("--history", "--limit", "2") == 0
    printed = capsys.readouterr().out
    assert f" {numbers[2]} " in printed and f" {numbers[0]} " not in printed
    assert run("--history", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listed] == numbers[::-1] and listed[0]["result"] == document(
        RESULT
    )


def test_a_history_that_cannot_be_read_takes_no_page_away(folder, capsys):
    (folder / "edgeprune").mkdir(exist_ok=True)
    (folder / "edgeprune" / "history.sqlite").write_text("not a database")
    assert run("out") == 0
    assert "earlier runs are not shown" in (folder / "out" / "report.html").read_text()


@pytest.mark.parametrize("argv", [(), ("nowhere",), ("9",), ("out", "--html", "none/page.html")])
def test_wrong_usage_is_exit_code_2(folder, capsys, argv):
    assert run(*argv) == 2


def test_a_page_takes_the_place_of_an_earlier_page_and_of_nothing_else(folder, capsys):
    for _ in range(2):
        assert run("out", "--html", "page.html") == 0
    (folder / "model.h5").write_bytes(b"three days of training")
    assert run("out", "--html", "model.h5") == 2
    assert "model.h5: exists already and is no page of edgeprune" in capsys.readouterr().err
    assert (folder / "model.h5").read_bytes() == b"three days of training"


def test_a_page_on_standard_output_is_alone_there(folder, capfd):
    assert run("out", "--html", "/dev/stdout") == 0
    page = capfd.readouterr().out
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert run("out", "--html", "/dev/stdout", "--json") == 2


def test_a_page_into_a_device_leaves_the_device(folder):
    assert run("out", "--html", "/dev/null") == 0
    assert Path("/dev/null").is_char_device()


def test_a_result_is_recorded_on_request_and_once(folder, capsys):
    for said in ("out: recorded as run 1", "out: recorded before as run 1"):
        assert run("out", "--record") == 0
        assert said in capsys.readouterr().err
    assert [one.result for one in history.runs()] == [RESULT]


def test_an_overlay_for_model_explorer_names_its_files_and_the_command(folder, capsys):
    from nets import eligible

    tflite = eligible()
    for name in ("dense", "deployed"):
        (folder / "out" / f"{name}.tflite").write_bytes(tflite)
    sizes = {f"variants.{index}.bytes": len(tflite) for index in (0, 1)}
    write_result(changed(RESULT, sizes), folder / "out")
    assert run("out", "--model-explorer") == 0
    printed = capsys.readouterr()
    last = printed.out.splitlines()[-1]
    assert last.startswith("look at them: model-explorer out/deployed.tflite --node_data_paths ")
    assert "deployed.sparsity.json" in last and "times of nodes are left out" in printed.err
    assert run("out", "--model-explorer", "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1


def test_an_overlay_of_a_recorded_run_asks_for_its_folder(folder, capsys):
    assert run(str(history.record(RESULT)), "--model-explorer") == 2
    assert "name the folder that deploy wrote" in capsys.readouterr().err
