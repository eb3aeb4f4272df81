"""What the transport promises, on a real adbd: as root and as Android's shell user.

    python benchmarks/real_adbd.py FOLDER

FOLDER keeps the chroot of Debian 13's adbd (see adbd_chroot.py, which also says what it needs).
Each line is a check that passed, with what it took; the first that fails ends the program.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import adbd_chroot  # first: it finds the package
import agent_rig
import numpy as np
from nets import Net

from edgeprune.agents import build, runtime
from edgeprune.agents.start import start_agent
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.errors import DeviceError, DeviceTimeout, DiskFull
from edgeprune.files.paths import shipped
from edgeprune.push import push
from edgeprune.push.programs import push_programs

NASTY = ["$(touch /tmp/pwned)", "' ; touch /tmp/pwned ; '", "$HOME", "a  b\tc", "*", "\\", "-n", ""]
NOTICED_S = 5.0


def require(truth: bool, what: object) -> None:
    """Ends the program where something is not so."""
    if not truth:
        raise SystemExit(f"failed: {what}")


def shell(adbd: adbd_chroot.RealAdbd, kind: type[adbd_chroot.Adb]) -> str:
    """Arguments, exit codes, signals, a command that hangs."""
    with adbd.adb(kind=kind) as adb:
        done = adb.run(["printf", "%s|", *NASTY], 5)
        require(done.stdout == "".join(f"{word}|" for word in NASTY), done)
        done = adb.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
        require((done.code, done.stdout, done.stderr) == (3, "out\n", "err\n"), done)
        require(adb.run(["sh", "-c", "kill -9 $$"], 5).code == 137, "signal 9 is status 137")
        try:
            adb.run(["sh", "-c", "sleep 45674 & sleep 45674; :"], 0.5)
            require(False, "a command that hangs must be a timeout")
        except DeviceTimeout:
            pass
        user = adb.run(["id", "-u"], 5).stdout.strip()
    require(user == str(adbd.user), f"user {user}")
    remains = left(adbd, "45674")
    require(remains == [], remains)
    require(not (adbd.home / "tmp/pwned").exists(), "a token reached a shell as code")
    return f"user {user}"


def transfer(adbd: adbd_chroot.RealAdbd, folder: Path, kind: type[adbd_chroot.Adb]) -> str:
    """A push that is broken off, resumed and checked; the same bytes back through a stream."""
    file = folder / "model.tflite"
    file.write_bytes(random.Random(1).randbytes(50_000_000))
    with adbd.adb(kind=kind) as adb:
        adb.run(["rm", "-rf", f"{adbd_chroot.FOLDER}/edgeprune"], 30)
        part = f"{adbd_chroot.FOLDER}/edgeprune/{sha256(file)[:16]}/{file.name}.part"
        adb.run(["mkdir", "-p", os.path.dirname(part)], 5)
        head = folder / "head"
        head.write_bytes(file.read_bytes()[:20_000_000])
        adb.upload(head, part, 0, 20)
        [pushed] = push(adb, [file])
        require(pushed.moved_bytes == 30_000_000, pushed)
        require(push(adb, [file])[0].moved_bytes == 0, "it is not sent twice")
        there = adbd.home / pushed.path.lstrip("/")
        require(there.read_bytes() == file.read_bytes(), "the content")
        require(there.stat().st_uid == adbd.user, "the owner")
        channel = adb.start(["cat", pushed.path], {})
        back = channel.read(50_000_000, 30)
        channel.close()
        require(back == file.read_bytes(), "the bytes that come back")
        try:
            adb.upload(head, "/dev/full", 0, 10)
            require(False, "a full disk must be told")
        except DiskFull:
            pass
    return "20 of 50 MB were there, 30 MB were sent, 50 MB came back"


def run(adbd: adbd_chroot.RealAdbd, folder: Path) -> str:
    """The agent with a glibc that was pushed, on a model."""
    text = (shipped("boards") / "pixel-8.toml").read_text().replace("pixel-8", "phone")
    (folder / "phone.toml").write_text(text.replace("aarch64", host_isa()))
    os.environ["EDGEPRUNE_BOARDS"] = str(folder)
    net, model = Net(), folder / "relu.tflite"
    model.write_bytes(net.build(net.relu(agent_rig.add_input(net, (1, 50_000)))))
    library = runtime.library("host", agent_rig.VERSION).path
    sample = np.random.default_rng(0).normal(size=(1, 50_000)).astype(np.float32)
    with adbd.adb("phone") as adb:
        agent, there = push_programs(adb, build.agent("host"), library)
        with start_agent(adb, agent) as session:
            session.load(there, push(adb, [model])[0].path)
            found = session.infer([[sample]])[0][0]
            timing = session.time(warmup=1, runs=64, max_s=0.0, timeout_s=30)
    require(bool((found == np.maximum(sample, 0)).all()), "the outputs")
    remains = left(adbd, "edgeprune-agent")
    require(remains == [], remains)
    return f"{len(timing.latency_ns)} inferences, outputs equal"


def vanish(adbd: adbd_chroot.RealAdbd, strike: Callable[[], None], mend: Callable[[], None]) -> str:
    """A phone that goes while a program runs, and comes back."""
    with adbd.adb() as adb:
        channel = adb.start(["cat"], {})
        begun_s = time.monotonic()
        strike()
        try:
            channel.read(1, 60)
            require(False, "a phone that is gone must be told")
        except DeviceError as error:
            took_s, words = time.monotonic() - begun_s, str(error)
    require(took_s < NOTICED_S, f"{took_s:.1f} s")
    mend()
    begun_s = time.monotonic()
    with adbd.adb() as adb:
        require(adb.run(["echo", "back"], 5).stdout == "back\n", "it is back")
    return f"noticed after {took_s:.2f} s ({words}); back in {time.monotonic() - begun_s:.2f} s"


def sha256(file: Path) -> str:
    """Of a file, as hex digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def left(adbd: adbd_chroot.RealAdbd, marker: str) -> list[str]:
    """Command lines in the chroot that hold ``marker``, once they had a second to go."""
    time.sleep(1.0)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = os.readlink(process / "root") == str(adbd.home.resolve())
        except OSError:
            continue
        found += [words] if inside and marker in words else []
    return found


