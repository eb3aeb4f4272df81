import pytest
from results import changed, counted, result_of

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import write_result
from edgeprune.report.source import find_result

RESULT = result_of(counted("deployed", 10))


def test_a_folder_a_file_and_a_run_are_found(home, monkeypatch):
    monkeypatch.chdir(home)
    file = write_result(RESULT, home / "out")
    number = history.record(RESULT)
    for name in (str(home / "out"), str(file)):
        found = find_result(name)
        assert found.result == RESULT and found.page == home / "out" / "report.html"
    for name in (str(number), f"#{number}"):
        found = find_result(name)
        assert (found.name, found.result) == (f"#{number}", RESULT)
        assert found.page.name == f"report-{number}.html"


def test_a_folder_that_has_a_number_as_name_goes_before_a_run(home, monkeypatch):
    monkeypatch.chdir(home)
    number = history.record(RESULT)
    other = changed(RESULT, {"board": "rpi5"})
    write_result(other, home / str(number))
    assert find_result(str(number)).result.board == "rpi5"


def test_what_does_not_exist_is_named(home, monkeypatch):
    monkeypatch.chdir(home)
    with pytest.raises(ConfigError, match=r"no run has the number 7; `edgeprune report --history`"):
        find_result("7")
    with pytest.raises(ConfigError, match="nowhere"):
        find_result("nowhere")


def test_the_history_gives_runs_of_one_model_on_one_device(home):
    numbers = [history.record(RESULT) for _ in range(3)]
    history.record(changed(RESULT, {"board": "rpi5"}))
    history.record(changed(RESULT, {"model.sha256": "0" * 64}))
    history.record(changed(RESULT, {"device.id": "other-pi"}))
    assert [run.id for run in history.alike(RESULT)] == numbers[::-1]
    assert [run.id for run in history.alike(RESULT, limit=1)] == numbers[-1:]
