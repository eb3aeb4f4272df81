"""Nights of a small real farm in which parts are killed by SIGKILL at random moments.

    python benchmarks/farm_kills.py [--nights 20] [--kills 4] [--seed 1] [--postgres]

Victims: the scheduler, a job's process, an agent, the Pi's sshd, the phone's adbd, the adb server,
an emulated board. What a person or a machine would start again is started again after some seconds.
With --postgres two schedulers share each night and a history on Debian's real server, which is
killed too. Judged after each night from what agents wrote down, from the history, and from what
still runs. Needs root.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import postgres_rig
from farm_rig import Farm, small_farm
from int8_layers import random_layer

NIGHT_S = 1800.0
PLAN = """time_budget = "5m"
[[jobs]]
models = ["m0.tflite"]
boards = ["local", "rpi4-emulated", "lab-pi", "lab-phone", "mps2-an386"]
recipes = ["as-is"]
sessions = 1
runs = 200
[[jobs]]
models = ["m1.tflite"]
boards = ["local", "lab-pi", "lab-phone"]
recipes = ["as-is"]
sessions = 1
runs = 200
"""


def main() -> int:
    """Runs the nights; exit code 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=20)
    parser.add_argument("--kills", type=int, default=4, help="a night")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="two schedulers, one database")
    given = parser.parse_args()
    faults: list[str] = []
    killed: collections.Counter[str] = collections.Counter()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_rig.server()) if given.postgres else None
        farm = stack.enter_context(small_farm())
        if server is not None:
            farm.environment["EDGEPRUNE_HISTORY"] = server.new_database()
        for number in range(2):
            tflite = random_layer(number, "CONV_2D").tflite
            (farm.folder / f"m{number}.tflite").write_bytes(tflite)
        (farm.folder / "p.toml").write_text(PLAN)
        for number in range(given.nights):
            dice = random.Random(given.seed * 1000 + number)
            night = Night(farm, f"night {number}", dice, server)
            begun_s = time.monotonic()
            night.run(given.kills)
            wrong = farm.faults() + [f"left running: {line}" for line in farm.left_running()]
            wrong += night.faults
            faults += [f"{night.name}: {line}" for line in wrong]
            killed.update(night.killed)
            ended = farm.asked(
                f"SELECT state, count(*) FROM farm_jobs WHERE night = '{night.name}' AND kind = "
                "'measure' GROUP BY 1"
            )
            print(
                f"{night.name}: {dict(ended)}, {time.monotonic() - begun_s:.0f} s, killed "
                f"{dict(night.killed)}",
                *(f"\n  FAULT {line}" for line in wrong),
                flush=True,
            )
        print((farm.folder / "log").read_text())
        print(farm.asked("SELECT outcome, message, count(*) FROM farm_attempts GROUP BY 1, 2"))
    print(f"killed: {dict(killed)}")
    for line in faults:
        print(f"FAULT {line}")
    return 1 if faults else 0


