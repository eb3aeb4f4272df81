"""A folder of images with parts, from the command line to a file that knows its classes."""

import numpy as np
import pytest
from PIL import Image

from edgeprune import cli
from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras
from edgeprune.verify import HostModel

RECIPE = "[prune]\nsparsity = 0.5\nepochs = 2\nbatch_size = 16\nlayers = 'all'\ncontrol = false\n"
COLOURS = {"blue": (20, 20, 220), "red": (220, 20, 20)}


def fill(folder, count):
    rng = np.random.default_rng(count)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            noise = rng.integers(-20, 20, (12, 12, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")


def model():
    """Tells blue from red; trained with 0 to 255, which it maps onto 0 to 1 itself."""
    keras = import_keras("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 1, name="mix"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="head"),
        ]
    )
    kernel = np.array([[1, 0, 0.1, 0], [0, 0, 0.1, 0.1], [0, 1, 0, 0.1]], np.float32)
    made.get_layer("mix").set_weights([kernel.reshape(1, 1, 3, 4), np.zeros(4, np.float32)])
    head = np.array([[0, 4], [4, 0], [0, 0], [0, 0]], np.float32)
    made.get_layer("head").set_weights([head, np.zeros(2, np.float32)])
    with quiet():
        made.save("colours.keras")


def test_the_file_that_is_written_knows_the_classes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    fill(tmp_path / "pets" / "Train", 20)
    fill(tmp_path / "pets" / "validation", 10)
    for part in ("Train", "validation"):
        (tmp_path / "pets" / part / ".ipynb_checkpoints").mkdir()
    model()
    (tmp_path / "fast.toml").write_text(RECIPE)
    argv = ["--data", "pets", "--recipe", "fast.toml", "--no-verify", "-o", "out.tflite"]
    with pytest.raises(SystemExit) as done:
        cli.main(["compress", "colours.keras", *argv])
    _, err = capsys.readouterr()
    assert done.value.code == 0, err
    assert "data: 2 classes: blue 20+10, red 20+10 (Train+validation); class 0 = blue" in err
    assert "images are mirrored left to right and moved by up to 10% in training" in err
    deployed = HostModel((tmp_path / "out.tflite").read_bytes(), reference=True)
    for label, name in enumerate(sorted(COLOURS)):
        for file in (tmp_path / "pets" / "validation" / name).iterdir():
            pixels = np.asarray(Image.open(file).resize((8, 8)), np.float32)
            assert deployed([pixels[None]])[0].argmax() == label
