"""A farm on three hosts, each a network namespace with its own address, and TLS between them.

    python benchmarks/farm_hosts.py FOLDER

Needs root and Debian's iproute2. While a night runs, one host is cut off for a minute with a job
under way, one for a quarter of a minute, which must harm nothing, one is killed with a job under
way and comes back, a stranger with a certificate of another authority tries to join, and the farm
itself is killed and started again. Judged from the agents' own record locks, which the kernel
shows: no device had two leases at work, and no epoch came twice. Then the same plan runs on the
built-in engine. Figures of the emulated microcontroller have to be the same to the instruction;
those of user-mode emulation move by where programs lie in memory, and may differ by 0.5 %.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from int8_layers import random_layer  # noqa: E402
from nets import Net  # noqa: E402

BRIDGE, NETWORK, PORT = "epfarm", "10.77.0", 8787
HOSTS = ("lab1", "lab2", "lab3")
NIGHT_TIMEOUT_S = 3000
CUT_S, SHORT_CUT_S = 60, 15
LEASE_FILE = "edgeprune-device.lease"

PLAN = """
workers = 6
[[jobs]]
models = [{models}]
boards = ["rpi4-emulated"]
recipes = ["as-is"]
sessions = 1
[[jobs]]
models = ["layer.tflite"]
boards = ["mps2-an386"]
recipes = ["as-is"]
[[jobs]]
models = ["net0.tflite"]
boards = ["local"]
recipes = ["as-is"]
sessions = 2
{each}
"""


def sh(*argv: str, check: bool = True) -> str:
    """Runs a command and returns what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def namespaces() -> Iterator[None]:
    """Three namespaces on one bridge, with addresses of their own; removed afterwards."""
    _remove()
    try:
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        sh("ip", "address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        sh("ip", "link", "set", BRIDGE, "up")
        for number, host in enumerate(HOSTS, 11):
            inside, outside = f"{BRIDGE}i{number}", f"{BRIDGE}o{number}"
            sh("ip", "netns", "add", space(host))
            sh("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
            sh("ip", "link", "set", inside, "netns", space(host))
            sh("ip", "link", "set", outside, "master", BRIDGE, "up")
            sh("ip", "-n", space(host), "address", "add", f"{NETWORK}.{number}/24", "dev", inside)
            sh("ip", "-n", space(host), "link", "set", inside, "up")
            sh("ip", "-n", space(host), "link", "set", "lo", "up")
        yield
    finally:
        _remove()


def _remove() -> None:
    for host in HOSTS:
        for pid in sh("ip", "netns", "pids", space(host), check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        sh("ip", "netns", "del", space(host), check=False)
    sh("ip", "link", "del", BRIDGE, check=False)


def space(host: str) -> str:
    """What a host's namespace is called."""
    return f"edgeprune-{host}"


class Lab:
    """The processes of the night."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "farm" / "history.sqlite"
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *argv: str, inside: str | None = None) -> subprocess.Popen[bytes]:
        """Starts an edgeprune with a home of its own."""
        environment = os.environ | {
            "EDGEPRUNE_HOME": str(self.folder / name),
            "EDGEPRUNE_LOCK_FOLDER": str(self.folder / name),
            "PYTHONPATH": str(ROOT),
        }
        environment.setdefault("EDGEPRUNE_CACHE", str(self.folder / "cache"))
        (self.folder / name).mkdir(exist_ok=True)
        way = ("ip", "netns", "exec", space(inside)) if inside else ()
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*way, sys.executable, "-m", "edgeprune", *argv],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def worker(self, host: str) -> subprocess.Popen[bytes]:
        """Starts a host's worker in its namespace."""
        return self.start(
            host, "farm", "worker", f"{NETWORK}.1:{PORT}", "--certificates",
            f"certificates/{host}", "--name", host, inside=host,
        )  # fmt: skip

    def farm(self) -> subprocess.Popen[bytes]:
        """Starts the farm."""
        return self.start(
            "farm", "farm", "run", "hosts.toml", "--engine", "dask", "--listen",
            f"{NETWORK}.1:{PORT}", "--certificates", "certificates/lab0", "--wait", "5m",
        )  # fmt: skip

    def end(self) -> None:
        """Ends whatever still runs."""
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        for process in self._started:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()

    def asked(self, question: str, home: str = "farm") -> list[tuple[object, ...]]:
        """What the history of a home says; nothing while it has no tables."""
        file = self.folder / home / "history.sqlite"
        with contextlib.suppress(sqlite3.OperationalError):
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                return database.execute(question).fetchall()
        return []

    def running_on(self, host: str) -> list[tuple[object, ...]]:
        """The attempts that are under way on a host's devices."""
        return self.asked(
            "SELECT device, epoch, job FROM farm_attempts WHERE ended_ms IS NULL AND "
            f"device LIKE 'rpi4-emulated@{host}'"
        )


class Agents(threading.Thread):
    """Looks at the agents' record locks: each agent locks the byte of its epoch.

    Attributes:
        epochs: For each lease file, the epochs in the order in which they were first seen.
        overlaps_s: How long two epochs of one file were seen at once, at most.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self.epochs: dict[str, list[int]] = collections.defaultdict(list)
        self.overlap_s = 0.0
        self._both_since: dict[str, float] = {}
        self.is_over = threading.Event()

    def run(self) -> None:
        """Looks twenty times a second."""
        files: dict[str, str] = {}
        while not self.is_over.wait(0.05):
            text = Path("/proc/locks").read_text(encoding="ascii")
            held = collections.defaultdict(set)
            for line in text.splitlines():
                words = line.split()
                if words[1:2] == ["POSIX"] and words[3] == "READ" and words[6] == words[7]:
                    held[words[5]].add(int(words[6]))
            if held.keys() - files.keys():
                files |= self._files()
            for key, epochs in held.items():
                if key in files:
                    self._note(files[key], epochs)
            for file in set(self._both_since) - {files.get(one) for one in held}:
                del self._both_since[file]

    def _files(self) -> dict[str, str]:
        found = {}
        for file in self._folder.rglob(LEASE_FILE):
            state = file.stat()
            device = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}"
            found[f"{device}:{state.st_ino}"] = str(file.relative_to(self._folder))
        return found

    def _note(self, file: str, epochs: set[int]) -> None:
        for epoch in sorted(epochs - set(self.epochs[file])):
            self.epochs[file].append(epoch)
        if len(epochs) > 1:
            since = self._both_since.setdefault(file, time.monotonic())
            self.overlap_s = max(self.overlap_s, time.monotonic() - since)
        else:
            self._both_since.pop(file, None)


def until(what: str, look: object, timeout_s: float = NIGHT_TIMEOUT_S) -> object:
    """Waits until ``look`` finds something."""
    end_s = time.monotonic() + timeout_s
    while not (found := look()):  # type: ignore[operator]
        if time.monotonic() > end_s:
            raise RuntimeError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.2)
    return found


def prepare(folder: Path, models: int) -> None:
    """Models, plans and certificates; a stranger's certificates are of another authority."""
    for number in range(models):
        net = Net()
        flat = net.dense(net.input(1, 8 + number), 4)
        (folder / f"net{number}.tflite").write_bytes(net.build(flat))
    (folder / "layer.tflite").write_bytes(random_layer(11, "CONV_2D").tflite)
    names = ", ".join(f'"net{number}.tflite"' for number in range(models))
    for name, each in (("hosts", "each_device = true"), ("alone", "")):
        (folder / f"{name}.toml").write_text(PLAN.format(models=names, each=each))
    for where, hosts in (("certificates", ("lab0", *HOSTS)), ("strangers", ("lab3",))):
        argv = [sys.executable, "-m", "edgeprune", "farm", "certificates", where, *hosts]
        subprocess.run(
            argv, cwd=folder, check=True, timeout=60, stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip


def night(lab: Lab) -> int:
    """The night with everything that happens in it; the farm's exit code."""
    for host in HOSTS:
        lab.worker(host)
    farm = lab.farm()
    begun_s = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun_s:6.0f} s  {line}", flush=True)

    stranger = lab.start(
        "stranger", "farm", "worker", f"{NETWORK}.1:{PORT}", "--certificates", "strangers/lab3",
        "--name", "stranger", inside="lab3",
    )  # fmt: skip
    job = until("a job on lab1", lambda: lab.running_on("lab1"))
    until("agents on lab1", lambda: list((lab.folder / "lab1").rglob(LEASE_FILE)))
    say(f"lab1 is cut off with {job}")
    sh("ip", "link", "set", f"{BRIDGE}o11", "down")
    cut_s = time.monotonic()
    job = until("a job on lab2", lambda: lab.running_on("lab2"))
    time.sleep(2)
    killed = sh("ip", "netns", "pids", space("lab2")).split()
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    say(f"lab2 was killed ({len(killed)} processes) with {job}")
    job = until("a job on lab3", lambda: lab.running_on("lab3"))
    sh("ip", "link", "set", f"{BRIDGE}o13", "down")
    time.sleep(SHORT_CUT_S)
    sh("ip", "link", "set", f"{BRIDGE}o13", "up")
    say(f"lab3 was cut off for {SHORT_CUT_S} s with {job}")
    time.sleep(max(0.0, cut_s + CUT_S - time.monotonic()))
    sh("ip", "link", "set", f"{BRIDGE}o11", "up")
    say(f"lab1 is back after {time.monotonic() - cut_s:.0f} s")
    lab.worker("lab2")
    say("lab2 was started again")
    back = HOSTS[:2]
    until("a job on a host that is back", lambda: any(map(lab.running_on, back)) or farm.poll())
    time.sleep(2)
    if farm.poll() is None:
        say("the farm is killed, and started again")
        farm.kill()
        farm.wait(30)
        farm = lab.farm()
    code = farm.wait(NIGHT_TIMEOUT_S)
    say(f"the night is over, exit code {code}")
    stranger.terminate()
    return code


def faults(lab: Lab, agents: Agents) -> list[str]:
    """What must not be, from the history and from the agents."""
    wrong = []
    states = dict(lab.asked("SELECT state, count(*) FROM farm_jobs GROUP BY 1"))
    results = lab.asked(
        "SELECT count(*), count(DISTINCT job), count(DISTINCT run) FROM farm_results"
    )
    attempts = lab.asked("SELECT outcome, count(*) FROM farm_attempts GROUP BY 1")
    print(f"jobs: {states}; results: {results}; attempts by outcome: {dict(attempts)}")
    if set(states) != {"done"}:
        wrong.append("not every job is done")
    if results != [(states.get("done"),) * 3]:
        wrong.append("results do not belong to jobs one to one")
    for file, epochs in agents.epochs.items():
        print(f"agents of {file}: epochs {[epoch - epochs[0] for epoch in epochs]} + {epochs[0]}")
        if epochs != sorted(set(epochs)):
            wrong.append(f"{file}: an older epoch ran after a newer one")
    print(f"two epochs on one device at once: {agents.overlap_s:.2f} s at most")
    if agents.overlap_s > 1:
        wrong.append("two epochs were at work on one device")
    for device, message in lab.asked(
        "SELECT device, message FROM farm_attempts WHERE outcome <> 'done'"
    ):
        print(f"  {device}: {message}")
        if str(device).endswith("@lab3") and "scheduler" not in str(message):
            wrong.append("a short cut ended a job")
    log = (lab.folder / "farm.log").read_text(encoding="utf-8")
    refused = [line for line in log.splitlines() if "was refused" in line]
    print(f"refused: {refused[:1]}")
    if not refused:
        wrong.append("nothing was said of the stranger")
    return wrong


def figures(lab: Lab, home: str) -> dict[str, float]:
    """Instructions of each model of a home's history, on emulated boards."""
    rows = lab.asked(
        "SELECT model_path, result FROM runs JOIN farm_results ON run = runs.id "
        "WHERE board <> 'local' ORDER BY 1", home
    )  # fmt: skip
    found = {}
    for path, result in rows:
        (variant,) = json.loads(str(result))["variants"]
        found[Path(str(path)).name] = variant["instructions"]["per_inference"]
    return found


def differences(here: dict[str, float], there: dict[str, float]) -> list[str]:
    """Where the engines' figures differ by more than they may."""
    print(f"instructions, built-in engine: {here}\ninstructions, three hosts:     {there}")
    if here.keys() != there.keys() or "layer.tflite" not in here:
        return ["the engines measured different models"]
    shifts = {name: abs(there[name] / here[name] - 1) for name in here}
    print(f"largest difference: {max(shifts.values()):.3%}")
    return [
        f"{name}: {here[name]} and {there[name]}"
        for name, shift in shifts.items()
        if shift > (0 if name == "layer.tflite" else 0.005)
    ]


def main() -> int:
    """Runs it; exit code 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=8)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True)
    prepare(folder, given.models)
    lab, agents = Lab(folder), Agents(folder)
    agents.start()
    try:
        with namespaces():
            try:
                night(lab)
            finally:
                lab.end()
        agents.is_over.set()
        wrong = faults(lab, agents)
        alone = lab.start("alone", "farm", "run", "alone.toml")
        alone.wait(NIGHT_TIMEOUT_S)
        wrong += differences(figures(lab, "alone"), figures(lab, "farm"))
    finally:
        lab.end()
        agents.is_over.set()
    print("\n".join(wrong) or "nothing was wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    if shutil.which("ip") is None or os.getuid() != 0:
        sys.exit("needs root and iproute2")
    sys.exit(main())
