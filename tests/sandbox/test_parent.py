"""A child that crashes, hangs, lies, or is left behind ends in one line, and nothing stays."""

import io
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bad_jobs
import pytest
from bad_jobs import Order
from rich.console import Console

from edgeprune.errors import EdgepruneError, ModelError, VerifyError
from edgeprune.progress import Progress
from edgeprune.sandbox import folder, jobs, limits, parent, shown
from edgeprune.sandbox.parent import JobFault, Reach, confined
from edgeprune.sandbox.switch import SANDBOX_SWITCH

PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])["import_from"]
from edgeprune.sandbox import child, jobs, watch
import bad_jobs
jobs.JOBS = frozenset("bad_jobs:" + name for name in vars(bad_jobs))
watch.BEAT_S = 0.1
child.main()
"""

WAIT_S = 120.0
"""Nothing here takes a second; a busy machine may take longer."""


@pytest.fixture(autouse=True)
def bad(monkeypatch, tmp_path):
    """Jobs that misbehave are on the list, and temporary folders lie in one of the test's."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(jobs, "JOBS", frozenset(f"bad_jobs:{name}" for name in vars(bad_jobs)))
    monkeypatch.setattr(parent, "_PROGRAM", tmp_path / "program.py")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


def refusal(job, **rest):
    with pytest.raises(EdgepruneError) as raised:
        confined(job, Order(), timeout_s=rest.pop("timeout_s", WAIT_S), **rest)
    line = str(raised.value)
    assert "\n" not in line and "\x1b" not in line and len(line) < 1000
    return line


def test_a_child_starts_without_what_keras_imports_for_plots():
    assert confined(bad_jobs.spares, Order()) == 2


def test_a_crash_is_one_line_that_names_stage_and_signal():
    line = refusal(bad_jobs.crash)
    assert line == "the stage 'convert': the model's framework crashed (signal SIGSEGV)"


def test_the_last_words_of_a_native_check_are_kept_clean():
    line = refusal(bad_jobs.abort)
    assert "crashed (signal SIGABRT); its last words: Check failed: ?[2J rank < 9" in line


@pytest.mark.parametrize("job", [bad_jobs.out_of_native_memory, bad_jobs.killed])
def test_a_lack_of_memory_names_the_limit(job):
    gigabytes = f"{limits.memory_bytes() / 1e9:.1f} GB"
    assert "memory" in refusal(job) and gigabytes in refusal(job)


def test_memory_ends_at_the_limit(monkeypatch):
    monkeypatch.setattr(limits, "memory_bytes", lambda: 1 << 30)
    assert refusal(bad_jobs.fill_memory) == ("the model needs more memory than the limit of 1.1 GB")


def test_a_child_that_ends_without_a_word_is_told_with_its_exit_code():
    assert "crashed (exit code 3)" in refusal(bad_jobs.leave)


def test_what_waits_for_itself_is_ended(tmp_path):
    impatient = PROGRAM.replace("watch.BEAT_S = 0.1", "watch.BEAT_S, watch.IDLE_S = 0.1, 1.0")
    (tmp_path / "program.py").write_text(impatient)  # others wait for a busy machine
    assert "hangs: it computed nothing for 1 s" in refusal(bad_jobs.wait_for_itself)


def test_what_computes_for_ever_is_ended_by_the_limit_of_its_step():
    assert "one inference took longer than" in refusal(bad_jobs.compute_for_ever)


def test_a_stage_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setitem(shown.STAGE_LIMITS_S, "load", 0.5)
    assert refusal(bad_jobs.compute_in_a_stage).startswith("the stage 'load' took longer than")


def test_a_job_that_never_ends_is_ended():
    assert "did not end within 2 s of its start" in refusal(
        bad_jobs.compute_in_a_stage, timeout_s=2.0
    )


def test_an_answer_of_another_type_or_size_is_refused():
    assert "cannot be read: Expected `int`, got `str`" in refusal(bad_jobs.wrong_type)
    line = refusal(bad_jobs.endless_answer, answer_bytes=1 << 20)
    assert "more than the limit of 1,048,576" in line
    assert "more than 8 stages" in refusal(bad_jobs.nest)


def test_errors_of_ours_come_back_as_they_are_with_progress():
    log = io.StringIO()
    with pytest.raises(VerifyError, match=r"^two lines \?\[31mred$"):
        with Progress(Console(file=log, width=80)) as progress:
            confined(bad_jobs.refuse, Order(), progress, timeout_s=WAIT_S)
    lines = log.getvalue().splitlines()
    assert lines[:3] == ["load ...", "load: a line?[2J", "a note"]
    assert lines[3].startswith("load") and lines[3].endswith("failed")
    assert list(progress.seconds) == ["load"]


@pytest.mark.parametrize(
    "job, said",
    [
        (bad_jobs.fault, "ZeroDivisionError: a fault of ours"),
        (bad_jobs.exit_by_python, "SystemExit: enough"),
        (bad_jobs.no_answer_at_all, "TypeError: a object cannot leave the child"),
    ],
)
def test_a_fault_brings_its_traceback_with_it(job, said):
    with pytest.raises(JobFault) as raised:
        confined(job, Order(), timeout_s=WAIT_S)
    assert str(raised.value) == said
    assert job is bad_jobs.no_answer_at_all or job.__name__ in raised.value.__notes__[0]


@pytest.mark.parametrize("job", [bad_jobs.fault, bad_jobs.exit_by_python])
def test_what_code_of_the_models_own_raises_is_no_fault_of_ours(job):
    with pytest.raises(ModelError, match=r"^code that the model carries failed: "):
        confined(job, Order(runs_models_code=True), timeout_s=WAIT_S)


