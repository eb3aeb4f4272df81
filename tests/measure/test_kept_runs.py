"""What an emulated core computed before, and when it is computed anew."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nets
import numpy as np
import pytest
from agent_processes import questions

from edgeprune import cli
from edgeprune.agents.session import AgentSession, Profile, ProfileEvent
from edgeprune.artifacts.measurement import TAKEN
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.files import kept_folders
from edgeprune.measure import kept_runs
from edgeprune.measure.kept_runs import KeptRun, identity

PROFILE = Profile(("conv", "dense"), ((ProfileEvent("conv", 2, 7), ProfileEvent("dense", 1, 9)),))
SAMPLES = [[np.full((1, 3), k, np.float32)] for k in range(3)]
OUTPUTS = [[np.full((1, 2), k, np.int8), np.full(4, k / 3, np.float32)] for k in range(3)]


def run(name="a", *, is_anew=False):
    return KeptRun(name * 64, is_anew)


def filled(name="a"):
    one = run(name)
    one.keep_count(1234)
    one.keep_kernels(PROFILE)
    one.keep_outputs(SAMPLES, OUTPUTS)
    return one


def same(found, expected):
    for row, right in zip(found, expected, strict=True):
        for array, other in zip(row, right, strict=True):
            assert array.dtype == other.dtype
            np.testing.assert_array_equal(array, other)


def test_what_is_kept_comes_back_as_it_was(home):
    assert (run().count(), run().kernels(), run().outputs(SAMPLES)) == (None, None, None)
    filled()
    again = run()
    assert again.taken == set()
    assert again.count() == 1234 and again.kernels() == PROFILE
    same(again.outputs(SAMPLES), OUTPUTS)
    assert again.taken == {"count", "kernels", "outputs"}
    assert run("b").count() is None


@pytest.mark.parametrize(
    "other",
    [
        SAMPLES[:2],
        SAMPLES[::-1],
        [[row[0].astype(np.float64)] for row in SAMPLES],
        [[row[0].reshape(3, 1)] for row in SAMPLES],
    ],
    ids=["fewer", "another order", "another type", "another shape"],
)
def test_other_inputs_have_no_outputs(home, other):
    filled()
    assert run().outputs(other) is None


def test_asked_to_compute_anew_nothing_is_taken_and_the_new_is_kept(home):
    filled()
    anew = run(is_anew=True)
    assert (anew.count(), anew.kernels(), anew.outputs(SAMPLES)) == (None, None, None)
    anew.keep_count(99)
    assert anew.taken == set() and run().count() == 99


def test_wrong_outputs_are_forgotten_and_nothing_else(home):
    one = filled()
    one.forget_outputs(SAMPLES)
    assert run().outputs(SAMPLES) is None and run().count() == 1234


@pytest.mark.parametrize("name", ["count", "kernels", "outputs"])
def test_a_damaged_file_is_as_good_as_missing(home, name):
    folder = filled().folder
    (file,) = folder.glob(f"{name}*")
    whole = file.read_bytes()

    def taken():
        one = run()
        one.count(), one.kernels(), one.outputs(SAMPLES)
        return name in one.taken

    assert taken()
    for at in {0, 31, 32, len(whole) // 2, len(whole) - 1}:
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert not taken()
        file.write_bytes(whole[:at])
        assert not taken()
    file.write_bytes(whole)
    assert taken()


def test_a_file_of_another_network_is_not_taken(home):
    filled("b").keep_count(77)
    filled("a")
    for file in filled("b").folder.iterdir():
        (run("a").folder / file.name).write_bytes(file.read_bytes())
    one = run("a")
    assert (one.count(), one.kernels(), one.outputs(SAMPLES)) == (None, None, None)


def test_any_ingredient_that_changes_makes_another_identity(tmp_path):
    programs = {name: tmp_path / name for name in ("agent", "runtime")}
    for path in programs.values():
        path.write_bytes(b"one")
    depends = {"emulator": "e", "core": "cortex-a72"}
    base = identity(b"net", programs, depends)
    assert base == identity(b"net", dict(reversed(programs.items())), depends)
    others = [
        identity(b"nets", programs, depends),
        *(identity(b"net", programs, {**depends, key: "x"}) for key in depends),
    ]
    for path in programs.values():
        path.write_bytes(b"two")
        others.append(identity(b"net", programs, depends))
    assert len({base, *others}) == 6


@pytest.mark.device
def test_what_a_core_depends_on_names_every_part(monkeypatch, tmp_path):
    board = load_board("rpi4-emulated")
    device = Device(board.name, board.name)
    other = dataclasses.replace(board, cpu=dataclasses.replace(board.cpu, core="cortex-a76"))
    with TRANSPORTS.get("qemu")(board, device) as one, TRANSPORTS.get("qemu")(other, device) as two:
        first, second = one.ingredients(), two.ingredients()
    assert {key for key in first if first[key] != second[key]} == {"core", "cpuinfo"}
    assert {"emulator", "plugin", "libc.so.6", "libm.so.6"} <= set(first)
    with TRANSPORTS.get("local")(load_board("local"), Device("local", "local")) as real:
        assert real.ingredients() is None


def test_the_least_recently_used_goes_first(home, monkeypatch):
    monkeypatch.setattr(kept_runs, "UNUSED_S", 1e12)
    for k, name in enumerate("abc"):
        folder = filled(name).folder
        for path in (folder, *folder.iterdir()):
            os.utime(path, (1e9 + k, 1e9 + k))
    assert run("a").count() == 1234  # which makes it the latest
    monkeypatch.setattr(kept_runs, "MAX_BYTES", 3.5 * kept_folders.use(run("a").folder)[1])
    filled("d")
    assert {path.name[0] for path in kept_runs.store_folder().iterdir()} == {"a", "c", "d"}


def test_processes_at_once_leave_whole_files(home):
    def writes():
        for _ in range(20):
            filled()
            one = run()
            found.append((one.count(), one.kernels()))
            same(one.outputs(SAMPLES), OUTPUTS)

    found = []
    threads = [threading.Thread(target=writes) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(1234, PROFILE)] * 80


def test_a_process_that_is_killed_leaves_nothing_half_written(home):
    code = (
        "import numpy as np\n"
        "from edgeprune.measure.kept_runs import KeptRun\n"
        "one, samples = KeptRun('a' * 64), [[np.zeros(4, np.float32)]]\n"
        "while True:\n"
        "    one.keep_outputs(samples, [[np.ones(1 << 18, np.float32)]])\n"
        "    print('kept', flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    for _ in range(5):
        assert child.stdout.readline() == b"kept\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (row,) = run().outputs([[np.zeros(4, np.float32)]])
    assert row[0].shape == (1 << 18,) and (row[0] == 1).all()


@pytest.fixture
def asked(monkeypatch, home, tmp_path):
    """Every question to an agent, counted, in a folder with a network."""
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(nets.eligible())
    return questions(monkeypatch)


def variant(output, *options):
    """Of a run on the emulated board."""
    arguments = ["run", "net.tflite", "--board", "rpi4-emulated", "--output", output]
    with pytest.raises(SystemExit) as done:
        cli.main([*arguments, *options])
    (found,) = json.loads(Path(output, "result.json").read_text())["variants"]
    return done.value.code or 0, found


@pytest.mark.device
def test_the_same_file_is_answered_at_once_with_the_same_figures_and_says_so(asked, capsys):
    code, first = variant("one")
    assert code == 0 and asked["time"] == 3 and asked["infer"] and asked["profile"] == 2
    assert "earlier run" not in json.dumps(first)
    asked.clear()
    code, second = variant("two", "-v")
    assert code == 0 and not asked["time"] + asked["infer"] + asked["profile"] + asked["load"]
    assert (
        "count and kernels and outputs and work taken from an earlier run"
        in capsys.readouterr().err
    )
    assert second["instructions"]["source"].endswith(TAKEN)
    assert second["parity"]["where"].endswith(TAKEN)
    for one in (first, second):
        del one["instructions"]["source"], one["parity"]["where"]
    assert second == first
    asked.clear()
    code, third = variant("three", "--again")
    assert code == 0 and asked["time"] == 3 and asked["profile"] == 2
    assert "earlier run" not in json.dumps(third)


@pytest.mark.device
def test_wrong_outputs_are_never_kept(asked, monkeypatch):
    infer = AgentSession.infer

    def wrong(self, samples, timeout_s=600.0):
        return [[array + 1 for array in row] for row in infer(self, samples, timeout_s)]

    monkeypatch.setattr(AgentSession, "infer", wrong)
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "rpi4-emulated", "--output", "one"])
    assert done.value.code == 1
    monkeypatch.setattr(AgentSession, "infer", infer)
    asked.clear()
    code, right = variant("two")
    assert code == 0 and asked["infer"] and not asked["time"]
    assert "earlier run" not in right["parity"]["where"]
