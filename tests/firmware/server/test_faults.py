"""A fault of the core while a network runs: the board starts anew, with the last plan that ran."""

import re
import struct
import subprocess
import zlib

import numpy as np
import pytest
import serial_line
from full_range import also
from int8_layers import random_layer

from edgeprune.files import paths
from edgeprune.firmware.facts import facts_of, kernel_of
from edgeprune.firmware.plan import compiled

pytestmark = pytest.mark.device
ISAS = {"mps2-an386": "dsp", "mps3-an547": "mve"}
FAULTS = {
    "an undefined instruction": bytes.fromhex("00de"),
    "a load from where nothing is": bytes.fromhex("4ff0a0400068"),  # of 0x50000000
}


@pytest.fixture(scope="module", params=["mps3-an547", also("mps2-an386")])
def board(request):
    return request.param


@pytest.fixture(scope="module")
def firmware(board, tmp_path_factory):
    """A board's firmware by gcc, which keeps the names of functions."""
    folder = tmp_path_factory.mktemp(board)
    argv = ["make", "-s", "-C", paths.shipped("firmware"), f"BOARD={board}", f"BUILD={folder}"]
    subprocess.run(argv, check=True, timeout=300)
    return folder / f"{board}.elf"


def broken(elf, function, code, to):
    """A copy of firmware with ``code`` at the beginning of a function."""
    names = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True)
    place = int(re.search(rf"^(\w+) T {function}$", names.stdout, re.MULTILINE)[1], 16)
    data = bytearray(elf.read_bytes())
    at, size, count = struct.unpack_from("<I", data, 28)[0], *struct.unpack_from("<HH", data, 42)
    for segment in range(at, at + size * count, size):
        _, offset, address, _, bytes_ = struct.unpack_from("<IIIII", data, segment)
        if address <= place < address + bytes_:
            first = offset + place - address
            data[first : first + len(code)] = code
    to.write_bytes(data)
    return to


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_running_network_ends_in_the_last_one_that_ran(
    firmware, tmp_path, board, fault
):
    good = random_layer(1, "CONV_2D")
    plans = [compiled(layer.tflite, ISAS[board]).data for layer in
             (good, random_layer(1, "FULLY_CONNECTED"))]  # fmt: skip
    kernel = kernel_of(*facts_of(plans[1]).ops[0][:3])
    elf = broken(firmware, kernel.name, FAULTS[fault], tmp_path / "firmware.elf")
    with serial_line.emulated(board, firmware=elf) as line:
        line.store(plans[0])
        line.load()
        line.outputs_of(good.inputs[0].tobytes())
        line.store(plans[1])
        line.load()
        line.send_frame({"id": 77, "cmd": "infer"})
        line.read_until(b"m-init-done\r\nm-ready\r\n")
        hello = line.ask("hello")[0]
        assert (hello["fell_back"], hello["plan_crc32"]) == (True, zlib.crc32(plans[0]))
        line.load()
        got = b"".join(line.outputs_of(one.tobytes()) for one in good.inputs)
    np.testing.assert_array_equal(np.frombuffer(got, np.int8), good.outputs().ravel())
