from results import layer, typed
from results import variant as document

from edgeprune.report.page.layers import has_cost, kernel_strips, layer_rows

SPMM = "Convolution (NCHW, F32) SPMM"


def variant(name, layers):
    return typed(document(name, layers=layers))


def test_layers_of_one_name_stand_in_one_row_and_the_folder_is_left_out():
    dense = variant("dense", layers=[layer("m/a/Conv2D"), layer("m/b/Conv2D")])
    deployed = variant("deployed", layers=[layer("m/a/Conv2D"), layer("m/b/Conv2D", SPMM)])
    first, second = layer_rows([dense, deployed])
    assert (first.name, second.name) == ("a", "b")
    assert [cell.sparse for cell in first.cells] == [False, False]
    assert [cell.sparse for cell in second.cells] == [False, True]
    assert second.cells[1].kernel == SPMM


def test_a_kernel_that_only_one_variant_has_gets_a_row_of_its_own_in_order():
    dense = variant("dense", layers=[layer("m/a"), layer("m/gone"), layer("m/c")])
    deployed = variant("deployed", layers=[layer("m/a"), layer("m/new"), layer("m/c")])
    rows = layer_rows([dense, deployed])
    assert [row.name for row in rows] == ["a", "gone", "new", "c"]
    assert [bool(cell.kernel) for cell in rows[1].cells] == [True, False]
    assert [bool(cell.kernel) for cell in rows[2].cells] == [False, True]


def test_an_operator_that_was_not_found_is_not_known():
    (row,) = layer_rows([variant("dense", layers=[layer("Copy (NC)") | {"op": "UNKNOWN"}])])
    assert row.op == "not known"


def test_every_kernel_of_both_is_shown_once_whatever_the_order():
    names = [f"m/{name}" for name in "abcdeabc"]
    dense = variant("dense", layers=[layer(name) for name in names])
    deployed = variant("deployed", layers=[layer(name) for name in reversed(names)])
    rows = layer_rows([dense, deployed])
    for column in (0, 1):
        assert sum(bool(row.cells[column].kernel) for row in rows) == len(names)


def test_costs_are_shown_where_they_were_measured_and_missing_is_no_0():
    timed = variant("dense", layers=[layer("m/a", latency_us=2.5), layer("m/b", instructions=40)])
    untimed = variant("deployed", layers=[layer("m/a")])
    assert has_cost([timed]) and not has_cost([untimed])
    assert [row.cells[0].cost for row in layer_rows([timed])] == ["2.500 us", "40 instructions"]
    assert layer_rows([untimed])[0].cells[0].cost == ""


def test_marks_are_as_wide_as_their_times_and_sparse_ones_are_marked():
    one = variant(
        "dense", layers=[layer("m/a", latency_us=30.0), layer("m/b", SPMM, latency_us=10.0)]
    )
    drawn = str(kernel_strips([one]))
    widths = [float(part.split('"')[0]) for part in drawn.split(' width="')[1:]]
    assert (widths[0] + 0.7) / (widths[1] + 0.7) == 3.0 or abs(widths[0] / widths[1] - 3) < 0.05
    assert drawn.count("mark sparse") == 1 and "2 kernels, 1 sparse" in drawn
