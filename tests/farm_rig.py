"""A small farm on this machine: a Pi behind a real sshd, a phone behind a real adb server, emulated
boards, and agents that write down what they did under which lease.

Pi and phone run this machine's programs, each with a ``/tmp`` of its own, where its lock and its
lease lie. Every part is a process that can be killed. Needs root, Debian's adb and openssh-server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from adb_rig import Adbd
from adb_server import free_port, started
from ssh_rig import Rig, rig, sh

from edgeprune.agents import build
from edgeprune.devices.boards import load_board
from edgeprune.devices.links.ssh.host_keys import trust_host_key
from edgeprune.devices.toolchain.zig import compile_c, host_isa
from edgeprune.files import paths

ROOT = Path(__file__).resolve().parent.parent
AGENT_LOG = ROOT / "tests" / "device_agents" / "agent_log.c"
WRAPS = ("-Wl,--wrap=lease_device", "-Wl,--wrap=serve")
MARKER = "EDGEPRUNE_RIG"
_OWN_TMP = 'mount --bind "$0" /tmp && exec "$@"'


@dataclass(frozen=True)
class Served:
    """One entry of an agent's log.

    Attributes:
        is_lease: It took the lease, rather than serving a request under it.
        epoch: The lease's.
        pid: Of the agent.
        begin_ns: When, on the machine's monotonic clock.
        end_ns: The same.
    """

    is_lease: bool
    epoch: int
    pid: int
    begin_ns: int
    end_ns: int


@dataclass
class Farm:
    """The farm and its parts.

    Attributes:
        folder: All that is the farm's.
        environment: Of the farm's processes.
        lab: The Pi's sshd.
        phone_port: Where the phone's adbd listens.
        processes: The rig's own, by name: ``adbd`` and ``adb``.
    """

    folder: Path
    environment: dict[str, str]
    lab: Rig
    phone_port: int
    adb_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """EDGEPRUNE_HOME."""
        return self.folder / "home"

    @property
    def bench(self) -> Path:
        """The bench file."""
        return self.folder / "bench.toml"

    def start_phone(self) -> None:
        """Plugs the phone in: its adbd starts."""
        argv = [sys.executable, __file__, str(self.folder / "phone"), str(self.phone_port)]
        with (self.folder / "adbd.log").open("ab") as log:
            self.processes["adbd"] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=self.environment | {MARKER: str(self.folder)},
            )

    def pull_phone(self) -> None:
        """Pulls its cable: adbd is killed."""
        self.kill("adbd")

    def start_adb(self) -> None:
        """Starts the adb server."""
        self.processes["adb"], _ = started(self.folder, self.adb_port)

    def kill(self, name: str) -> None:
        """Ends one of the rig's own processes by SIGKILL."""
        self.processes[name].kill()
        self.processes[name].wait(30)

    def start(self, plan: Path, *options: str, log: Path) -> subprocess.Popen[bytes]:
        """``edgeprune farm run PLAN``, whose output goes into ``log``."""
        argv = [sys.executable, "-m", "edgeprune", "farm", "run", str(plan)]
        argv += ["--bench", str(self.bench), *options]
        with log.open("ab") as output:
            return subprocess.Popen(
                argv, env=self.environment, cwd=self.folder, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        """Rows of the history; none where there is no history yet, or it is away."""
        if url := self.environment.get("EDGEPRUNE_HISTORY"):
            with contextlib.suppress(psycopg.OperationalError, psycopg.errors.UndefinedTable):
                with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
                    return connection.execute(question).fetchall()
            return []
        file = self.home / "history.sqlite"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(file, timeout=60)) as connection:
            with contextlib.suppress(sqlite3.OperationalError):
                return connection.execute(question).fetchall()
        return []

    def agents_logs(self) -> dict[str, list[Served]]:
        """What the agents of each device wrote down, by the folder of its lease."""
        files = [*self.folder.glob("**/agents.log")]
        return {str(file.parent.relative_to(self.folder)): _entries(file) for file in files}

    def faults(self) -> list[str]:
        """What is wrong with agents' logs and history: a device with two runs, a job without its
        one ending, a result that no agent handed out.
        """
        found = []
        logs = self.agents_logs()
        for device, entries in logs.items():
            found += [f"{device}: {line}" for line in double_bookings(entries)]
        served = {(entry.epoch, not entry.is_lease) for log in logs.values() for entry in log}
        boards = dict(self.asked("SELECT device, board FROM farm_devices"))
        for device, epoch in self.asked("SELECT device, epoch FROM farm_results"):
            if not boards[device].startswith("mps") and (epoch, True) not in served:
                found.append(f"{device}: no agent served a request of epoch {epoch}")
        for question, what in _HISTORY_FAULTS.items():
            found += [f"{what}: {row}" for row in self.asked(question)]
        return found

    def left_running(self, patience_s: float = 15.0) -> list[str]:
        """Programs that still run though no night does: on this host, on the Pi, on the phone."""
        end_s = time.monotonic() + patience_s
        while (found := self._running()) and time.monotonic() < end_s:
            time.sleep(0.2)
        return found

    def _running(self) -> list[str]:
        # Where the adb server was killed that ran before, a night leaves one in its place.
        may_stay = self.processes["adb"].poll() is not None
        here = [one for one in self.running_here() if not (may_stay and "fork-server" in one[1])]
        found = [f"{pid} {command}" for pid, command in here]
        inside = sh("ip", "netns", "pids", self.lab.device.space, check=False).split()
        on_pi = [f"{pid} {command}" for pid in inside if (command := _command(pid))]
        return found + [line for line in on_pi if "sshd" not in line]

    def running_here(self) -> list[tuple[int, str]]:
        """Process numbers and command lines of what runs for a night, but for the Pi's."""
        ours = {process.pid for process in self.processes.values()}
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                environment = Path("/proc", pid, "environ").read_bytes().split(b"\0")
                is_farms = f"EDGEPRUNE_HOME={self.home}".encode() in environment
                is_phones = f"{MARKER}={self.folder}".encode() in environment
                command = _command(pid) if is_farms or is_phones else ""
                if command and int(pid) not in ours:
                    found.append((int(pid), command))
        return found

    def agents(self) -> list[int]:
        """Process numbers of agents that have a lease and run."""
        pids = {entry.pid for log in self.agents_logs().values() for entry in log[-40:]}
        return [pid for pid in pids if "agent" in _command(str(pid))]

    def close(self) -> None:
        """Ends the rig's own processes, and what is left."""
        for process in self.processes.values():
            process.kill()
            process.wait(30)


