"""The page on estimated times says what was published, what was fitted, and errors that add up."""

import statistics
import sys
from pathlib import Path

import pytest

from edgeprune.files.tables import read_toml
from edgeprune.prediction.cycles import core, load_core

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from published_latencies import TABLE, cells  # noqa: E402

PAGE = (ROOT / "docs" / "estimated-times.md").read_text(encoding="utf-8")


def rows(columns):
    """Cells of the page's rows with so many columns, without heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in found if len(row) == columns and row[0] not in ("chip", "class", "cell")]


def percent(text):
    return float(text.rstrip(" %")) / 100


SHOWN = [row for row in rows(7) if "---" not in row[0]]
CLASSES = [row for row in rows(8) if "---" not in row[0]]


def test_every_cell_of_a_core_with_a_file_is_shown_as_it_was_published():
    counted = {(c.chip, c.network): c for c in cells() if load_core(c.core)}
    assert len(counted) >= 25
    assert sorted(counted) == sorted((chip, network) for chip, network, *_ in SHOWN)
    for chip, network, half, published, *_ in SHOWN:
        cell = counted[chip, network]
        assert half == ("fitted" if cell.is_fitted else "held out")
        assert float(published) == pytest.approx(cell.ms, rel=1e-3)


def test_errors_are_those_of_the_times_beside_them_and_the_worst_comes_first():
    for _, _, _, published, estimated, error, _ in SHOWN:
        assert percent(error) == pytest.approx(float(estimated) / float(published) - 1, abs=2e-3)
    sizes = [abs(percent(row[5])) for row in SHOWN]
    assert sizes == sorted(sizes, reverse=True)


def test_microcontrollers_cells_are_shown_as_they_were_published():
    shown = [row for row in rows(6) if "---" not in row[0]]
    wanted = {c.name: c for c in cells() if c.core.startswith("cortex-m")}
    assert sorted(row[0] for row in shown) == sorted(wanted)
    for name, half, _, published, estimated, error in shown:
        assert half == ("fitted" if wanted[name].is_fitted else "held out")
        assert float(published) == pytest.approx(wanted[name].ms, rel=1e-3)
        assert percent(error) == pytest.approx(float(estimated) / float(published) - 1, abs=1e-3)


@pytest.mark.parametrize("name", ["out-of-order", "wide", "in-order"])
def test_a_class_has_the_factors_and_errors_that_are_told_of_it(name):
    (row,) = (row for row in CLASSES if row[0] == name)
    fit = core._fit(name)
    assert (float(row[2]), float(row[3])) == (fit.pipeline, fit.streamed)
    assert fit.streamed == fit.other, "two constants are free"
    of_chip = {cell.chip: load_core(cell.core) for cell in cells()}
    mine = [shown for shown in SHOWN if of_chip[shown[0]].fitted_as == name]
    errors = [abs(percent(shown[5])) for shown in mine if shown[2] == "held out"]
    assert (int(row[4]), int(row[5])) == (len(mine) - len(errors), len(errors))
    assert percent(row[6]) == pytest.approx(statistics.median(errors), abs=6e-4)
    assert percent(row[7]) == max(errors)
    assert sum(error <= fit.error for error in errors) >= len(errors) * 9 // 10


def test_every_table_names_its_source_and_half_of_a_chips_cells_are_held_out():
    tables = read_toml(TABLE)
    assert all(table["source"] and table["runtime"] for table in tables["tables"])
    assert all(chip["sources"] for chip in tables["chips"].values())
    for chip in tables["chips"]:
        some = [cell.is_fitted for cell in cells() if cell.chip == chip]
        assert sum(some) == (len(some) + 1) // 2
