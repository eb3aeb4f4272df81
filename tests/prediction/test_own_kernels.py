"""What is known of edgeprune's own kernels here is what stands in their C files."""

import re

import pytest

from edgeprune.devices.boards import load_board
from edgeprune.files import paths
from edgeprune.prediction import own_kernels
from edgeprune.prediction.own_kernels import KERNELS, SCALAR, costs_of, costs_table, kernel_of

FOLDER = paths.shipped("device_agents") / "kernels"
TABLES = sorted(path.stem for path in own_kernels._FOLDER.glob("*.toml"))


def number(text, names):
    """A number of a C file: of enumerators, products and shifts."""
    for name, value in sorted(names.items(), key=lambda one: -len(one[0])):
        text = re.sub(rf"\b{name}\b", value, text)
    assert re.fullmatch(r"[\d<\s*()+]+", text), text
    return eval(text)


def struct_of(kernel):
    """Fields of a kernel's ``struct kernel``."""
    (file,) = FOLDER.glob(f"*__{kernel}.c")
    text = file.read_text()
    beside = [FOLDER / name for name in re.findall(r'#include "(\w+\.h)"', text)]
    text = "".join([*(header.read_text() for header in beside), text])
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    names = dict(re.findall(r"\b([A-Z_]+) = ([\w<* ]+?)\s*[,}]", text))
    body = text[text.index(f"struct kernel kernel_{kernel} = ") :]
    return {
        name: number(value, names)
        for name, value in re.findall(r"\.(\w+) = ([A-Z\d][\w<* ]*),", body)
    }


@pytest.mark.parametrize("kernel", TABLES)
def test_a_tables_tile_is_its_kernels(kernel):
    table, found = costs_table(kernel), struct_of(kernel)
    if table.tile is not None:
        assert vars(table.tile) == {name: found[name] for name in vars(table.tile)}


def test_kernels_stand_in_the_order_in_which_the_agent_asks_them():
    text = (FOLDER / "kernels.c").read_text()
    array = text[text.index("KERNELS[]") : text.index("NULL")]
    named = re.findall(r"&kernel_(\w+)", array)
    assert named == [name for isa in ("x86_64", "aarch64") for name, _ in KERNELS[isa]] + [SCALAR]


@pytest.mark.parametrize(
    ("board", "kernel"),
    [("rpi5", "neon_dot"), ("rpi4", "neon"), ("pixel-8", "neon_dot"), ("rpi3-32", SCALAR)],
)
def test_a_board_gets_its_kernel(board, kernel):
    assert kernel_of(load_board(board).cpu) == kernel


def test_a_core_has_the_table_of_its_kernel_or_a_reason_why_not():
    costs, why = costs_of(load_board("rpi5").cpu)
    assert costs.kernel == "neon_dot" and not why
    costs, why = costs_of(load_board("rpi3-32").cpu)
    assert costs is None and "scalar" in why
