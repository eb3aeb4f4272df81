"""Bombs in a plan fail alone, what a plan says is data, and secrets stay where they are."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nets
import postgres_rig
import psycopg
import pytest
import tomli_w
from container_files import HOSTILE
from full_range import also
from load.attacks import Target, containers
from waits import until

CHECKOUT = Path(__file__).resolve().parents[2]
NASTY = "a'b $(touch PWNED) `touch PWNED`; touch PWNED & \"%s{x}\\"
SECRETS = {
    "EDGEPRUNE_WEBHOOK_TOKEN": "token-of-the-hook",
    "LAB_PASSWORD": "word-of-the-lab",
}


def table(*models, **changes):
    given = {"models": list(models), "boards": ["local"], "recipes": ["as-is"], "tags": [NASTY]}
    return given | {"sessions": 1, "runs": 5} | changes


def asked(folder, question):
    with contextlib.closing(sqlite3.connect(folder / "home" / "history.sqlite")) as connection:
        return connection.execute(question).fetchall()


ZIP_BOMB = ("zip bomb", "bomb.keras")
SHAPE = ("CVE-2026-0897: a shape of 10 PB (.h5)", "b.h5")


@pytest.mark.parametrize("bombs", [(ZIP_BOMB,), also((ZIP_BOMB, SHAPE))])
def test_bombs_fail_alone_and_names_do_nothing(tmp_path, bombs):
    models = tmp_path / "models"
    models.mkdir()
    target = Target(models, tmp_path / "PWNED", tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    (models / f"{NASTY}.tflite").write_bytes(nets.eligible())
    (models / "bomb.epz").write_bytes(HOSTILE["a deflate bomb"])
    (models / "empty.tflite").write_bytes(b"")
    attacks = {attack.name: attack for attack in containers.ATTACKS}
    for word, name in bombs:
        made = attacks[word].make(target)
        made.rename(models / name)
    files = sorted(str(file) for file in models.iterdir())
    (tmp_path / "p.toml").write_bytes(tomli_w.dumps({"jobs": [table(*files)]}).encode())
    lines = ended(tmp_path, "run", "p.toml")
    assert all(line.isprintable() for line in lines)
    jobs = asked(tmp_path, "SELECT model_path, state, error_kind, message FROM farm_jobs")
    assert {Path(path).name: (state, kind) for path, state, kind, _ in jobs} == {
        f"{NASTY}.tflite": ("done", None),
        **dict.fromkeys(
            ("bomb.epz", "empty.tflite", *(name for _, name in bombs)), ("failed", "job")
        ),
    }
    for path, _, kind, message in jobs:
        told = [line for line in lines if f": {Path(path).name}, as-is: " in line]
        assert len(told) == 1
        assert message is None or told[0].endswith(f": {kind} error: {message}")
    assert any("empty.tflite: is empty; its jobs will fail" in line for line in lines)
    assert not [*tmp_path.rglob("PWNED")]


@pytest.mark.device
def test_secrets_stay_where_they_are(tmp_path, server):
    """After a night that failed at a board, at the database and at the webhook."""
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    with socket.socket() as closed:  # nobody listens there
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        (tmp_path / "bench.toml").write_text(
            f"[devices.pi]\nboard = 'rpi4'\nhost = '127.0.0.1'\nport = {port}\nuser = 'root'\n"
            "password_env = 'LAB_PASSWORD'\n"
        )
        url = server.new_database()
        given = SECRETS | {
            "EDGEPRUNE_WEBHOOK": f"https://127.0.0.1:{port}/path-of-the-hook",
            "EDGEPRUNE_HISTORY": url,
        }
        plan = {"jobs": [table("net.tflite", boards=["local", "rpi4"])]}
        (tmp_path / "p.toml").write_bytes(tomli_w.dumps(plan).encode())
        run = ("run", "p.toml", "--bench", "bench.toml", "--night", "n")
        wrong = {"EDGEPRUNE_HISTORY": url.replace(postgres_rig.QUOTED, "another-word")}
        seen = [
            *ended(tmp_path, *run, **(given | wrong)),
            *broken_night(tmp_path, run, given, server),
        ]
        seen += ended(tmp_path, "report", "--night", "n", "--webhook", **given)
        seen += ended(tmp_path, "report", "--night", "n", "--json", **given)
    assert any("password authentication failed" in line for line in seen)
    assert any("pi cannot be used" in line for line in seen)
    assert any("the history is back" in line for line in seen)
    assert any("webhook at 127.0.0.1: the morning was not delivered" in line for line in seen)
    seen += [file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file()]
    seen += rows_of(url)
    secrets = [*SECRETS.values(), "path-of-the-hook", "another-word"]
    for secret in (*secrets, postgres_rig.PASSWORD, postgres_rig.QUOTED):
        assert not [text for text in seen if secret in text]


def ended(folder, *command, **environment):
    """All lines of a command that ran to its end."""
    own = {"EDGEPRUNE_HOME": str(folder / "home"), "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-m", "edgeprune", "farm", *command], env=os.environ | own | environment,
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).splitlines()


def broken_night(folder, command, given, server):
    """Lines of a night in which the database is killed, and command lines of all that ran."""
    log, own = folder / "log", {"EDGEPRUNE_HOME": str(folder / "home"), "PYTHONPATH": str(CHECKOUT)}
    seen = set()

    def told(words):
        time.sleep(0.01)  # reading what every process of the machine is takes a while itself
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return words in log.read_text()

    with log.open("wb") as output:
        farm = subprocess.Popen(
            [sys.executable, "-m", "edgeprune", "farm", *command], env=os.environ | own | given,
            cwd=folder, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            until(lambda: told("net.tflite, as-is: measured") and told("pi cannot be used"))
            server.kill()
            until(lambda: told("the history cannot be used"))
            server.start()
            until(lambda: told("the history is back"))
        finally:
            farm.terminate()
            assert farm.wait(60) == 130
    assert any("edgeprune.farm.child" in line for line in seen)
    return [*log.read_text().splitlines(), *seen]


def rows_of(url):
    """Every row of every table, as text."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(url) as connection:
        return [
            row[0]
            for (name,) in connection.execute(tables).fetchall()
            for row in connection.execute(f'SELECT t::text FROM "{name}" t').fetchall()
        ]
