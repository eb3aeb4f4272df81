"""What a killed process leaves is removed; what a living one has is not."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import time

import pytest

from edgeprune.files import scratch

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from edgeprune.files.scratch import scratch_folder\n"
    "with scratch_folder(Path(sys.argv[1])) as folder:\n"
    "    (folder / 'file').write_text('x'); print(folder, flush=True); time.sleep(3000)\n"
)


@pytest.fixture
def holder(tmp_path):
    """Another process with a scratch folder."""
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        process.folder = type(tmp_path)(process.stdout.readline().strip())
        yield process
        process.kill()


def test_a_scratch_folder_goes_with_its_block(tmp_path):
    with scratch.scratch_folder(tmp_path) as folder:
        (folder / "deep").mkdir()
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_its_folder_and_a_killed_one_does_not(tmp_path, holder):
    with scratch.scratch_folder(tmp_path):
        assert (holder.folder / "file").exists()
    holder.kill()
    holder.wait()
    assert holder.folder.exists()
    with scratch.scratch_folder(tmp_path):
        assert not holder.folder.exists()


def test_names_that_are_not_ours_are_left_alone(tmp_path):
    for name in ("edgeprune-cache", ".edgeprune-notes", ".edgeprune-0123456789abcdef.txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / ".edgeprune-0123456789abcdef").symlink_to("target")
    before = sorted(tmp_path.iterdir())
    scratch.remove_leftovers(tmp_path)
    scratch.remove_leftovers(tmp_path, prefix="")
    assert sorted(tmp_path.iterdir()) == before


def test_without_locks_age_decides(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    young, old = (tmp_path / f".edgeprune-{k * 16}" for k in "ab")
    young.mkdir()
    old.mkdir()
    then_s = time.time() - scratch.ABANDONED_S - 60
    os.utime(old, (then_s, then_s))
    scratch.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [young]
    with scratch.scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [young]


def test_all_temporary_files_of_a_process_go_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch.own_temporary_folder():
        tempfile.mkdtemp()
        tempfile.NamedTemporaryFile(delete=False).close()
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == [] and tempfile.gettempdir() == str(tmp_path)


def test_a_full_or_missing_folder_for_temporary_files_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with scratch.own_temporary_folder():
        assert tempfile.gettempdir() == str(tmp_path / "missing")