_HISTORY_FAULTS = {
    "SELECT job, state FROM farm_jobs WHERE kind = 'measure' AND state IN ('pending', 'running')":
        "a job without an ending",
    "SELECT job FROM farm_jobs WHERE state = 'done' AND job NOT IN (SELECT job FROM farm_results)":
        "a job that is done, and has no result",
    "SELECT j.job, j.state FROM farm_jobs j JOIN farm_results r ON r.job = j.job "
    "WHERE j.state <> 'done'": "a job that has a result, and is not done",
    "SELECT job, count(*) FROM farm_results GROUP BY job HAVING count(*) > 1":
        "a job with several results",
    "SELECT run FROM farm_results WHERE run NOT IN (SELECT id FROM runs)": "a result without a run",
    "SELECT id FROM runs WHERE id NOT IN (SELECT run FROM farm_results)": "a run without a job",
    "SELECT device, epoch FROM farm_attempts WHERE ended_ms IS NULL": "an attempt without an end",
    "SELECT device, holder FROM farm_devices WHERE holder IS NOT NULL": "a lease that was kept",
}  # fmt: skip


def double_bookings(entries: list[Served]) -> list[str]:
    """Requests that agents of an older lease served when a newer one had the device."""
    found = []
    leases: dict[int, int] = {}
    for entry in entries:
        if entry.is_lease:
            leases[entry.epoch] = min(leases.get(entry.epoch, entry.end_ns), entry.end_ns)
    for entry in entries:
        for epoch, since_ns in leases.items():
            if epoch > entry.epoch and entry.end_ns > since_ns:
                late_ms = (entry.end_ns - since_ns) / 1e6
                found.append(f"epoch {entry.epoch} was served {late_ms:.1f} ms into {epoch}")
    return found


