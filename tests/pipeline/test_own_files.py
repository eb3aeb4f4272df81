"""Files that hold layers in edgeprune's own kernels, handed in as they are: `run` and `explain`."""

import json
import re

import pytest

from edgeprune import cli
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import own_layers

INT8 = ("--quantize", "int8", "--sparsity", "0.9", "--pattern", "1x4", "--no-verify")


def called(capsys, *argv):
    """Exit code and what stood on stdout and stderr."""
    with pytest.raises(SystemExit) as done:
        cli.main([str(word) for word in argv])
    return done.value.code, *capsys.readouterr()


@pytest.fixture
def own(folder, capsys):
    """A file with every layer of which zeros are enough in edgeprune's own kernels."""
    argv = ("compress", "net.tflite", "--board", "rpi5", "-o", "own.tflite", *INT8)
    code, _, err = called(capsys, *argv, "--kernels", "edgeprune")
    assert code == 0, err
    return folder / "own.tflite"


def names_in(file):
    return {name for name, _ in own_layers(graph.view(file.read_bytes())).values()}


def damage(file):
    content = bytearray(file.read_bytes())
    content[content.index(b"EPKC") + 120] ^= 4
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "board", ["local", pytest.param("rpi5-emulated", marks=pytest.mark.device)]
)
def test_run_measures_a_file_as_it_is_and_holds_it_against_the_runtimes_kernels(
    board, own, folder, capsys
):
    argv = ("run", "own.tflite", "--board", board, "--output", "out", "--json")
    code, out, err = called(capsys, *argv, "--effort", "quick")
    assert code == 0, err
    (found,) = json.loads(out)["variants"]
    assert found["name"] == "deployed" and found["parity"]["max_abs_diff"] == 0
    ran = {layer["name"] for layer in found["layers"] if layer["sparse"]}
    assert ran == names_in(own) and found["sparse_layers_expected"] == len(ran) > 0
    assert (folder / "out" / "deployed.tflite").read_bytes() == own.read_bytes()
    assert not names_in(folder / "out" / "deployed-portable.tflite")


@pytest.mark.parametrize("command", ["run", "explain", "deploy"])
def test_a_damaged_plan_is_refused_by_name_before_any_device_is_asked(command, own, capsys):
    damage(own)
    code, _, err = called(capsys, command, "own.tflite", "--board", "local")
    assert code == 2
    refusal = r"the plan of edgeprune\.conv\.\d+ is refused: it is damaged; make the file anew"
    assert re.search(refusal, err), err


@pytest.mark.parametrize("command", [("run", "--host", "nobody"), ("explain",)])
def test_where_the_agent_brings_no_kernels_the_file_for_any_runtime_is_named(command, own, capsys):
    name, *host = command
    code, _, err = called(capsys, name, "own.tflite", "--board", "rpi3-32", *host)
    assert code == 2 and "-portable.tflite" in err, err


def test_explain_names_the_layers_their_zeros_and_the_kernel_of_the_board(own, capsys):
    code, out, err = called(capsys, "explain", "own.tflite", "--board", "rpi5", "--json")
    assert code == 0, err
    found = {layer["name"]: layer for layer in json.loads(out)["operators"] if layer["sparse"]}
    assert set(found) == names_in(own)
    for layer in found.values():
        assert layer["kernel"] == "neon_dot" and layer["zeros"] >= 0.85 * layer["weights"] > 0
    code, out, _ = called(capsys, "explain", "own.tflite", "--board", "rpi5")
    assert f"{len(found)} of " in out and "layers run sparse as it is" in out
    code, out, err = called(capsys, "explain", "own-portable.tflite", "--board", "rpi5")
    assert code == 0 and "0 of " in out.splitlines()[0]
    assert "compressed, kernels auto: " in err


def test_what_auto_chooses_is_told_and_the_portable_file_is_there_exactly_then(folder, capsys):
    files = ("net.tflite", "--board", "rpi5", "-o", "auto.tflite")
    code, out, err = called(capsys, "compress", *files, *INT8, "--json")
    assert code == 0, err
    notes = "\n".join(json.loads(out)["notes"])
    is_own = bool(names_in(folder / "auto.tflite"))
    assert is_own == (folder / "auto-portable.tflite").is_file()
    assert "kernels auto: " in notes and ("run in edgeprune's own kernel" in notes) == is_own


@pytest.mark.parametrize("board", ["rpi4", "pixel-8"])
def test_unstructured_zeros_and_cores_without_a_table_stay_the_runtimes(board, folder, capsys):
    options = ("--quantize", "int8", "--sparsity", "0.5", "--pattern", "unstructured")
    files = ("compress", "net.tflite", "--board", board, "-o", "x.tflite", "--no-verify")
    code, _, err = called(capsys, *files, *options)
    assert code == 0, err
    assert not names_in(folder / "x.tflite") and not (folder / "x-portable.tflite").exists()
