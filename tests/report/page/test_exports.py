import csv
import io

import pytest
from results import counted, layer, processes, result_of, variant

from edgeprune.report.page.exports import exports


def table(result, name):
    (found,) = [one.text for one in exports(result, []) if one.name == name]
    return list(csv.reader(io.StringIO(found)))


def test_every_sample_and_every_layer_is_a_row():
    result = result_of(variant("dense", processes(100), layers=[layer("a"), layer("b")]))
    assert len(table(result, "samples.csv")) == 1 + 50
    assert [row[1] for row in table(result, "layers.csv")] == ["name", "a", "b"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_name_becomes_a_formula_of_a_spreadsheet(start):
    result = result_of(counted("dense", 10, layers=[layer(f'{start}cmd|"x"\n,y')]))
    row = table(result, "layers.csv")[1]
    assert row[1] == f'\'{start}cmd|"x"?,y' and len(row) == 8


def test_what_was_not_measured_is_an_empty_cell():
    cells = dict(table(result_of(counted("dense", 10)), "figures.csv")[1:])
    assert cells["variants[0].energy_uj"] == "" and cells["variants[0].bytes"] == "16900000"
