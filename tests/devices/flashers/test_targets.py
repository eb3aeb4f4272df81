"""What ports say of their chips beside what pyOCD says: where flash and RAM lie, and registers."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from port_images import PORTS, memories, segments
from pyocd.debug import svd
from pyocd.target import TARGET

from edgeprune.devices.boards import load_board
from edgeprune.firmware.build import built

SOLD = ["nrf52840-dk", "nucleo-l4r5zi", "nucleo-u575zi-q"]
FLASH_AT = {"nrf52840-dk": 0, "nucleo-l4r5zi": 0x08000000, "nucleo-u575zi-q": 0x08000000}
REGISTERS = {
    "HFCLK_START": "CLOCK.TASKS_HFCLKSTART",
    "HFCLK_STARTED": "CLOCK.EVENTS_HFCLKSTARTED",
    "UART_START_RX": "UART0.TASKS_STARTRX",
    "UART_START_TX": "UART0.TASKS_STARTTX",
    "UART_RX_READY": "UART0.EVENTS_RXDRDY",
    "UART_TX_READY": "UART0.EVENTS_TXDRDY",
    "UART_ERROR_SOURCE": "UART0.ERRORSRC",
    "UART_ENABLE": "UART0.ENABLE",
    "UART_RX": "UART0.RXD",
    "UART_TX": "UART0.TXD",
    "UART_BAUD_RATE": "UART0.BAUDRATE",
    "PORT_0_SET": "P0.OUTSET",
    "PORT_0_OUTPUT": "P0.DIRSET",
    "NVMC_READY": "NVMC.READY",
    "NVMC_CONFIG": "NVMC.CONFIG",
    "NVMC_ERASE_PAGE": "NVMC.ERASEPAGE",
    "NVMC_CACHE": "NVMC.ICACHECNF",
}
"""Names in our port, and in Nordic's own description of the chip, which pyOCD brings along."""


def number(port, name):
    """A constant of a port's source."""
    return int(re.search(rf"\b{name} = (\w+)", port)[1], 0)


@pytest.mark.parametrize("board", SOLD)
def test_the_image_and_its_memories_lie_within_the_chip(board):
    memory = load_board(board).memory
    places = {name: (first, end) for name, first, end in memories(board)}
    begin = FLASH_AT[board]
    assert begin == places["code"][0] and places["code"][1] <= begin + memory.flash_bytes // 2
    assert places["ram"][0] == 0x20000000
    assert places["ram"][1] - places["ram"][0] <= memory.ram_bytes
    image = list(segments(built(board)))
    assert image[0][0] == begin
    assert all(places["code"][0] <= at < at + len(data) <= places["code"][1] for at, data in image)


def test_pyocd_lays_out_an_nrf52840_as_our_port_does():
    (flash, uicr, ram) = TARGET["nrf52840"].MEMORY_MAP.regions
    places = {name: (first, end) for name, first, end in memories("nrf52840-dk")}
    assert flash.is_boot_memory and uicr.start == 0x10001000
    assert places["code"] == (flash.start, (flash.start + flash.end + 1) // 2)
    assert places["ram"] == (ram.start, ram.end + 1)
    for at, data in segments(built("nrf52840-dk")):
        assert flash.contains_range(at, length=len(data))
    port = (PORTS / "nrf52840-dk/port.c").read_text()
    assert f"PAGE_BYTES = {flash.blocksize}," in port
    slots, size = (
        int(re.search(rf"{key} = (\w+)", port)[1], 0) for key in ("SLOTS_AT", "SLOT_BYTES")
    )
    assert slots == places["code"][1] and slots + 2 * size == flash.end + 1


def test_registers_of_our_nrf52840_port_are_those_of_nordics_description():
    described = {}
    with zipfile.ZipFile(Path(svd.__file__).with_name("svd_data.zip")) as file:
        chip = ElementTree.fromstring(file.read("nrf52840.svd"))
    for peripheral in chip.iter("peripheral"):
        base = int(peripheral.findtext("baseAddress"), 0)
        for register in peripheral.iterfind("registers/register"):
            name = f"{peripheral.findtext('name')}.{register.findtext('name')}"
            described[name] = base + int(register.findtext("addressOffset"), 0)
    port = (PORTS / "nrf52840-dk/port.c").read_text()
    for ours, theirs in REGISTERS.items():
        assert number(port, ours) == described[theirs], ours
