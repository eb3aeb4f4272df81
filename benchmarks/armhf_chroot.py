"""`edgeprune deploy` on a 32-bit Arm Debian with its own Python, emulated on this machine.

    python benchmarks/armhf_chroot.py FOLDER [MODEL ...] [--suite bullseye]

Needs root, and `apt-get install debootstrap qemu-user qemu-user-static openssh-server iproute2`.
FOLDER keeps the chroot, which takes six minutes and 400 MB the first time, and a result for each
model; remove a result to have it made anew. Without MODEL it deploys ../shared's keyword net and
ResNet-8.

The chroot is a board as edgeprune sees it: a real sshd whose sessions run there, Debian's own
Python and numpy (bookworm, the default: 3.11; bullseye: 3.9), and no pip. Kernels and outputs are
those of a 32-bit Arm processor; times are not, and are left out. Instructions of single inferences
are counted apart: for a dense net and the same net with its weights stored sparse, and for each
file that was deployed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import nets
from ssh_rig import Rig, rig

from edgeprune.agents.board_python import ask_python, wheel
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh.host_keys import trust_host_key
from edgeprune.devices.toolchain.qemu_plugin import build_plugin
from edgeprune.devices.transports.ssh import Ssh
from edgeprune.sparsify import sparsify

ROOT = Path(__file__).resolve().parents[1]
BOARD = "rpi3-32"
NAME = "armhf"
MODELS = ("kws_ref_model_float32.tflite", "pretrainedResnet.h5")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
MAGIC = (
    r":qemu-arm:M::\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
)
"""A 32-bit Arm program's first bytes. Source: QEMU, scripts/qemu-binfmt-conf.sh, arm."""

RUNS = (1, 1, 101)
RUNS_LARGE = (1, 1, 5)
"""Inferences of each process that is counted; the first one compiles Python's own files."""

COUNTED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy
from tflite_runtime.interpreter import Interpreter
model = Interpreter(model_path=sys.argv[2], num_threads=1)
model.allocate_tensors()
for tensor in model.get_input_details():
    values = numpy.random.RandomState(0).rand(*tensor["shape"])
    model.set_tensor(tensor["index"], values.astype(tensor["dtype"]))
for _ in range(int(sys.argv[3])):
    model.invoke()
"""


def register_qemu() -> None:
    """Lets the kernel start 32-bit Arm programs, also within a chroot."""
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT], check=True)
    if not (BINFMT / "qemu-arm").exists():
        qemu = shutil.which("qemu-arm-static")
        if qemu is None:
            raise SystemExit("qemu-arm-static is missing: apt-get install qemu-user-static")
        (BINFMT / "register").write_text(f"{MAGIC}{qemu}:F")


def make_chroot(folder: Path, suite: str) -> tuple[Path, float]:
    """The chroot under ``folder``, and the seconds that making it took; 0 if it was there."""
    root = folder / "root"
    begun_s = time.monotonic()
    if (folder / "complete").exists():
        return root, 0.0
    folder.mkdir(parents=True, exist_ok=True)
    argv = ["debootstrap", "--variant=minbase", "--arch=armhf", "--foreign"]
    argv += ["--include=python3,python3-numpy", suite, str(root)]
    # Without a mirror debootstrap takes its own.
    for sources in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        lines = sources.read_text().splitlines()
        mirrors = [line.split()[1] for line in lines if line.startswith("URIs:")]
        if mirrors:
            argv.append(mirrors[0])
            break
    second = ["chroot", str(root), "/debootstrap/debootstrap", "--second-stage"]
    for step in (argv, second):
        subprocess.run(step, check=True, stdout=subprocess.DEVNULL)
    (folder / "complete").touch()
    return root, time.monotonic() - begun_s


def put_in_chroot(built: Rig, root: Path) -> None:
    """Makes sessions of the rig's device run in the chroot, with its own /proc and /dev."""
    built.device.nsenter("mount", "-t", "proc", "proc", root / "proc")
    built.device.nsenter("mount", "--bind", "/dev", root / "dev")
    keys = built.device.folder / "authorized_keys"
    enters = f'command="exec chroot {root} /bin/sh -c \\"$SSH_ORIGINAL_COMMAND\\"" '
    keys.write_text(enters + built.key.with_suffix(".pub").read_text())


def board_file(built: Rig, home: Path) -> None:
    """Writes the bench that names the chroot, and trusts its host key."""
    home.mkdir(exist_ok=True)
    (home / "bench.toml").write_text(
        f'[devices.{NAME}]\nboard = "{BOARD}"\nhost = "{built.device.address}"\n'
        f'user = "root"\nkey = "{built.key}"\n'
    )
    trust_host_key(NAME, built.device.host_key())


