"""`--kernels edgeprune`: from a float file to layers in edgeprune's own kernels on a device."""

import json

import nets
import numpy as np
import pytest

from edgeprune import cli
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.conv_plan import own_layers

PRUNED = (
    *("--quantize", "int8", "--sparsity", "0.8", "--pattern", "1x4"),
    *("--kernels", "edgeprune"),
)


def called(capsys, *argv):
    """Exit code and what stood on stdout and stderr."""
    with pytest.raises(SystemExit) as done:
        cli.main([str(word) for word in argv])
    return done.value.code, *capsys.readouterr()


def own_in(file):
    return own_layers(graph.view(file.read_bytes()))


@pytest.mark.parametrize(
    "board", ["local", pytest.param("rpi5-emulated", marks=pytest.mark.device)]
)
def test_layers_run_sparse_and_right_and_a_file_for_any_runtime_is_beside(board, folder, capsys):
    fast = ("--recipe", "fast.toml", "--output", "out", "--json")
    code, out, err = called(capsys, "deploy", "net.tflite", "--board", board, *PRUNED, *fast)
    assert code == 0, err
    _, deployed = json.loads(out)["variants"]
    assert deployed["sparse_layers_run"] == deployed["sparse_layers_expected"] > 0
    own = [layer for layer in deployed["layers"] if layer["sparse"]]
    assert len(own) == deployed["sparse_layers_run"]
    for layer in own:
        assert layer["kernel"].startswith("edgeprune.conv.") and layer["op"] == "CONV_2D"
    if board == "rpi5-emulated":
        assert all(layer["kernel"].endswith("neon_dot") for layer in own)
    assert deployed["parity"]["samples"] > 0  # had one been wrong, this were no result
    assert {layer["name"] for layer in own} == {
        name for name, _ in own_in(folder / "out" / "deployed.tflite").values()
    }
    portable = folder / "out" / "deployed-portable.tflite"
    assert portable.is_file() and not own_in(portable)
    assert deployed["sparsity"] == pytest.approx(graph.weight_sparsity(portable.read_bytes()))


@pytest.mark.device
def test_compress_compares_the_file_on_the_twin_and_writes_the_portable_one(folder, capsys):
    command = ("compress", "net.tflite", "--board", "rpi5", "-o", "out.tflite", *PRUNED)
    code, out, err = called(capsys, *command, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["parity"]["passed"] and found["parity"]["where"].startswith("rpi5-emulated")
    own, portable = folder / "out.tflite", folder / "out-portable.tflite"
    assert found["bytes"] == found["unpacked_bytes"] == own.stat().st_size
    assert found["sparse_layers_expected"] == len(own_in(own)) > 0 and not own_in(portable)
    assert found["effects"][-1]["instructions"] is None
    own.unlink()
    code, _, err = called(capsys, *command)
    assert code == 2 and "out-portable.tflite: exists already" in err and not own.exists()


def wide(folder, *, is_dead):
    """A file that gains by blocks of zeros; one whose depthwise layer gives 0 the runtime refuses.

    Its result's scale as int8 is next to nothing, so that its factor overflows.
    """
    net = nets.Net()
    x = net.conv(net.input(1, 56, 56, 3), 64, kernel=3, stride=2)
    for channels in (256, 256):
        x = net.conv(x, channels)
    x = net.depthwise(x)
    if is_dead:
        weights, bias = (
            net.model.buffers[net.graph.tensors[k].buffer]
            for k in net.graph.operators[-1].inputs[1:]
        )
        weights.data = (-np.abs(np.frombuffer(bytes(weights.data), np.float32))).tobytes()
        bias.data = np.full(256, -0.1, np.float32).tobytes()
    (folder / "wide.tflite").write_bytes(net.build(net.mean(net.conv(x, 256))))


@pytest.mark.parametrize("is_dead", [False, True])
def test_auto_prunes_blocks_for_int8_unless_the_network_cannot_be_stored_so(
    is_dead, folder, capsys
):
    wide(folder, is_dead=is_dead)
    argv = ("compress", "wide.tflite", "-o", "out.tflite", "--board", "rpi5", "--no-verify")
    code, out, err = called(capsys, *argv, "--json")
    assert code == 0, err
    recipe = json.loads(out)["recipe"]
    assert (len(own_in(folder / "out.tflite")) > 0) != is_dead
    assert ("nothing is pruned for edgeprune's own kernels: " in err) == is_dead
    if is_dead:
        assert recipe["prune"]["pattern"] == "kernel" and recipe["quantize"]["mode"] != "int8"
    else:
        assert recipe["why"].startswith("80% sparse in blocks of 1x4, int8 in edgeprune's own")


def test_a_file_without_zeros_enough_stays_the_runtimes_and_says_so(folder, capsys):
    code, out, err = called(
        capsys, "compress", "net.tflite", "-o", "out.tflite", "--recipe", "as-is", "--no-verify",
        "--board", "rpi5", "--kernels", "edgeprune", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert not (folder / "out-portable.tflite").exists()
    assert any(
        "no layer runs in edgeprune's own kernels" in line for line in json.loads(out)["notes"]
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--board", "rpi3-32", *PRUNED), "--kernels edgeprune: rpi3-32 has the agent"),
        (
            ("--board", "rpi5", "--kernels", "edgeprune", "--quantize", "fp16"),
            "runs int8 layers, and [quantize] mode is 'fp16'",
        ),
        (("--board", "rpi5", "--kernels", "edgeprun"), "runtime, edgeprune"),
    ],
)
def test_what_has_no_such_kernels_is_refused_before_any_work(folder, capsys, options, why):
    code, _, err = called(capsys, "compress", "net.tflite", "-o", "out.tflite", *options)
    assert code == 2 and why in err, err
    assert not (folder / "out.tflite").exists()