def _entries(file: Path) -> list[Served]:
    found = []
    for line in file.read_text(errors="replace").splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] in ("lease", "served"):
            epoch, pid, *times = map(int, words[1:])
            found.append(Served(words[0] == "lease", epoch, pid, times[0], times[-1]))
    return found


def _command(pid: str) -> str:
    with contextlib.suppress(OSError):
        words = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
        return "" if state == "Z" else words
    return ""


@contextlib.contextmanager
def small_farm() -> Iterator[Farm]:
    """The farm, with the phone plugged in and nothing planned.

    Its folder lies outside of ``/tmp``, which the devices see as their own.
    """
    folder = Path(tempfile.mkdtemp(prefix="edgeprune-farm-", dir="/var/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("EDGEPRUNE_CACHE", str(_cache_with_logs(folder / "cache", patch)))
        for name in ("home", "lab", "locks", "phone/tmp", "phone/data", "boards", "tmp"):
            (folder / name).mkdir(parents=True)
        patch.setenv("EDGEPRUNE_HOME", str(folder / "home"))
        patch.setenv("EDGEPRUNE_BOARDS", str(folder / "boards"))
        patch.setenv("EDGEPRUNE_LOCK_FOLDER", str(folder / "locks"))
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("EDGEPRUNE_HISTORY", raising=False)
        adb_port = free_port()
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_port))
        lab = stack.enter_context(rig(folder / "lab"))
        lab.device.stop()
        (lab.device.folder / "tmp").mkdir()
        lab.device.start()
        phone_port = free_port()
        _write_desk(folder, lab, phone_port)
        trust_host_key("pi", lab.device.host_key())
        farm = Farm(folder, dict(os.environ), lab, phone_port, adb_port)
        stack.callback(farm.close)
        farm.start_adb()
        farm.start_phone()
        yield farm


def _cache_with_logs(cache: Path, patch: pytest.MonkeyPatch) -> Path:
    """A cache like the user's, but for the agents, which keep a log."""
    users = paths.cache_folder()
    (cache / "agents").mkdir(parents=True)
    for one in users.iterdir():
        if one.name not in ("agents", "farm"):
            (cache / one.name).symlink_to(one)
    for one in (users / "agents").iterdir():
        (cache / "agents" / one.name).symlink_to(one)
    for target in ("host", load_board("rpi4").agent.target):
        patch.setenv("EDGEPRUNE_CACHE", str(users))
        sources = [*build.agent_sources(), AGENT_LOG]
        flags = (build.version_flag(), *build._FLAGS, *WRAPS)
        logging = compile_c("edgeprune-agent", sources, flags, target)
        place = build.agent(target).relative_to(users)
        folder = cache / place.parent
        folder.unlink()
        folder.mkdir()
        paths.keep(Path(shutil.copy(logging, folder / "unfinished")), cache / place)
    return cache


def _write_desk(folder: Path, lab: Rig, phone_port: int) -> None:
    """Boards with this machine's instruction set, and where they are."""
    shipped = paths.shipped("boards")
    for of, name in (("rpi4", "lab-pi"), ("pixel-8", "lab-phone")):
        text = (shipped / f"{of}.toml").read_text().replace(f'"{of}"', f'"{name}"')
        text = text.replace("aarch64", host_isa())
        text = text.replace("/data/local/tmp", str(folder / "phone" / "data"))
        (folder / "boards" / f"{name}.toml").write_text(text)
    (folder / "bench.toml").write_text(
        f"""[devices.pi]
board = "lab-pi"
host = "{lab.device.address}"
user = "root"
key = "{lab.key}"
[devices.phone]
board = "lab-phone"
host = "127.0.0.1"
port = {phone_port}
"""
    )


def _serve_phone(home: Path, port: int) -> None:
    """The phone's adbd, until it is killed."""
    adbd = Adbd(home, port=port)
    adbd.within = ["unshare", "-m", "sh", "-c", _OWN_TMP, str(home / "tmp")]
    signal.pause()


if __name__ == "__main__":
    _serve_phone(Path(sys.argv[1]), int(sys.argv[2]))