def instructions(folder: Path, model: Path, lengths: tuple[int, ...] = RUNS) -> int:
    """Instructions of one inference: the difference of two run lengths."""
    root, packages = folder / "root", folder / "packages"
    libraries = root / "usr/lib/arm-linux-gnueabihf"
    env = {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONHASHSEED": "0",
        "PATH": os.environ["PATH"],
    }
    blas = f"LD_LIBRARY_PATH={libraries / 'blas'}:{libraries / 'lapack'}"
    totals = []
    for runs in lengths:
        with tempfile.TemporaryDirectory() as aside:
            count = Path(aside) / "count"
            argv = ["qemu-arm", "-L", str(root), "-E", blas]
            argv += ["-plugin", f"{build_plugin()},out={count}", str(root / "usr/bin/python3")]
            argv += ["-c", COUNTED, str(packages), str(model), str(runs)]
            subprocess.run(argv, check=True, env=env)
            totals.append(int(count.read_text()))
    return (totals[-1] - totals[-2]) // (lengths[-1] - lengths[-2])


def counted(built: Rig, folder: Path) -> str:
    """A dense net beside the same with weights stored sparse, which XNNPACK would run sparse."""
    board = load_board(BOARD)
    device = Device(BOARD, NAME, host=built.device.address, user="root", key=str(built.key))
    with Ssh(board, device) as way:
        library = wheel(board.cpu.isa, board.runtime.version, ask_python(way))
    packages = folder / "packages"
    shutil.rmtree(packages, ignore_errors=True)
    shutil.unpack_archive(library.path, packages, "zip")
    symbols = subprocess.run(
        ["nm", *packages.glob("tflite_runtime/*.so")], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    functions = [line for line in symbols if line.split()[-1].startswith("xnn_")]
    dense = nets.eligible()
    files = {"dense": dense, "sparse": sparsify(dense, Cpu("cortex-a72", "aarch64", ())).tflite}
    counts = {}
    for name, content in files.items():
        (folder / f"{name}.tflite").write_bytes(content)
        counts[name] = instructions(folder, folder / f"{name}.tflite")
    return (
        f"{library.label}: {len(functions)} of {len(symbols):,} symbols are XNNPACK's; "
        f"instructions of an inference: {counts['dense']:,} dense, {counts['sparse']:,} with the "
        "same weights stored sparse"
    )


def deployed(model: Path, folder: Path) -> dict[str, object]:
    """The result of `edgeprune deploy`, run in a process of its own unless it is there."""
    target = folder / f"result-{model.stem}"
    if not (target / "result.json").exists():
        argv = [sys.executable, "-m", "edgeprune", "deploy", str(model), "--board", BOARD]
        subprocess.run([*argv, "--host", NAME, "--output", str(target)], check=True, cwd=ROOT)
    return dict(json.loads((target / "result.json").read_text()))


def told(result: dict[str, object], model: Path, folder: Path) -> str:
    """A result in a few lines, with what an inference of each file takes."""
    lines = []
    for variant in result["variants"]:  # type: ignore[attr-defined]
        parity = variant["parity"] or {}
        file = folder / f"result-{model.stem}" / variant["file"]
        lines.append(
            f"  {variant['name']:<18}{variant['bytes']:>9,} bytes, latency "
            f"{variant['latency_us']}, largest difference {parity.get('max_abs_diff')}, same "
            f"class {parity.get('argmax_agreement')}, kernels {variant['sparse_layers_run']}, "
            f"{instructions(folder, file, RUNS_LARGE):,} instructions (emulated)"
        )
    return "\n".join([*lines, f"  {result['device']}", f"  {result['validity']}"])


def main() -> None:
    """Makes the chroot, counts, and deploys."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--suite", default="bookworm")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    register_qemu()
    root, took_s = make_chroot(folder, arguments.suite)
    print(f"chroot: {took_s:.0f} s", flush=True)
    home = folder / "home"
    os.environ["EDGEPRUNE_HOME"] = str(home)
    models = arguments.models or [ROOT.parent / "shared/models" / name for name in MODELS]
    with tempfile.TemporaryDirectory() as aside, rig(Path(aside)) as built:
        put_in_chroot(built, root)
        board_file(built, home)
        print(counted(built, folder), flush=True)
        for model in models:
            begun_s = time.monotonic()
            result = deployed(model.resolve(), folder)
            print(f"{model.name}: {time.monotonic() - begun_s:.0f} s, emulated")
            print(told(result, model, folder), flush=True)


if __name__ == "__main__":
    main()
