"""What a host keeps of its nights, and what goes again."""

import errno
import os
import time

import pytest
from farm_night import night, timed
from sqlalchemy import update

from edgeprune.errors import ModelError
from edgeprune.farm import child, cleaning, health, kept
from edgeprune.farm.executor import Ending
from edgeprune.farm.folder import farm_folder, night_folder
from edgeprune.farm.job import ErrorKind
from edgeprune.farm.store.devices import Standing
from edgeprune.history import database
from edgeprune.history.place import place
from edgeprune.history.tables import RUNS
from edgeprune.load.digest import digest_of


@pytest.fixture
def keep(home, tmp_path):
    """Keeps a file of some bytes; its digest."""

    def keeping(content, age_s=0.0):
        file = tmp_path / "measured.tflite"
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        sha256 = digest_of(file)
        assert kept.keep(file, sha256) == ""
        then = time.time() - age_s
        os.utime(kept.kept_file(sha256), (then, then))
        return sha256

    return keeping


def test_a_file_is_kept_once_and_laid_out_as_it_was(keep, tmp_path):
    first, again = keep(b"one"), keep(b"one")
    assert first == again
    assert kept.lay_out(first, tmp_path / "old.tflite").read_bytes() == b"one"
    assert len(list((tmp_path / "edgeprune").rglob("*.tflite"))) == 1


def test_a_kept_file_that_was_damaged_is_refused_and_goes(keep):
    sha256 = keep(b"one")
    kept.kept_file(sha256).write_bytes(b"two")
    with pytest.raises(ModelError, match="is damaged"):
        kept.kept_file(sha256)
    with pytest.raises(ModelError, match="is not kept on this host"):
        kept.kept_file(sha256)
    with pytest.raises(ModelError, match="is not kept on this host"):
        kept.kept_file("../../x")


def test_files_go_by_age_and_by_size_but_none_that_is_needed(keep):
    needed, old, older, new = (keep(bytes([n]) * 10, 100 * (4 - n)) for n in range(4))
    assert kept.remove_files({needed}, 50.0, dry_run=True).files == 3
    assert kept.remove_files({needed}, 250.0, max_bytes=20).files == 2
    assert [kept.kept_file(one).stat().st_size for one in (needed, new)] == [10, 10]
    for gone in (old, older):
        with pytest.raises(ModelError):
            kept.kept_file(gone)


def test_a_disk_without_room_costs_no_result(home, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    (tmp_path / "net.tflite").write_bytes(b"x")
    said = kept.keep(tmp_path / "net.tflite", digest_of(tmp_path / "net.tflite"))
    assert "No space left on device" in said and "may not be measured again" in said


def test_a_full_disk_is_the_hosts_fault_and_not_the_devices():
    cause = OSError(errno.ENOSPC, "No space left on device")
    wrapped = ModelError("out: cannot be written")
    wrapped.__cause__ = cause
    assert child.is_disk_full(wrapped) and not child.is_disk_full(ModelError("x"))
    ending = child.of_host("the disk is full")
    standing = Standing("pi", "rpi4", None, None, 0, 2, None)
    assert health.after_job(standing, ending, has_golden=True) == (standing, None, "")
    failed = Ending(None, ErrorKind.INFRASTRUCTURE, "x")
    assert health.after_job(standing, failed, has_golden=True)[1] is not None


def test_folders_of_old_nights_go_with_what_killed_runs_left_in_the_newest(home):
    for name in ("n 1", "n 2"):
        folder = night_folder(name)
        (folder / "net-pi-7").mkdir(parents=True)
        (folder / "net-pi-7" / "report.txt").write_text("x")
        (folder / "net-pi-7.log").write_text("x")
        (folder / "net-pi-7.begun").write_text("")
    half = night_folder("n 2") / "net-pi-8"
    half.mkdir()
    (half / ".edgeprune-run").write_text("killed\nand made it\n")
    (half / "deployed.tflite").write_bytes(b"x")
    other = farm_folder() / "site"
    other.mkdir()
    (other / "index.html").write_text("x")
    removed = kept.remove_nights(["n 2"])
    assert (removed.nights, removed.trouble) == (1, "")
    left = {path.name for path in farm_folder().iterdir()}
    assert left == {"n-2", "site"} and not half.exists()
    assert (night_folder("n 2") / "net-pi-7" / "report.txt").exists()


def test_files_of_a_series_newest_nights_are_needed_and_no_others(home):
    digests = [f"{number:x}" for number in range(10)]
    for number, digit in enumerate(digests):
        night(number, timed(100, digit))
    now = time.time()
    with database.writing(place()) as connection:
        recent = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - 3600))
        connection.execute(update(RUNS).values(time_utc=recent))
    with database.reading(place()) as connection:
        left = cleaning.left_over(connection, round(now * 1000))
        later = cleaning.left_over(connection, round((now + 61 * 86400) * 1000))
    assert left.files == {digit * 64 for digit in digests[-cleaning.RERUN_NIGHTS :]}
    assert later.files == frozenset()
    assert len(left.nights) == cleaning.FOLDER_NIGHTS
