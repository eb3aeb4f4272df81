"""Where int8 loses too much, the report names the layers that lose it, and the line that helps."""

import json

import numpy as np
import pytest
from spread_net import images, spread_net

from edgeprune import cli, verify
from edgeprune.pipeline.fragile_layers import toml_line
from edgeprune.recipe import load_recipe
from edgeprune.recipe.quantize_table import LayerMode

RECIPE = '[prune]\nsparsity = 0\n[quantize]\nmode = "int8"\ncalibration_samples = 32\n'


@pytest.fixture
def fragile(folder):
    """The network that int8 hurts at one value, with its own answers as targets of a regression."""
    tflite, names = spread_net()
    (folder / "net.tflite").write_bytes(tflite)
    x = images(200, seed=3)
    y = verify.answers_of(tflite)(x)[0] + np.random.default_rng(0).normal(size=(200, 10)) / 100
    np.savez(folder / "d.npz", x_test=x, y_test=y.astype(np.float32))
    (folder / "int8.toml").write_text(RECIPE)
    return names


def compress(capsys, *words):
    flags = ("--data", "d.npz", "--board", "rpi4", "--no-verify", "--json")
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "net.tflite", *flags, *words])
    caught = capsys.readouterr()
    return done.value.code, caught.out, caught.err


def test_a_fixed_int8_names_the_layer_and_the_line_that_helps_does(fragile, folder, capsys):
    wide, narrow = fragile
    code, out, said = compress(capsys, "--recipe", "int8.toml", "-o", "a.tflite")
    found = json.loads(out)
    assert code == 0
    first = found["fragile_layers"][0]
    assert first["layer"] == wide and set(first["kept"]) == {wide, narrow}
    assert first["brings_back"] > 0 and first["lost"] > 0.15
    assert any(f"to rounding: layer {wide} (CONV_2D) loses most" in line for line in found["notes"])
    assert f"layer {wide} (CONV_2D) loses most" in said


def test_a_limit_that_int8_cannot_keep_is_refused_with_the_line_that_keeps_it(
    fragile, folder, capsys
):
    limit = ("--max-accuracy-drop", "100%")
    code, _, said = compress(capsys, "--recipe", "int8.toml", *limit, "-o", "b.tflite")
    assert code == 1 and "[quantize] with layers = [{layer = " in said
    line = said.partition("[quantize] with ")[2].partition("]")[0] + "]"
    (folder / "mixed.toml").write_text(RECIPE + line + "\n")
    assert {one.layer for one in load_recipe("mixed.toml").quantize.layers} == set(fragile)
    code, out, _ = compress(capsys, "--recipe", "mixed.toml", *limit, "-o", "c.tflite")
    found = json.loads(out)
    assert code == 0 and not found["fragile_layers"]
    assert [one["layer"] for one in found["recipe"]["quantize"]["layers"]]


def test_an_entry_that_fits_nothing_is_told_before_anything_is_quantized(fragile, folder, capsys):
    (folder / "bad.toml").write_text(RECIPE + 'layers = [{layer = "t66", mode = "none"}]\n')
    code, _, said = compress(capsys, "--recipe", "bad.toml", "-o", "d.tflite")
    assert code == 2 and "no layer to quantize is called 't66': did you mean" in said


def test_the_line_is_toml_whatever_the_name_holds():
    assert toml_line([LayerMode('a "b"', "none"), LayerMode("c", "fp16")]) == (
        'layers = [{layer = "a \\"b\\"", mode = "none"}, {layer = "c", mode = "fp16"}]'
    )
