import pytest

from edgeprune.devices.toolchain.elf import functions
from edgeprune.errors import DeviceError
from edgeprune.firmware.build import built


def test_the_functions_of_firmware_are_found_with_their_places():
    found = functions(built("mps2-an386"))
    run, kernel = found["ep_run"], found["ep_s8_softmax__scalar"]
    for function in (run, kernel):
        assert 0 < function.end - function.begin < 1 << 16 and function.begin % 2 == 0
    assert run.end <= kernel.begin or kernel.end <= run.begin


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01" + bytes(64), b"\x7fELF\x01\x01" + b"\xff" * 99]
)
def test_what_is_no_program_for_a_microcontroller_is_refused(tmp_path, data):
    file = tmp_path / "firmware.elf"
    file.write_bytes(data)
    with pytest.raises(DeviceError, match="its symbols cannot be read"):
        functions(file)


def test_firmware_that_is_cut_off_is_refused(tmp_path):
    whole = built("mps2-an386").read_bytes()
    file = tmp_path / "firmware.elf"
    for size in range(0, len(whole), len(whole) // 40):
        file.write_bytes(whole[:size])
        with pytest.raises(DeviceError, match="its symbols cannot be read"):
            functions(file)