def test_what_fails_for_a_wall_says_how_to_do_without(monkeypatch):
    order = Order(runs_users_code=True)
    with pytest.raises(
        ModelError, match=r"the function failed: .*; it ran without network.*--no-s"
    ):
        confined(bad_jobs.fetch, order, timeout_s=WAIT_S)
    monkeypatch.setenv(SANDBOX_SWITCH, "off")
    with pytest.raises(ModelError, match=r"the function failed: .* refused$"):
        confined(bad_jobs.fetch, order, timeout_s=WAIT_S)


def test_what_a_job_prints_neither_blocks_it_nor_reaches_the_screen(capfd):
    assert confined(bad_jobs.talk, Order(), timeout_s=WAIT_S) == 7
    assert capfd.readouterr() == ("", "")


def test_what_the_users_own_function_prints_is_shown_clean_and_not_without_end():
    log = io.StringIO()
    with Progress(Console(file=log, width=80)) as progress:
        confined(bad_jobs.talk, Order(runs_users_code=True), progress, timeout_s=WAIT_S)
    lines = log.getvalue().splitlines()
    assert len(lines) == 200 and all(line.startswith("printed: ") for line in lines)


def test_libraries_write_into_the_own_folder_and_read_what_keras_has_cached(monkeypatch, tmp_path):
    cached = tmp_path / "home" / ".keras" / "datasets"
    cached.mkdir(parents=True)
    (cached / "digits.npz").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with folder.own_folder() as own:
        made = Path(folder.environment(own)["KERAS_HOME"])
        assert (made / "datasets" / "digits.npz").read_bytes() == b"x"
        assert os.access(made / "datasets", os.W_OK)
    own, keras, home = confined(bad_jobs.environment, Order(), timeout_s=WAIT_S)
    assert keras.startswith(own) and home == str(tmp_path / "home")


def eventually(check):
    until_s = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < until_s, "it did not become so"
        time.sleep(0.02)


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "lock"
    file.touch()
    return file


def test_whom_a_job_leaves_behind_ends_with_it(lock):
    reach = Reach(readable=(lock,))
    found = confined(bad_jobs.leave_somebody_behind, Order(lock), reach=reach, timeout_s=WAIT_S)
    assert found == 7
    eventually(lambda: not bad_jobs._is_held(lock))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_parent_that_ends_takes_the_child_with_it_and_its_folder_goes(number, lock, tmp_path):
    home = tmp_path / "temporary"
    program = (
        "import signal, sys, tempfile\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "import bad_jobs\n"
        "from edgeprune.sandbox import jobs, parent\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "jobs.JOBS = frozenset('bad_jobs:' + name for name in vars(bad_jobs))\n"
        "parent._PROGRAM = Path(sys.argv[1])\n"
        "lock = Path(sys.argv[2])\n"
        "reach = parent.Reach(readable=(lock,))\n"
        "try:\n"
        "    parent.confined(bad_jobs.hold, bad_jobs.Order(lock), reach=reach)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            tmp_path / "program.py",
            lock,
            Path(bad_jobs.__file__).parent,
        ],
        env={**os.environ, "TMPDIR": str(home)},
    )
    try:
        eventually(lambda: bad_jobs._is_held(lock) or run.poll() is not None)
        run.send_signal(number)
        assert run.wait(WAIT_S) == (-9 if number == signal.SIGKILL else 130)
    finally:
        run.kill()
        run.wait()
    eventually(lambda: not bad_jobs._is_held(lock))
    if number == signal.SIGKILL:
        assert len(list(home.iterdir())) == 1
        with folder.own_folder():
            assert len(list(home.iterdir())) == 1, "the killed one's is gone"
    assert list(home.iterdir()) == []


def test_a_folder_that_somebody_still_holds_is_left_alone(tmp_path):
    with folder.own_folder() as first, folder.own_folder() as second:
        assert first != second and first.is_dir() and second.is_dir()


FRAMES = {
    "an unknown kind": struct.pack("<cQ", b"X", 3) + b"abc",
    "a huge message": struct.pack("<cQ", b"M", 1 << 40),
    "a huge answer": struct.pack("<cQ", b"A", 1 << 62),
    "noise": b"\xff" * 100,
    "a message of another type": struct.pack("<cQ", b"M", 1) + b"\xc0",
    "an answer of another type": struct.pack("<cQ", b"A", 1) + b"\xc0",
    "an empty answer": struct.pack("<cQ", b"A", 0),
    "half a head": b"M\x01",
    "half a message": struct.pack("<cQ", b"M", 100) + b"abc",
    "nothing": b"",
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_child_that_sends_nonsense_is_refused_in_one_line(name, tmp_path):
    (tmp_path / "program.py").write_text(
        f"import sys\nsys.stdout.buffer.write({FRAMES[name]!r})\nsys.stdout.flush()\n"
    )
    line = refusal(bad_jobs.leave)
    assert "cannot be read" in line or "did not start (exit code 0)" in line


def test_a_child_that_floods_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(shown, "_MAX_MESSAGES", 1000)
    frame = struct.pack("<cQ", b"M", 12) + b"\x81\xa4type\xa5Alive"
    (tmp_path / "program.py").write_text(
        f"import sys\nwhile True:\n    sys.stdout.buffer.write({frame!r} * 100)\n"
    )
    assert "more than 1,000 messages" in refusal(bad_jobs.leave)
