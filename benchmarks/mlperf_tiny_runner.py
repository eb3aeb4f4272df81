"""MLPerf Tiny's own runner drives an emulated board through its performance mode.

Its files are used as they are. Two lines of it cannot find an emulated board, so what they call
answers in the place of a USB bus: ``serial.tools.list_ports.comports`` in ``device_manager.py``,
which takes ports with a USB vendor alone, and ``usb.core.find``, which needs libusb. The board's
serial line is a pseudo-terminal.

    git clone https://github.com/mlcommons/tiny
    pip install pyusb
    python benchmarks/mlperf_tiny_runner.py tiny/benchmark/runner kws01 kws_ref_model.tflite

Inputs are drawn at random: the performance mode looks at no output. Its times are those of the
emulating machine and say nothing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgeprune.agents.firmware.session import FirmwareSession
from edgeprune.devices.links.serial.port import SerialPort
from edgeprune.devices.transports.serial_port import BAUD_RATE, PortLine
from edgeprune.firmware.build import built
from edgeprune.firmware.plan import compiled

BOARD, ISA = "mps2-an386", "dsp"
INPUT_BYTES = {"kws01": 490, "ic01": 3072, "vww01": 27648, "ad01": 4 * 640}
DEVICES = {"ad01": "devices_ad.yaml"}
SAMPLES = 5
TIMEOUT_S = 1800
START = """
import runpy, sys, types
import serial.tools.list_ports, usb.core
port = types.SimpleNamespace(vid=0x0483, pid=0x374B, device=sys.argv.pop(1), description="emulated")
serial.tools.list_ports.comports = lambda *_: [port]
usb.core.find = lambda **_: []
sys.path.insert(0, ".")
runpy.run_path("main.py", run_name="__main__")
"""


def write_inputs(folder: Path, model: str) -> None:
    """What the runner downloads to the device: files, and a list of them."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    lines = []
    for i in range(SAMPLES):
        count = INPUT_BYTES[model]
        reals = draw.normal(-20, 10, count // 4).astype("<f4").tobytes()
        data = reals if model == "ad01" else draw.bytes(count)
        (folder / f"{i}.bin").write_bytes(data)
        lines.append(f"{i}.bin,12,{i},{count},{count}\n")
    (folder / "y_labels.csv").write_text("".join(lines))


def main() -> int:
    """Starts the board, stores the network, and lets the runner loose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runner", type=Path)
    parser.add_argument("name", choices=INPUT_BYTES)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    plan = compiled(arguments.model.read_bytes(), ISA).data
    argv = ["qemu-system-arm", "-M", BOARD, "-display", "none", "-monitor", "none"]
    argv += ["-serial", "pty", "-kernel", str(built(BOARD))]
    with (
        TemporaryDirectory() as datasets,
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as board,
    ):
        try:
            found = re.search(r"/dev/\S+", board.stdout.readline() if board.stdout else "")
            if found is None:
                raise SystemExit("QEMU named no pseudo-terminal")
            with FirmwareSession(PortLine(SerialPort(found[0], BAUD_RATE)), BOARD) as session:
                session.hello()
                session.store(plan)
            write_inputs(Path(datasets) / arguments.name, arguments.name)
            devices = DEVICES.get(arguments.name, "devices_kws_ic_vww.yaml")
            runner = [sys.executable, "-c", START, found[0], "-d", devices, "-m", "p"]
            runner += ["-s", datasets]
            return subprocess.run(runner, cwd=arguments.runner, timeout=TIMEOUT_S).returncode
        finally:
            board.kill()


if __name__ == "__main__":
    sys.exit(main())
