"""How fast a push is beside adb's own, over the same server to the same real adbd.

    python benchmarks/adb_push_speed.py FOLDER [--rounds 7] [--megabytes 200]

FOLDER keeps the chroot of Debian 13's adbd (see adbd_chroot.py, which also says what it needs).
Rounds are interleaved, so that what else this machine does falls on all alike. Of each, the median
is printed, and of the ratios within a round:

* adb push: Debian 12's ``adb push``, which checks no content.
* adb push, checked: and then what ``push`` does besides: sha256sum on both sides, and a sync.
* upload: ``Adb.upload`` alone, on an open connection: what compares with that.
* push: ``push`` on an open connection: hashing here and there, upload, sync, rename.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from adbd_chroot import FOLDER, RealAdbd, real_adbd  # first: it finds the package

from edgeprune.push import push


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun_s = time.perf_counter()
    action()
    return time.perf_counter() - begun_s


def check(adbd: RealAdbd, file: Path, target: str) -> None:
    """Compares both sides' SHA-256, with the tools that a careful user would take."""
    subprocess.run(["sha256sum", file], check=True, capture_output=True)
    line = f"sha256sum {target} && sync {target}"
    subprocess.run(["adb", "-s", adbd.address, "shell", line], check=True, capture_output=True)


def one_round(adbd: RealAdbd, file: Path) -> dict[str, float]:
    """Each way once, as seconds."""
    target = f"{FOLDER}/blob"
    argv = ["adb", "-s", adbd.address, "push", str(file), target]
    clear = ["rm", "-rf", target, f"{FOLDER}/edgeprune"]
    with adbd.adb() as adb:
        took_s = {
            "adb push": seconds(lambda: subprocess.run(argv, check=True, capture_output=True))
        }
        took_s["adb push, checked"] = took_s["adb push"] + seconds(
            lambda: check(adbd, file, target)
        )
        adb.run(clear, 60)
        took_s["upload"] = seconds(lambda: adb.upload(file, target, 0, 60))
        adb.run(clear, 60)
        took_s["push"] = seconds(lambda: push(adb, [file]))
        adb.run(clear, 60)
    return took_s


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    with real_adbd(options.folder) as adbd:
        file = options.folder / "blob"
        file.write_bytes(os.urandom(options.megabytes * 1_000_000))
        rounds = [one_round(adbd, file) for _ in range(options.rounds)]
        file.unlink()
    print(
        f"{options.megabytes} MB of random bytes, {len(rounds)} rounds, load {os.getloadavg()[0]}"
    )
    for way in ("adb push", "adb push, checked", "upload", "push"):
        speeds = sorted(options.megabytes / took_s[way] for took_s in rounds)
        found = f"{statistics.median(speeds):6.0f} MB/s  ({speeds[0]:.0f} to {speeds[-1]:.0f})"
        print(f"  {way:<19}{found}")
    for ours, theirs in (("upload", "adb push"), ("push", "adb push, checked")):
        ratio = statistics.median(took_s[theirs] / took_s[ours] for took_s in rounds)
        print(f"  {ours} / {theirs}: {ratio:.2f}")


if __name__ == "__main__":
    main()
