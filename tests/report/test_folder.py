"""An output folder's name is taken at the start, and a killed run's folder is cleared up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from results import counted, result_of

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.history.result_file import write_result
from edgeprune.report.folder import MARK, output_folder

RESULT = result_of(counted("dense", 300), counted("deployed", 100), verdict="faster", speedup=3.0)


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    work = home / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def opened(wanted=None, stem="m-local", said=None):
    heard = [] if said is None else said
    path = None if wanted is None else Path(wanted)
    return output_folder(path, stem, "edgeprune run", heard.append)


def names(folder):
    return sorted(one.name for one in Path(folder).iterdir())


def killed(*, with_result, wanted=None):
    """A run that was killed while it wrote into m-local, or into what was wanted."""
    path = "None" if wanted is None else f"Path({wanted!r})"
    program = (
        "import os; from pathlib import Path\n"
        "from edgeprune.report.folder import output_folder\n"
        f"with output_folder({path}, 'm-local', 'edgeprune run', print) as folder:\n"
        "    folder.write('deployed.tflite', b'x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=300).returncode == -9
    if with_result:
        write_result(RESULT, Path("m-local"))


def test_what_is_kept_stays_and_what_is_not_goes(here):
    with opened() as folder:
        folder.write("deployed.tflite", b"x")
        folder.is_kept = True
    with opened(wanted="deep/other") as folder:
        folder.write("deployed.tflite", b"x")
    assert names(here) == ["m-local"] and names("m-local") == ["deployed.tflite"]


def test_runs_at_once_without_an_output_get_names_of_their_own(here):
    with opened() as first, opened() as second, opened() as third:
        taken = [str(one.path) for one in (first, second, third)]
    assert taken == ["m-local", "m-local-2", "m-local-3"] and names(here) == []


def test_the_same_output_at_once_is_refused_and_the_writer_named(here):
    with opened(wanted="out") as first:
        with pytest.raises(ConfigError) as caught, opened(wanted="out"):
            pass
        assert f"process {os.getpid()}" in str(caught.value)
        assert "edgeprune run" in str(caught.value) and "\n" not in str(caught.value)
        first.write("result.json", "{}")
        first.is_kept = True
    with pytest.raises(ConfigError, match="out: exists already"), opened(wanted="out"):
        pass


def test_an_empty_folder_of_the_users_may_be_taken_and_stays(here):
    (here / "out").mkdir()
    (here / "link").symlink_to("out")
    for name in ("out", "link"):
        with opened(wanted=name) as folder:
            folder.write("result.json", "{}")
        assert names("out") == []


@pytest.mark.parametrize("kind", ["file", "full", "device", "pipe"])
def test_what_is_there_already_is_refused_and_left_alone(here, kind):
    path = Path("/dev/null") if kind == "device" else here / "out"
    if kind == "file":
        path.write_text("mine")
    elif kind == "full":
        path.mkdir()
        (path / "mine").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    before = names(here)
    with pytest.raises(ConfigError, match="exists already"), opened(wanted=path):
        pass
    assert names(here) == before and path.exists()


def test_a_killed_runs_folder_without_a_result_is_gone_with_the_next_start(here):
    killed(with_result=False)
    assert names(here) == ["m-local"] and MARK in names("m-local")
    with opened() as folder:
        assert str(folder.path) == "m-local" and names(folder.path) == [MARK]
    assert names(here) == []


@pytest.mark.parametrize("wanted", [".", "there", "link"])
def test_a_folder_that_was_there_before_a_killed_run_stays_without_its_files(
    here, monkeypatch, wanted
):
    (here / "there").mkdir()
    (here / "link").symlink_to("there")
    if wanted == ".":
        monkeypatch.chdir(here / "there")
    killed(with_result=False, wanted=wanted)
    assert names(here / "there") == [MARK, "deployed.tflite"]
    with opened(wanted=wanted) as folder:
        assert names(folder.path) == [MARK]
    assert names(here / "there") == []


def test_a_killed_runs_folder_with_a_result_is_kept_and_recorded_once(here):
    killed(with_result=True)
    said = []
    for _ in range(2):
        with opened(said=said) as folder:
            assert str(folder.path) == "m-local-2"
    assert names("m-local") == ["deployed.tflite", "result.json"]
    (run,) = history.runs()
    assert run.result == RESULT
    assert said == [f"m-local: the result of a run that was killed is now recorded as run {run.id}"]


def test_a_killed_run_that_was_recorded_is_not_recorded_again(here):
    killed(with_result=True)
    history.record(RESULT)
    with opened():
        pass
    assert len(history.runs()) == 1 and MARK not in names("m-local")


def test_what_the_user_put_into_a_killed_runs_folder_stays(here):
    killed(with_result=False)
    Path("m-local/notes.txt").write_text("mine")
    with opened():
        pass
    assert names("m-local") == ["notes.txt"]


def test_a_living_runs_folder_is_not_cleared_up(here):
    with opened() as first:
        first.write("deployed.tflite", b"x")
        with opened():
            pass
        assert names("m-local") == [MARK, "deployed.tflite"]


@pytest.mark.parametrize(
    "stem, name",
    [("-m-local", "m-local"), (".tflite-local", "tflite-local"), ("a\nb", "a_b"), ("--", "model")],
)
def test_a_name_made_from_the_models_is_harmless(here, stem, name):
    with opened(stem=stem) as folder:
        assert str(folder.path) == name


@pytest.mark.parametrize("stem", ["n" * 255, "数" * 85])
def test_a_name_made_from_a_long_one_has_room_for_a_number(here, stem):
    with opened(stem=stem) as first, opened(stem=stem) as second:
        assert second.path.name == f"{first.path.name}-2"


@pytest.mark.parametrize("name", ["n" * 300, "/proc/edgeprune", "a\0b"])
def test_a_name_that_cannot_be_is_one_line(here, name):
    with pytest.raises(ConfigError, match="cannot be written") as caught, opened(wanted=name):
        pass
    assert "\n" not in str(caught.value) and names(here) == []


def test_a_reservation_that_a_killed_compression_left_is_gone_with_the_next_start(here):
    program = (
        "import os; from pathlib import Path; from edgeprune.files.whole_file import Reserved\n"
        "with Reserved(Path('out.tflite')): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=300).returncode == -9
    assert len(names(here)) == 1
    with opened():
        pass
    assert names(here) == []
