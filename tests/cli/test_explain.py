import json
import subprocess
import sys

import nets
import pytest
from click.testing import CliRunner
from full_range import also
from nets import Net

from edgeprune.cli.explain import explain
from edgeprune.devices.boards import board_names, load_board
from edgeprune.errors import ConfigError
from edgeprune.quantize import quantize
from edgeprune.report.summary import LINES


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    def run_it(tflite, *options):
        file = tmp_path / "net.tflite"
        file.write_bytes(tflite)
        done = CliRunner().invoke(
            explain, [str(file), "-v", *options], standalone_mode=False, catch_exceptions=False
        )
        assert done.exit_code == 0
        return done.stdout

    return run_it


def stock(sparsity=0.0, size=32):
    """What Keras makes of a stem and a strided depthwise layer: SAME with a stride."""
    net = Net()
    x = net.conv(net.input(1, size, size, 3), 16, kernel=3, stride=2)
    x = net.conv(x, 64, sparsity=sparsity)
    x = net.depthwise(x, stride=2)
    return net.build(net.mean(net.conv(x, 64, sparsity=sparsity)))


FIRMWARE = [name for name in board_names() if load_board(name).kind == "microcontroller"]
OTHERS = [name for name in board_names() if name not in FIRMWARE]


def one_of_each_core(boards):
    """The suite predicts once for each core; the full range does for each board."""
    first = {load_board(board).cpu.core: board for board in reversed(boards)}
    return [board if board in first.values() else also(board) for board in boards]


@pytest.mark.parametrize("board", one_of_each_core(FIRMWARE))
def test_every_microcontroller_has_a_plan(run, board):
    assert "it fits, with " in run(nets.eligible(), "--board", board)
    found = json.loads(run(nets.eligible(), "--board", board, "--json", "--what-if"))
    assert found["board"] == board
    layers = found["as_it_is"]["layers"]
    assert sum(layer["op"] == "CONV_2D" for layer in layers) == 3
    assert all(layer["kernel"].startswith("ep_") for layer in layers)
    assert [cell["sparsity"] for cell in found["what_if"]] == [0.5, 0.6, 0.7, 0.8, 0.9]


@pytest.mark.parametrize("board", OTHERS)
def test_every_board_has_a_plan(run, board):
    assert " of 2 layers " in run(nets.eligible(), "--board", board)
    found = json.loads(run(nets.eligible(), "--board", board, "--json"))
    assert found["board"] == board
    assert len(found["layers"]) == 2
    assert all(layer["reason"] for layer in found["operators"])
    is_arm = load_board(board).cpu.isa == "aarch64"
    if is_arm:
        assert [layer["sparse"] for layer in found["layers"]] == [True, True]


def test_a_sparse_layer_is_shown_with_its_kernel_and_its_cluster(run):
    text = run(nets.eligible(), "--board", "rpi4")
    assert text.count("sparse 32x1__neonfma_pipelined") == 2
    assert "90.0%   sparse" in text
    assert "begins with CONV_2D" in text and "ends with MEAN" in text
    assert "2 of 2 layers would, stored sparse, run sparse" in text


def test_the_blamed_operator_and_what_would_change_it_are_named(run):
    text = " ".join(run(stock(), "--board", "rpi4").split())
    assert "2 layers: its cluster is spoilt by CONV_2D t3, which has SAME with a stride" in text
    assert "-> `edgeprune compress` turns the network by 180 degrees" in text


@pytest.mark.parametrize(
    ("mode", "options", "when"),
    [
        ("none", ["--sparsity", "0.9"], "-> `edgeprune compress` turns"),
        ("none", ["--sparsity", "0"], "-> with --sparsity, `edgeprune compress` turns"),
        ("fp16", [], "-> with a float32 file, `edgeprune compress` turns"),
    ],
)
def test_a_remedy_promises_of_compress_what_it_does_with_this_file(run, mode, options, when):
    file = quantize(stock(), mode, []).tflite
    assert when in " ".join(run(file, "--board", "rpi4", *options).split())


def test_costs_are_predicted_dense_stored_and_compressed(run):
    found = json.loads(run(stock(0.9), "--board", "rpi4", "--json"))
    predicted, after = found["predicted_instructions"], found["compress"]
    assert predicted["measured_core"] == "cortex-a72"
    assert predicted["as_stored"] == predicted["dense"] > after["instructions"] > 0
    assert sum(op["instructions"] for op in found["operators"]) <= predicted["dense"]
    text = run(stock(0.9), "--board", "rpi4")
    for name in ("dense", "as stored", "compressed"):
        assert f"{name:>12} " in text
    assert "recipe auto: " in text


def test_what_if_predicts_every_pattern_at_every_sparsity(run):
    text = run(stock(), "--board", "rpi4", "--what-if")
    assert "what pruning would pay" in text
    for heading in ("unstructured", "2x1", "4x1", "70%", "80%", "90%"):
        assert heading in text
    cells = json.loads(run(stock(), "--board", "rpi4", "--what-if", "--json"))["what_if"]
    by_sparsity = [c["instructions"] for c in cells if c["pattern"] == "unstructured"]
    assert len(cells) == 9 and by_sparsity == sorted(by_sparsity, reverse=True)


def test_the_users_sparsity_and_pattern_are_predicted(run):
    found = json.loads(
        run(stock(), "--board", "rpi4", "--sparsity", "0.75", "--pattern", "2x1", "--json")
    )
    assert (found["compress"]["sparsity"], found["compress"]["pattern"]) == (0.75, "2x1")