@contextmanager
def told(name: str) -> Iterator[list[str]]:
    """Prints a line for what was done inside, with what it put into the list."""
    words: list[str] = []
    begun_s = time.monotonic()
    yield words
    print(f"  {name:<24}{time.monotonic() - begun_s:5.1f} s  {'; '.join(words)}", flush=True)


def check(adbd: adbd_chroot.RealAdbd, folder: Path) -> None:
    """All checks with one adbd."""
    for way, kind in (("", adbd_chroot.Adb), (", no shell_v2", adbd_chroot.Plain)):
        with told(f"shell{way}") as words:
            words.append(shell(adbd, kind))
        with told(f"push, pull{way}") as words:
            words.append(transfer(adbd, folder, kind))
    with told("run") as words:
        words.append(run(adbd, folder))
    with told("killed") as words:
        words.append(vanish(adbd, adbd.stop, adbd.start))
    with told("frozen") as words:
        words.append(
            vanish(adbd, lambda: adbd.signal(signal.SIGSTOP), lambda: adbd.signal(signal.SIGCONT))
        )


def main() -> None:
    """Checks as root and as the shell user."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    _, took_s = adbd_chroot.make_chroot(folder)
    print(f"chroot: {took_s:.0f} s")
    for name, user in (("root", 0), ("shell user", adbd_chroot.SHELL_USER)):
        print(f"adbd as {name}:")
        with adbd_chroot.real_adbd(folder, user) as adbd, tempfile.TemporaryDirectory() as aside:
            check(adbd, Path(aside))


if __name__ == "__main__":
    main()
