"""Two real hosts on this machine with TLS: one is stopped at work, a stranger is refused."""

import contextlib
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from nets import Net
from waits import until

from edgeprune.farm.dask.certificates import make_certificates

CHECKOUT = Path(__file__).resolve().parents[3]
PLAN = """
[[jobs]]
models = ["net.tflite", "other.tflite"]
boards = ["local"]
recipes = ["as-is"]
sessions = 1
"""


class Lab:
    """Processes of edgeprune, each with a home of its own."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self, host, *argv):
        home = self.folder / host
        home.mkdir()
        own = {"EDGEPRUNE_HOME": str(home), "EDGEPRUNE_LOCK_FOLDER": str(home)}
        environment = os.environ | own | {"PYTHONPATH": str(CHECKOUT)}
        argv = [sys.executable, "-m", "edgeprune", "farm", *argv]
        with (self.folder / f"{host}.log").open("wb") as log:
            self.started.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log))
        return self.started[-1]

    def worker(self, host):
        certificates = ["--certificates", str(self.folder / "certificates" / host)]
        return self.start(host, "worker", f"127.0.0.1:{self.port}", *certificates, "--name", host)

    def log(self, host):
        return (self.folder / f"{host}.log").read_text()

    def asked(self, question):
        file = self.folder / "lab0" / "history.sqlite"
        with contextlib.suppress(sqlite3.OperationalError):
            with contextlib.closing(sqlite3.connect(file, timeout=30)) as connection:
                return connection.execute(question).fetchall()
        return []

    def jobs_begun(self, host):
        return list((self.folder / host / "farm").glob("p-*/*-local-*.log"))

    def processes(self, host):
        """Numbers of the processes whose home is a host's."""
        mark = f"EDGEPRUNE_HOME={self.folder / host}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes() + b"\0":
                    found.append(int(entry.name))
        return found


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    make_certificates(tmp_path / "certificates", ["lab0", "lab1", "lab2"])
    for number, name in enumerate(("net", "other"), 4):
        net = Net()
        content = net.build(net.dense(net.input(1, 8), number))
        (tmp_path / f"{name}.tflite").write_bytes(content)
    (tmp_path / "p.toml").write_text(PLAN)
    yield made
    for process in made.started:
        process.kill()
        process.wait(30)


def refused_without_certificate(port):
    """Why a stranger, who trusts anybody, is not let in."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as raw:
            with context.wrap_socket(raw) as stranger:
                return "let in" if stranger.recv(1) else "closed"
    except OSError as error:
        return str(error)


@pytest.mark.device
def test_jobs_of_a_host_that_is_stopped_run_on_another(lab):
    """Each of two hosts has one job; the one that is stopped leaves nothing behind."""
    one, two = lab.worker("lab1"), lab.worker("lab2")
    farm = lab.start(
        "lab0", "run", str(lab.folder / "p.toml"), "--engine", "dask",
        "--listen", f"127.0.0.1:{lab.port}", "--certificates",
        str(lab.folder / "certificates" / "lab0"), "--wait", "9m",
    )  # fmt: skip
    until(lambda: "connected" in lab.log("lab1") and "connected" in lab.log("lab2"))
    assert "CERTIFICATE_REQUIRED" in refused_without_certificate(lab.port).upper()
    until(lambda: lab.jobs_begun("lab2") or farm.poll() is not None)
    two.send_signal(signal.SIGTERM)
    assert two.wait(120) == 0, lab.log("lab2")
    assert lab.processes("lab2") == []
    assert farm.wait(500) == 0, lab.log("lab0")
    assert "a connection from 127.0.0.1 was refused" in lab.log("lab0")
    assert lab.asked("SELECT state, count(*) FROM farm_jobs GROUP BY 1") == [("done", 2)]
    assert lab.asked("SELECT count(*), count(DISTINCT job) FROM farm_results") == [(2, 2)]
    stopped = "SELECT device, message FROM farm_attempts WHERE outcome <> 'done'"
    assert lab.asked(stopped) == [("local@lab2", "its host was stopped")]
    assert lab.asked("SELECT device, host FROM farm_devices ORDER BY 1") == [
        ("local@lab1", "lab1"),
        ("local@lab2", "lab2"),
    ]
    one.send_signal(signal.SIGINT)
    assert one.wait(120) == 0 and lab.processes("lab1") == []
