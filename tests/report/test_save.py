"""A result is safe before anything that can fail, and finds another place where its own fails."""

import json
from pathlib import Path

import pytest
from results import counted, document, result_of

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.report.folder import OutputFolder, output_folder
from edgeprune.report.save import rescue, save

RESULT = result_of(counted("dense", 300), counted("deployed", 100), verdict="faster", speedup=3.0)


@pytest.fixture
def place(home, monkeypatch):
    monkeypatch.chdir(home)
    return home


def saved(others=None):
    """What was warned of while RESULT was saved into the folder ``out``."""
    warned = []
    with output_folder(Path("out"), "", "edgeprune run", warned.append) as folder:
        save(folder, RESULT, others or {}, warned.append)
    return warned


def broken_history(home):
    (home / "edgeprune" / "history.sqlite").mkdir(parents=True)


def full_disk(monkeypatch):
    """The folder takes no result any more."""

    def write(self, name, content):
        if name != "result.json":
            return real(self, name, content)
        raise ConfigError(f"{self.path}: cannot be written: No space left on device")

    real = OutputFolder.write
    monkeypatch.setattr(OutputFolder, "write", write)


def test_a_result_is_in_its_folder_and_in_the_history(place):
    assert saved({"report.txt": lambda file: file.write_text("all well")}) == []
    assert json.loads((place / "out" / "result.json").read_text()) == document(RESULT)
    assert history.runs()[0].result == RESULT
    assert sorted(one.name for one in (place / "out").iterdir()) == ["report.txt", "result.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ZeroDivisionError()])
def test_a_table_that_cannot_be_made_takes_no_result_away(place, error):
    def fail(file):
        raise error

    others = {"report.txt": fail, "recipe.toml": lambda file: file.write_text("x")}
    (line,) = saved(others)
    assert line.startswith("report.txt is missing: ")
    assert (place / "out" / "result.json").exists() and (place / "out" / "recipe.toml").exists()
    assert len(history.runs()) == 1


def test_a_history_that_fails_at_the_end_leaves_the_result_and_says_how_to_add_it(place):
    broken_history(place)
    (line,) = saved()
    assert line.startswith("the result is in out but not recorded: ")
    assert line.endswith("edgeprune report out --record")
    assert json.loads((place / "out" / "result.json").read_text()) == document(RESULT)


def test_a_folder_that_takes_no_result_leaves_it_in_the_history(place, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(ConfigError, match="No space left on device; what was measured is record"):
        saved()
    assert history.runs()[0].result == RESULT and not (place / "out").exists()


def test_with_neither_folder_nor_history_it_is_rescued_into_a_file_that_is_named(
    place, monkeypatch
):
    broken_history(place)
    full_disk(monkeypatch)
    with pytest.raises(ConfigError, match="what was measured is in ") as caught:
        saved()
    (file,) = (place / "edgeprune" / "rescued").iterdir()
    assert f"edgeprune report {file}" in str(caught.value)
    assert json.loads(file.read_text()) == document(RESULT)


def test_with_no_disk_at_all_it_is_printed(place, monkeypatch, capsys):
    broken_history(place)
    full_disk(monkeypatch)

    def no_room(path, content, *, replace=False):
        raise ConfigError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr("edgeprune.report.save.write_whole", no_room)
    with pytest.raises(ConfigError, match="is on standard output"):
        saved()
    assert json.loads(capsys.readouterr().out) == document(RESULT)


def test_a_user_without_a_home_has_a_place_for_what_was_measured_too(place, monkeypatch):
    def no_home(*_, **__):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EDGEPRUNE_HOME")
    monkeypatch.setattr("platformdirs.user_data_dir", no_home)
    monkeypatch.setattr(Path, "home", no_home)
    file = rescue("measured.json", "{}")
    assert file.parent == Path("/tmp/edgeprune-rescued") and file.read_text() == "{}"
    file.unlink()