class Night:
    """One night.

    Attributes:
        name: Its name.
        killed: How many of each part were killed.
        faults: What was wrong.
    """

    def __init__(
        self, farm: Farm, name: str, dice: random.Random, server: postgres_rig.Server | None
    ) -> None:
        self.name, self.killed, self.faults = name, collections.Counter[str](), list[str]()
        self._farm, self._dice, self._server = farm, dice, server
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._schedulers = [self._started() for _ in range(1 if server is None else 2)]
        self._victims = {
            "scheduler": self._kill_scheduler,
            "child": lambda: self._kill_one(r"-m edgeprune\.farm\.child"),
            "agent": self._kill_agent,
            "sshd": self._kill_sshd,
            "adbd": self._kill_adbd,
            "adb server": self._kill_adb,
            "emulated board": lambda: self._kill_one(r"^qemu-"),
        }
        if server is not None:
            self._victims["postgres"] = self._kill_postgres

    def run(self, kills: int) -> None:
        """Runs it to its end, killing so many parts."""
        end_s = time.monotonic() + NIGHT_S
        next_kill_s = time.monotonic() + self._dice.uniform(1, 15)
        name = self._dice.choice(list(self._victims))
        while any(one.poll() is None for one in self._schedulers):
            now_s = time.monotonic()
            if now_s > end_s:
                self.faults.append(f"it did not end within {NIGHT_S:.0f} s")
                for one in self._schedulers:
                    one.kill()
                break
            if sum(self.killed.values()) < kills and now_s >= next_kill_s:
                if self._victims[name]():  # else it does not run now, and is waited for
                    self.killed[name] += 1
                    next_kill_s = now_s + self._dice.uniform(1, 25)
                    name = self._dice.choice(list(self._victims))
            self._do_what_is_due()
            self._start_again_as_systemd_does()
            self._restore()
            time.sleep(0.1)
        self._do_what_is_due(everything=True)
        for one in self._schedulers:
            if one.wait(60) not in (0, 1):
                self.faults.append(f"exit code {one.returncode}")

    def _started(self) -> subprocess.Popen[bytes]:
        folder = self._farm.folder
        return self._farm.start(folder / "p.toml", "--night", self.name, log=folder / "log")

    def _do_what_is_due(self, *, everything: bool = False) -> None:
        now_s = time.monotonic()
        for entry in list(self._due):
            if everything or entry[0] <= now_s:
                self._due.remove(entry)
                entry[1]()

    def _again(self, action: Callable[[], None]) -> None:
        """Has a part started again after some seconds."""
        self._due.append((time.monotonic() + self._dice.uniform(1, 20), action))

    def _start_again_as_systemd_does(self) -> None:
        """A scheduler that found no history at its start."""
        for number, one in enumerate(self._schedulers):
            if one.poll() == 2:
                self._schedulers[number] = self._started()

    def _restore(self) -> None:
        """What a person does who sees a device in quarantine."""
        question = "SELECT device FROM farm_devices WHERE quarantine_reason IS NOT NULL"
        for (device,) in self._farm.asked(question):
            argv = [sys.executable, "-m", "edgeprune", "devices", "restore", device]
            subprocess.run(argv, env=self._farm.environment, check=False, capture_output=True)

    def _kill_scheduler(self) -> bool:
        running = [one for one in self._schedulers if one.poll() is None]
        if not running:
            return False
        victim = self._dice.choice(running)
        victim.kill()
        victim.wait(60)
        self._schedulers[self._schedulers.index(victim)] = self._started()
        return True

    def _kill_postgres(self) -> bool:
        if self._server is None or self._server.process.poll() is not None:
            return False
        self._server.kill()
        self._again(self._server.start)
        return True

    def _kill_agent(self) -> bool:
        return _killed(self._dice.sample(found, 1) if (found := self._farm.agents()) else [])

    def _kill_one(self, pattern: str) -> bool:
        found = [pid for pid, line in self._farm.running_here() if re.search(pattern, line)]
        return _killed(self._dice.sample(found, 1) if found else [])

    def _kill_sshd(self) -> bool:
        device = self._farm.lab.device
        if device.process is None or device.process.poll() is not None:
            return False
        device.kill_sessions()
        device.process.kill()
        device.process.wait(30)
        self._again(device.start)
        return True

    def _kill_adbd(self) -> bool:
        if self._farm.processes["adbd"].poll() is not None:
            return False
        self._farm.pull_phone()
        self._again(self._farm.start_phone)
        return True

    def _kill_adb(self) -> bool:
        ours = self._farm.processes["adb"]
        if ours.poll() is None:
            self._farm.kill("adb")
            return True
        here = self._farm.running_here()
        return _killed([pid for pid, line in here if re.search(r"\badb\b.*server", line)])


def _killed(pids: list[int]) -> bool:
    """Kills processes; whether there were any."""
    is_any = False
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            is_any = True
    return is_any


if __name__ == "__main__":
    sys.exit(main())
