import io
import json

from rich.console import Console

from edgeprune.artifacts.pruned import LayerShare
from edgeprune.report.allocation import print_shares, write_sensitivity

MEASURED = LayerShare(
    "block/conv/kernel", 2048, "2x1", 0.9123, 0.25, -0.0125, 12345.6, (0.0, 0.9), (0.0, 0.2), (0, 1)
)
PLAIN = LayerShare("head/kernel", 640, "unstructured", 0.8)


def printed(shares):
    text = io.StringIO()
    print_shares(shares, Console(file=text, width=120))
    return text.getvalue()


def test_each_layer_is_a_row_with_what_it_got():
    lines = printed([MEASURED, PLAIN]).splitlines()
    (row,) = [line.split() for line in lines if "block/conv" in line]
    assert row == ["block/conv", "2,048", "2x1", "91.2%", "25.0%", "-0.0125", "12,346"]
    (row,) = [line.split() for line in lines if line.strip().startswith("head")]
    assert row == ["head", "640", "unstructured", "80.0%", *["not", "measured"] * 2, "-"]


def test_nothing_is_printed_where_all_layers_got_the_same():
    assert printed([]) == ""


def test_the_file_holds_what_was_measured(tmp_path):
    write_sensitivity([MEASURED, PLAIN], tmp_path / "sensitivity.json")
    (layer,) = json.loads((tmp_path / "sensitivity.json").read_text())["layers"]
    assert layer["name"] == "block/conv/kernel"
    assert layer["sparsities"] == [0.0, 0.9] and layer["output_errors"] == [0.0, 0.2]


def test_no_file_is_written_where_nothing_was_measured(tmp_path):
    write_sensitivity([PLAIN], tmp_path / "sensitivity.json")
    assert not list(tmp_path.iterdir())
