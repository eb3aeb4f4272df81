"""From nothing to a first measured result: a bare Debian, a user without root, the wheel.

Makes a Debian 12 with Python and nothing else in FOLDER by debootstrap (once), fetches edgeprune's
wheel and what its core needs on this machine, and then times, inside and as a user without root,
`pip install` from those files, `edgeprune example tiny`, and the first `edgeprune run`. Prints what
each installed package takes, too. Needs root, and `apt-get install debootstrap`.

    python -m build --wheel && python benchmarks/first_result.py FOLDER dist/edgeprune-*.whl
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from adbd_chroot import mirror

USER = 1000
RUNTIME = {
    *("ai-edge-litert", "backports-strenum", "flatbuffers", "ml-dtypes", "numpy", "protobuf"),
    *("tqdm", "typing-extensions"),
}
"""What the official runtime brings along by itself: `pip install ai-edge-litert`."""

_INSIDE = (
    'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && cd / && '
    'exec chroot --userspec "$2:$2" "$1" env -i HOME=/home/user LANG=C.UTF-8 '
    'PATH=/home/user/venv/bin:/usr/bin:/bin sh -c "cd /home/user && $3"'
)

_SIZES = r"""
import importlib.metadata as metadata, os, re
for found in metadata.distributions():
    files = [found.locate_file(file) for file in found.files or ()]
    size = sum(os.path.getsize(file) for file in files if os.path.exists(file))
    print(re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(), size)
"""


def make_system(folder: Path) -> Path:
    """A bare Debian 12 with Python, made once."""
    system = folder / "bookworm"
    if not (system / "usr/bin/python3").exists():
        shutil.rmtree(system, ignore_errors=True)
        argv = ["debootstrap", "--variant=minbase", "--include=python3,python3-venv", "bookworm"]
        subprocess.run([*argv, str(system), *mirror()], check=True, stdout=subprocess.DEVNULL)
    home = system / "home/user"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    shutil.chown(home, USER, USER)
    return system


def inside(system: Path, command: str) -> tuple[float, float, str]:
    """Runs a command as the user; its seconds, its seconds of CPU time, and what it printed."""
    argv = ["unshare", "--mount", "sh", "-c", _INSIDE, "sh", str(system), str(USER), command]
    begun_s, cpu_s = time.monotonic(), _cpu_s()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - begun_s, _cpu_s() - cpu_s, done.stdout


def _cpu_s() -> float:
    """CPU time of all children that have ended: what other work does not add to."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(folder: Path, wheel: Path) -> None:
    """Measures and prints."""
    folder.mkdir(parents=True, exist_ok=True)
    system = make_system(folder)
    wheels = system / "home/user/wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    fetch = ["download", "--python-version", "3.11", "--only-binary", ":all:", "--dest"]
    begun_s = time.monotonic()
    subprocess.run([*pip, *fetch, str(wheels), str(wheel)], check=True)
    megabytes = sum(file.stat().st_size for file in wheels.iterdir()) / 1e6
    print(f"download: {megabytes:.1f} MB, {time.monotonic() - begun_s:.1f} s from here")
    install = "pip install --quiet --no-index --find-links wheels edgeprune"
    total_s = total_cpu_s = 0.0
    for name, command in (
        ("python3 -m venv", "python3 -m venv venv"),
        ("pip install", install),
        ("edgeprune example tiny", "edgeprune example tiny"),
        ("edgeprune run", "edgeprune run tiny.tflite --data tiny.npz --board local --output one"),
    ):
        took_s, cpu_s, printed = inside(system, command)
        total_s, total_cpu_s = total_s + took_s, total_cpu_s + cpu_s
        print(f"{name}: {took_s:.1f} s, of CPU time {cpu_s:.1f} s")
    print(f"to the first measured result, after the download: {total_s:.1f} s, of CPU time "
          f"{total_cpu_s:.1f} s\n\n{printed}")  # fmt: skip
    lines = inside(system, f"python -c '{_SIZES}'")[2].splitlines()
    sizes = {name: int(size) / 1e6 for name, size in (line.split() for line in lines)}
    own = {k: v for k, v in sizes.items() if k not in RUNTIME | {"pip", "setuptools"}}
    for name, size in sorted(own.items(), key=lambda item: -item[1]):
        print(f"{size:7.2f} MB {name}")
    print(f"{sum(own.values()):7.2f} MB own, beside the runtime's "
          f"{sum(v for k, v in sizes.items() if k in RUNTIME):.1f} MB")  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
