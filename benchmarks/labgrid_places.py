"""A night on a device that is a place of a real labgrid: coordinator, exporter and client.

    python -m venv /tmp/labgrid && /tmp/labgrid/bin/pip install labgrid
    python benchmarks/labgrid_places.py /tmp/labgrid/bin

Checks that a place of somebody else is waited for and stays theirs, that a farm that was killed has
its place again when it goes on, that a coordinator that goes away is waited for, and that no place
stays acquired. labgrid needs an environment of its own: it brings another pyserial.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import nets
from waits import until

ADDRESS = "127.0.0.1:20419"
PLACE = "bench-01"
BENCH = f"""
[devices.here]
board = "local"
labgrid_place = "{PLACE}"
"""
EXPORTS = """
lab:
  NetworkService: {address: 127.0.0.1, username: root}
"""
PLAN = """
[[jobs]]
models = ["net.tflite"]
boards = ["local"]
recipes = ["as-is"]
sessions = {sessions}
runs = 20
"""
TIMEOUT_S = 600.0


def check(holds: bool) -> None:
    """Ends with the place in this file where something does not hold."""
    if not holds:
        raise RuntimeError("it does not hold")


class Lab:
    """A coordinator and an exporter on loopback, and people who have places."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder

    @contextmanager
    def program(self, name: str, *options: str) -> Iterator[subprocess.Popen]:
        """Runs one of labgrid's programs."""
        with (self.folder / f"{name}.log").open("ab") as log:
            running = subprocess.Popen(
                [self.programs / name, *options], cwd=self.folder, stdout=log, stderr=log
            )
        try:
            yield running
        finally:
            running.terminate()  # the coordinator writes its places down
            running.wait(30)

    def coordinator(self):
        """Runs the coordinator, which keeps its places in a file."""
        return self.program("labgrid-coordinator", "-l", ADDRESS)

    def exporter(self):
        """Runs an exporter."""
        return self.program("labgrid-exporter", "-c", ADDRESS, "-n", "here", "exports.yaml")

    def client(self, *words: str, user: str = "anna") -> str:
        """What a person's client says."""
        env = os.environ | {"LG_USERNAME": user, "LG_HOSTNAME": "desk"}
        argv = [self.programs / "labgrid-client", "-x", ADDRESS, "-p", PLACE, *words]
        done = subprocess.run(
            argv, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def holder(self) -> str:
        """Who has the place."""
        lines = self.client("show").splitlines()
        return next((line.split(": ", 1)[1] for line in lines if "acquired: " in line), "?")


class Farm:
    """A farm whose home is a folder."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

    def start(self, night: str, sessions: int) -> subprocess.Popen:
        """Starts a night of one job."""
        (self.folder / "p.toml").write_text(PLAN.format(sessions=sessions))
        env = os.environ | {
            "EDGEPRUNE_HOME": str(self.folder),
            "LG_COORDINATOR": ADDRESS,
            "PATH": f"{self.lab.programs}:{os.environ['PATH']}",
        }
        argv = [sys.executable, "-m", "edgeprune", "farm", "run", str(self.folder / "p.toml")]
        with (self.folder / "farm.log").open("ab") as log:
            return subprocess.Popen([*argv, "--night", night], env=env, stdout=log, stderr=log)

    def attempts(self, night: str) -> list[tuple[str | None, str | None]]:
        """Outcome and message of each attempt."""
        question = (
            "SELECT a.outcome, a.message FROM farm_attempts a JOIN farm_jobs j USING (job) "
            "WHERE j.night = ? ORDER BY a.epoch"
        )
        try:
            with closing(sqlite3.connect(self.folder / "history.sqlite", timeout=30)) as history:
                return history.execute(question, (night,)).fetchall()
        except sqlite3.OperationalError:
            return []

    def state(self) -> str:
        """How the device stands, in a line."""
        env = os.environ | {"EDGEPRUNE_HOME": str(self.folder)}
        argv = [sys.executable, "-m", "edgeprune", "devices", "list", "--json"]
        return subprocess.check_output(argv, env=env, text=True, timeout=120)

    def wait(self, running: subprocess.Popen) -> None:
        """Waits for the end of a night that all went well in."""
        code = running.wait(TIMEOUT_S)
        if code:
            raise SystemExit(f"exit code {code}:\n{(self.folder / 'farm.log').read_text()}")


def a_place_of_somebody_else(lab: Lab, farm: Farm) -> str:
    """It is waited for."""
    told = lab.client("acquire")
    if lab.holder() != "desk/anna":
        raise RuntimeError(told)
    running = farm.start("busy", sessions=1)
    until(lambda: "desk/anna has its place" in farm.state())
    time.sleep(5)
    check(farm.attempts("busy") == [] and lab.holder() == "desk/anna")
    lab.client("release")
    farm.wait(running)
    check([one for one, _ in farm.attempts("busy")] == ["done"] and lab.holder() == "None")
    return "a place of somebody else was waited for, and stayed theirs"


def a_killed_farm(lab: Lab, farm: Farm) -> str:
    """Its place is its own again."""
    running = farm.start("killed", sessions=40)
    until(lambda: farm.attempts("killed") and "edgeprune-" in lab.holder())  # not a question alone
    running.send_signal(signal.SIGKILL)
    running.wait(30)
    left = lab.holder()
    check("edgeprune-" in left)
    farm.wait(farm.start("killed", sessions=40))
    check([one for one, _ in farm.attempts("killed")] == ["infrastructure", "done"])
    check(lab.holder() == "None")
    return f"a killed farm left its place acquired ({left}), went on with it, and released it"


def a_coordinator_that_goes_away(lab: Lab, farm: Farm) -> str:
    """It is waited for."""
    running = farm.start("away", sessions=1)
    until(lambda: "does not say who has the place" in farm.state())
    with lab.coordinator():
        time.sleep(30)  # the place is there, and the exporter of what belongs to it is not
        check(running.poll() is None)
        with lab.exporter():
            farm.wait(running)
        check(lab.holder() == "None")
    check(farm.attempts("away")[-1][0] == "done")
    return "a coordinator that was away was waited for, and so was an exporter"


def main() -> None:
    """Prints what was checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("programs", type=Path, help="folder of labgrid's programs")
    programs = parser.parse_args().programs.absolute()
    checks: list[Callable[[Lab, Farm], str]] = [a_place_of_somebody_else, a_killed_farm]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lab, farm = Lab(programs, folder), Farm(Lab(programs, folder), folder)
        (folder / "bench.toml").write_text(BENCH)
        (folder / "net.tflite").write_bytes(nets.eligible())
        (folder / "exports.yaml").write_text(
            "lab:\n  NetworkService:\n    address: 127.0.0.1\n    username: root\n"
        )
        with lab.coordinator():
            until(lambda: "Could not connect" not in lab.client("create"))
            with lab.exporter():
                lab.client("add-match", "here/lab/NetworkService")
                until(lambda: "acquired place" in lab.client("acquire"))  # the exporter is there
                lab.client("release")
                for check in checks:
                    print(check(lab, farm), flush=True)
        print(a_coordinator_that_goes_away(lab, farm))


if __name__ == "__main__":
    main()
