"""Does the pass for energy hold with real clocks, a real load and a real neighbour?

The real agent infers on this machine, and a sensor beside it follows what it really does: an INA219
as the kernel shows one, and a lab meter's log with a clock that is off. What has to come out is
known. ``tests/measure/test_energy.py`` says the same in simulated time, without waiting.

    python benchmarks/energy_pass.py [--rounds 3]

Some 100 s a round on a machine that does nothing else; another process on its cores disturbs the
windows, which the pass then says. Each line is one case with what came out; status 1 if one failed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import nets
from neighbour import neighbour

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.devices.bench import EnergyPlan
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device, MeterTable
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.energy.net import Energy, NoEnergy
from edgeprune.measure import DeviceFiles, RunPlan, run
from edgeprune.recipe.run_table import RunTable

IDLE_W, LOAD_W = 2.0, 5.0
PERIOD_S = 0.01
TABLE = RunTable(sessions=1, runs=2, warmup=1, repeats=8, energy_window_s=2.0, energy_idle_s=1.5)
DISTURBED = dataclasses.replace(TABLE, energy_window_s=1.0, energy_idle_s=0.6)
WITHIN = 0.1
"""Of the true energy: the sensor's thread waits for a core now and then."""

Say = Callable[[str], None]


def is_inferring() -> bool:
    """Whether the main thread of an agent that this process started computes just now."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):  # it may have ended meanwhile
            name, _, rest = Path("/proc", process, "stat").read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if name.endswith("(edgeprune-agent") and parent == str(os.getpid()) and state == "R":
                return True
    return False


@contextlib.contextmanager
def following(write: Callable[[float], None]) -> Iterator[None]:
    """Calls ``write(watts)`` every :data:`PERIOD_S` seconds."""
    done = threading.Event()

    def loop() -> None:
        while not done.wait(PERIOD_S):
            write(LOAD_W if is_inferring() else IDLE_W)

    thread = threading.Thread(target=loop, daemon=True)
    write(IDLE_W)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def ina219(folder: Path) -> Iterator[EnergyPlan]:
    """An hwmon device on disk."""
    device = folder / "hwmon0"
    device.mkdir()
    (device / "name").write_text("ina219\n")
    (device / "in1_input").write_text("5000\n")

    def write(watts: float) -> None:
        new = device / "new"
        new.write_text(f"{round(watts / 5 * 1000)}\n")
        new.replace(device / "curr1_input")

    with following(write):
        yield EnergyPlan((MeterTable("hwmon", at=str(folder)),), True)


@contextlib.contextmanager
def csv_log(folder: Path, clock_error_s: float = 0.0) -> Iterator[EnergyPlan]:
    """A lab meter's program that logs with Unix times, by a clock that is off."""
    path = folder / "log.csv"
    with path.open("w") as file:
        file.write("Time (s),Voltage (V),Current (mA)\n")

        def write(watts: float) -> None:
            file.write(f"{time.time() + clock_error_s:.4f},5.0,{watts / 5 * 1000:.2f}\n")
            file.flush()

        with following(write):
            yield EnergyPlan((MeterTable("csv", at=str(path)),), True)


def measured(
    folder: Path,
    plan: EnergyPlan,
    table: RunTable = TABLE,
    cpus: tuple[int, ...] = (),
    say: Say = lambda line: None,
) -> Energy | NoEnergy:
    """One variant's energy by the whole stage ``run`` on this machine."""
    board, tflite = load_board("local"), nets.eligible()
    model = folder / "deployed.tflite"
    model.write_bytes(tflite)
    library = runtime.library(board.cpu.isa, board.runtime.version).path
    pushed = DeviceFiles(
        str(build.agent("host")),
        str(library),
        board.runtime.version,
        {"deployed": str(model)},
        cpus,
    )
    samples = {"deployed": verify.sample_inputs(tflite, None, 1)}
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        asked = RunPlan(table, samples, {"deployed": tflite}, say, plan)
        result, _ = run(transport, pushed, asked)
    found = result.measured[0].energy
    if found is None:
        sys.exit("the run measured no energy, and said nothing of it")
    return found


def follows(found: Energy | NoEnergy) -> str:
    """What is wrong with a figure; empty if it is the load's own energy."""
    if isinstance(found, NoEnergy):
        return f"no figure: {found.reason}"
    true_uj = (LOAD_W - IDLE_W) * found.window_s / found.inferences * 1e6
    if not math.isclose(found.net_uj, true_uj, rel_tol=WITHIN):
        return f"{found.net_uj:.1f} uJ, expected {true_uj:.1f} within {WITHIN:.0%}"
    return ""


def sensor(folder: Path) -> str:
    """A sensor on the device is sampled beside the inferences."""
    with ina219(folder) as plan:
        return follows(measured(folder, plan))


def log(folder: Path) -> str:
    """A lab meter's log is read on the host's clock."""
    with csv_log(folder) as plan:
        return follows(measured(folder, plan))


def clock_off(folder: Path, error_s: float) -> str:
    """A lab meter's clock that is off is set right by the load, or gives no figure."""
    with csv_log(folder, error_s) as plan:
        found = measured(folder, plan)
    if abs(error_s) > 1:
        return "" if isinstance(found, NoEnergy) else "a figure by a clock that is far off"
    wrong = follows(found)
    if wrong or isinstance(found, NoEnergy):
        return wrong
    told = found.notes[0].partition("was ")[2].split()[0] if found.notes else "nothing"
    is_near = found.notes and abs(float(told) - error_s) < 0.1
    return "" if is_near else f"the clock was {error_s:+g} s off, found {told}"


def disturbed(folder: Path) -> str:
    """A window that a neighbour disturbed gives no figure."""
    cpu = min(os.sched_getaffinity(0))
    table = dataclasses.replace(DISTURBED, repeats=1)
    with ina219(folder) as plan, neighbour(cpu):
        found = measured(folder, plan, table, (cpu,))
    words = "2 windows were not valid; the last one contaminated: another"
    if isinstance(found, NoEnergy) and found.reason.startswith(words):
        return ""
    return f"found {found}"


def once_it_is_gone(folder: Path) -> str:
    """A window is measured again once the neighbour is gone."""
    cpu, again = min(os.sched_getaffinity(0)), []
    with ina219(folder) as plan, neighbour(cpu) as other:

        def say(line: str) -> None:
            if line.startswith("deployed: energy again: contaminated"):
                again.append(line)
                other.kill()

        found = measured(folder, plan, dataclasses.replace(DISTURBED, repeats=3), (cpu,), say)
    if isinstance(found, NoEnergy):
        return f"no figure: {found.reason}"
    return "" if again else "no window was measured again"


CASES: dict[str, Callable[[Path], str]] = {
    "sensor on the device": sensor,
    "log of a lab meter": log,
    "its clock 0.6 s ahead": lambda folder: clock_off(folder, 0.6),
    "its clock 0.6 s behind": lambda folder: clock_off(folder, -0.6),
    "its clock 1.5 s ahead": lambda folder: clock_off(folder, 1.5),
    "neighbour that stays": disturbed,
    "neighbour that goes": once_it_is_gone,
}


def main() -> None:
    """Runs every case in every round."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    failed = 0
    for number in range(parser.parse_args().rounds):
        for name, case in CASES.items():
            with tempfile.TemporaryDirectory() as folder:
                wrong = case(Path(folder))
            failed += bool(wrong)
            print(f"{number + 1}  {name:<24} {wrong or 'as expected'}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
