"""A real PostgreSQL server of the tests' own, on a port of its own, in a folder that goes."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

PASSWORD = "geheim/pass#word"
QUOTED = "geheim%2Fpass%23word"
START_TIMEOUT_S = 60


def programs():
    """The folder of the newest server that is installed; None where there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(f.parent.name))
    return folders[-1] if folders else None


class Server:
    """A server, which can be killed and started again."""

    def __init__(self, folder, user):
        self.port = _free_port()
        self._folder, self._user = folder, user
        self._numbers = itertools.count(1)

    def start(self):
        """Starts it, and waits until it answers."""
        folder = self._folder
        arguments = [programs() / "postgres", "-D", folder / "data", "-p", str(self.port), "-k",
                     folder, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]  # fmt: skip
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                arguments, user=self._user, stdout=log, stderr=log, cwd=folder,
                start_new_session=True, env={"PATH": "/usr/bin:/bin"},
            )  # fmt: skip
        _wait_for(self, self.process, folder / "log")

    def kill(self, number=signal.SIGKILL):
        """Ends it by a signal; what serves a connection ends as soon as it notices."""
        self.process.send_signal(number)
        self.process.wait(30)

    def url(self, database, password=QUOTED):
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """URL of an empty database."""
        name = f"history_{next(self._numbers)}"
        with self.connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def connected(self, database):
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=10)


@contextlib.contextmanager
def server():
    """Starts a server, as the user postgres where we are root."""
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="edgeprune-pg-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            for path in (folder, secret):
                os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        _run(user, folder, "initdb", "-D", folder / "data", "--auth=scram-sha-256", "-U",
             "postgres", f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C")  # fmt: skip
        built = Server(folder, user)
        try:
            built.start()
            yield built
        finally:
            built.kill(signal.SIGQUIT)  # at once
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server, process, log):
    end_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            server.connected("postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(log.read_text()) from None
            time.sleep(0.05)


def _run(user, folder, name, *arguments):
    command = [str(programs() / name), *map(str, arguments)]
    subprocess.run(
        command, user=user, cwd=folder, check=True, capture_output=True, timeout=START_TIMEOUT_S
    )


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
