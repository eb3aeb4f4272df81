"""How fast a push is beside OpenSSH's own sftp, over the same link to the same real sshd.

    python benchmarks/push_speed.py [--rounds 7] [--megabytes 100]

Needs root and the packages that tests/ssh_rig.py names. Rounds are interleaved, so that what else
this machine does falls on all alike. Of each, the median is printed:

* sftp: ``sftp -b`` with OpenSSH's default ciphers, less the time of an sftp that moves nothing.
* upload: ``Ssh.upload`` alone, on an open connection: what compares with that.
* push: ``push`` on an open connection: hashing here and there, upload, sync, rename.
* whole sftp, whole push: both with connecting and disconnecting.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from ssh_rig import Rig, rig  # noqa: E402 - found through the line above

from edgeprune.push import push  # noqa: E402

LINKS = {"veth, unshaped": None, "shaped to 1 Gbit/s": "1gbit"}


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun_s = time.perf_counter()
    action()
    return time.perf_counter() - begun_s


def sftp(lab: Rig, batch: Path) -> None:
    """Runs OpenSSH's sftp over the lines in ``batch``, in a process of its own."""
    options = ["-i", str(lab.key), "-F", "/dev/null", "-o", "UserKnownHostsFile=/dev/null"]
    options += ["-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR"]
    argv = ["sftp", *options, "-b", str(batch), f"root@{lab.device.address}"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)


def one_round(lab: Rig, folder: Path, file: Path) -> dict[str, float]:
    """Each way once, as seconds."""
    (folder / "put").write_text(f"put {file} /root/by-sftp\n", encoding="utf-8")
    (folder / "nothing").write_text("pwd\n", encoding="utf-8")
    clear = ["sh", "-c", "rm -rf /root/ep /root/by-*"]

    def whole_push() -> None:
        with lab.ssh() as ssh:
            push(ssh, [file])

    took_s = {"whole sftp": seconds(lambda: sftp(lab, folder / "put"))}
    took_s["sftp"] = took_s["whole sftp"] - seconds(lambda: sftp(lab, folder / "nothing"))
    with lab.ssh() as ssh:
        ssh.run(clear, 60)
        took_s["upload"] = seconds(lambda: ssh.upload(file, "/root/by-upload", 0, 60))
        ssh.run(clear, 60)
        took_s["push"] = seconds(lambda: push(ssh, [file]))
        ssh.run(clear, 60)
    took_s["whole push"] = seconds(whole_push)
    with lab.ssh() as ssh:
        ssh.run(clear, 60)
    return took_s


def main() -> None:
    """Measures every link and prints a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rig").mkdir()
        os.environ["EDGEPRUNE_HOME"] = str(folder / "edgeprune")
        file = folder / "blob"
        file.write_bytes(os.urandom(options.megabytes * 1_000_000))
        with rig(folder / "rig") as lab:
            for link, rate in LINKS.items():
                lab.shape(rate)
                rounds = [one_round(lab, folder, file) for _ in range(options.rounds)]
                show(link, rounds, options.megabytes)


def show(link: str, rounds: list[dict[str, float]], megabytes: int) -> None:
    """Prints median and range of each way, and the ratios that compare like with like."""
    print(f"{link}: {megabytes} MB of random bytes, {len(rounds)} rounds")
    median = {}
    for way in ("sftp", "upload", "push", "whole sftp", "whole push"):
        speeds = sorted(megabytes / took_s[way] for took_s in rounds)
        median[way] = statistics.median(speeds)
        print(f"  {way:<11}{median[way]:6.0f} MB/s  ({speeds[0]:.0f} to {speeds[-1]:.0f})")
    print(f"  upload / sftp            {median['upload'] / median['sftp']:.2f}")
    print(f"  push / sftp              {median['push'] / median['sftp']:.2f}")
    print(f"  whole push / whole sftp  {median['whole push'] / median['whole sftp']:.2f}")


if __name__ == "__main__":
    main()