def test_nothing_is_predicted_where_nobody_measured(run):
    found = json.loads(run(stock(), "--board", "local", "--json"))
    assert found["predicted_instructions"]["dense"] is None
    assert "no prediction of instructions" in run(stock(), "--board", "local")


def test_the_runtimes_release_can_be_named(run):
    assert json.loads(run(stock(), "--board", "rpi4", "--json"))["release"] == "2.3.0"
    found = run(stock(), "--board", "rpi4", "--release", "2.1", "--json")
    assert json.loads(found)["release"] == "2.1"
    with pytest.raises(ConfigError, match="runtime release '9' is not known"):
        run(stock(), "--board", "rpi4", "--release", "9")


def test_outputs_that_would_be_wrong_are_said_to_be_wrong(run):
    assert "WRONG OUTPUTS" in run(nets.wrong_on_arm(), "--board", "rpi4")


def test_too_few_zeros_are_counted_against_what_is_needed(run):
    text = " ".join(run(nets.eligible(0.5), "--board", "rpi4").split())
    assert "prune further: 50.0% of its cluster's weights are zero, more than 66.7% needed" in text


def test_of_many_clusters_the_largest_are_printed(run):
    net = Net()
    x = net.input(1, 8, 8, 4)
    for _ in range(10):
        x = net.conv(net.conv(x, 4, kernel=3), 4)
    text = run(net.build(x), "--board", "rpi4")
    assert "and 2 clusters with fewer weights; --json lists them" in text
    found = json.loads(run(net.build(x), "--board", "rpi4", "--json"))
    assert [cluster["number"] for cluster in found["clusters"]] == list(range(1, 11))


def test_no_line_is_wider_than_the_terminal(run):
    for tflite in (nets.eligible(), stock(), nets.wrong_on_arm()):
        tables = run(tflite, "--board", "rpi4").partition("every layer\n")[2]
        assert max(map(len, tables.splitlines())) <= 100


def test_names_from_the_file_cannot_rewrite_the_screen(run):
    net = Net()
    x = net.conv(net.input(1, 8, 8, 4), 4)
    net.graph.tensors[x].name = b"evil\x1b[2J"
    text = run(net.build(x), "--board", "rpi4")
    assert "\x1b" not in text and "evil?[2J" in text


def test_no_tensorflow_is_loaded_for_a_tflite_file(tmp_path):
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    program = (
        "import sys\n"
        "from edgeprune import cli\n"
        "cli.edgeprune.main(['explain', 'net.tflite', '--board', 'rpi4'], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'paramiko'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_channels_are_left_in_and_that_is_said(tmp_path):
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    argv = [str(tmp_path / "net.tflite"), "--board", "rpi4", "--pattern", "channel", "--json"]
    done = CliRunner().invoke(explain, argv, standalone_mode=False, catch_exceptions=False)
    assert done.exit_code == 0
    assert "explain leaves all channels in: `edgeprune compress` removes them" in done.stderr
    assert json.loads(done.stdout)["compress"]["sparsity"] == 0


def test_the_answer_comes_first_and_fits(tmp_path, monkeypatch):
    file = tmp_path / "net.tflite"
    file.write_bytes(stock())
    done = CliRunner().invoke(explain, [str(file), "--board", "rpi4"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("net.tflite on rpi4: 0 of 2 layers run sparse as it is, ")
    assert "less time, predicted" in lines[0] and len(lines) <= LINES
    assert any(line.startswith("dense: 2 layers: its cluster is spoilt") for line in lines)
    assert lines[-1].startswith("next: edgeprune deploy ") and lines[-1].endswith("every layer")


def test_what_nobody_measured_is_not_known(tmp_path):
    file = tmp_path / "net.tflite"
    file.write_bytes(stock())
    done = CliRunner().invoke(explain, [str(file), "--board", "local"], catch_exceptions=False)
    assert "instructions (estimated)   not known" in done.stdout


ONE_OF_A_KIND = ("local", "rpi4", "a55-emulated")
"""No sparse kernels; decisions by cycles; decisions by instructions."""


@pytest.mark.parametrize("board", [b if b in ONE_OF_A_KIND else also(b) for b in OTHERS])
def test_what_if_says_something_on_every_board(run, board):
    cells = json.loads(run(stock(), "--board", board, "--what-if", "--json"))["what_if"]
    text = run(stock(), "--board", board, "--what-if")
    assert len(cells) == 9
    assert "()" not in text and " (0)" not in text
    if any(cell["sparse_layers"] for cell in cells):
        assert "what pruning would pay" in text and "90%" in text
    else:
        assert "pruning makes no layer faster here, whatever the pattern: the runtime has" in text


def test_what_if_of_integers_is_said_to_be_none(tmp_path):
    from edgeprune.quantize import quantize

    (tmp_path / "net.tflite").write_bytes(quantize(nets.eligible(), "int8", None).tflite)
    argv = [str(tmp_path / "net.tflite"), "--board", "rpi4", "--what-if", "--json"]
    done = CliRunner().invoke(explain, argv, standalone_mode=False, catch_exceptions=False)
    assert json.loads(done.stdout)["what_if"] == []
    assert "no what-if: the weights are integers" in done.stderr


def test_a_file_that_nothing_helps_is_to_be_measured_and_not_deployed(tmp_path):
    net = Net()
    file = tmp_path / "net.tflite"
    file.write_bytes(net.build(net.mean(net.depthwise(net.input(1, 8, 8, 3)))))
    done = CliRunner().invoke(explain, [str(file), "--board", "rpi4"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert lines[0] == "net.tflite on rpi4: no layer is of a kind that has sparse kernels"
    assert lines[-1].startswith("next: edgeprune run ")
