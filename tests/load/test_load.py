"""Every kind of file is loaded as what it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from beside import SHARED_MODELS, shared_models
from full_range import also
from keras_nets import FLAVOURS, KINDS, SHAPE, build, loaded, save
from load.edited import edited
from nets import eligible

import edgeprune
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert, keras_outputs
from edgeprune.devices.boards import load_board
from edgeprune.load import load, stored_as
from edgeprune.models.epz import pack
from edgeprune.models.keras.flavours import application_layers, import_keras, import_tensorflow
from edgeprune.sparsify import sparsify


def outputs(model, flavour):
    return keras_outputs(loaded(model, flavour), [[np.ones((1, *SHAPE), np.float32)]])[0][0]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", [also("sequential"), "functional", also("nested")])
def test_h5_is_loaded_by_the_keras_that_wrote_it(folder, flavour, kind):
    found = load(folder / f"{flavour}-{kind}.h5")
    assert found.flavour == flavour
    assert found.source.format == {"tf_keras": "keras2-h5", "keras": "keras3-h5"}[flavour]
    assert not found.notes
    np.testing.assert_array_equal(
        outputs(found.keras, flavour), outputs(build(flavour, kind), flavour)
    )


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_keras_files_are_loaded_whatever_they_are_called(folder, flavour, tmp_path):
    path = Path(shutil.copy(folder / f"{flavour}.keras", tmp_path / "model.tflite"))
    found = load(path)
    assert (found.flavour, found.source.format) == (
        flavour,
        "keras2-keras" if flavour == "tf_keras" else "keras3-keras",
    )
    assert os.listdir(tmp_path) == ["model.tflite"]


@pytest.mark.parametrize("kind", [k if k in ("nested", "subclassed") else also(k) for k in KINDS])
def test_saved_models_of_keras_2_come_back_as_keras_models(folder, kind):
    found = load(folder / f"saved-{kind}")
    assert (found.flavour, found.source.format) == ("tf_keras", "saved-model")
    np.testing.assert_allclose(
        outputs(found.keras, "tf_keras"), outputs(build("tf_keras", kind), "tf_keras"), atol=1e-6
    )


def test_a_saved_model_without_keras_becomes_tflite(tmp_path):
    tf = import_tensorflow()
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((3, 2)))
    spec = tf.TensorSpec((None, 3), tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": x @ module.kernel}, input_signature=[spec])
    with quiet():
        tf.saved_model.save(module, tmp_path / "plain", signatures=module.f)
    found = load(tmp_path / "plain")
    assert found.keras is None and found.tflite[4:8] == b"TFL3"
    assert "converted as it is" in found.notes[0]


def test_tflite_is_loaded_whatever_it_is_called(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(eligible())
    found = load(path)
    assert (found.tflite, found.source.format) == (eligible(), "tflite")
    assert len(found.source.sha256) == 64


def test_how_weights_are_stored_is_seen(tmp_path):
    cpu = load_board("rpi4").cpu
    sparse = sparsify(eligible(), cpu).tflite
    files = {
        "float32": eligible(),
        "float16": eligible(storage="float16"),
        "integers": eligible(storage="int8"),
        "sparse": sparse,
    }
    for kind, tflite in files.items():
        (tmp_path / "x.tflite").write_bytes(tflite)
        assert stored_as(tflite) == load(tmp_path / "x.tflite").stored == kind


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_layers_that_only_stock_networks_use_are_loaded_and_pruned(flavour, ending, tmp_path):
    keras = import_keras(flavour)
    with application_layers(flavour):
        scale = keras.utils.get_registered_object("LayerScale")
        model = keras.Sequential(
            [keras.layers.Input((4,)), keras.layers.Dense(3), scale(0.5, 3, name="scale")]
        )
    with quiet():
        model.save(tmp_path / f"net{ending}")
    found = load(tmp_path / f"net{ending}")
    done = edgeprune.prune(found.keras, sparsity=0.5)
    assert [type(layer).__name__ for layer in done.keras.layers][-1] == "LayerScale"


def test_a_file_that_lies_about_its_keras_is_loaded_by_the_other_with_a_note(folder, tmp_path):
    def lie(file):
        file.attrs["keras_version"] = "2.4.0"

    path = edited(folder / "keras-functional.h5", tmp_path / "m.h5", lie)
    found = load(path)
    assert found.flavour == "keras"
    assert "says it was written by Keras 2, which cannot load it" in found.notes[0]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_several_inputs_are_fine(flavour, tmp_path):
    layers = import_keras(flavour).layers
    a, b = layers.Input((4,), name="zeta"), layers.Input((3,), name="alpha")
    model = import_keras(flavour).Model([a, b], layers.Concatenate()([layers.Dense(2)(a), b]))
    found = load(save(model, tmp_path / "m.h5"))
    assert len(found.keras.inputs) == 2


@pytest.mark.parametrize("ending", ["", ".tflite", also(None)])  # the folder is a SavedModel
def test_every_model_beside_the_project_loads_without_a_word(ending, capfd):
    assert len(shared_models()) == (7 if SHARED_MODELS.is_dir() else 0)
    for path in shared_models():
        if ending in (path.suffix, None):
            assert convert(load(path))
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_loading_in_a_fresh_process_says_nothing(folder):
    script = (
        "from pathlib import Path; from edgeprune.load import load; "
        "from edgeprune.convert import convert; import sys; "
        "[convert(load(Path(p))) for p in sys.argv[1:]]"
    )
    paths = [folder / n for n in ("tf_keras-nested.h5", "keras.keras", "saved-subclassed")]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_container_is_loaded_as_the_file_that_it_holds(folder, tmp_path):
    tflite = (folder / "net.tflite").read_bytes()
    (tmp_path / "net.epz").write_bytes(pack(tflite))
    found = load(tmp_path / "net.epz")
    assert found.tflite == tflite and found.source.format == "tflite"
    packed = (tmp_path / "net.epz").stat().st_size
    assert found.notes == (f"net.epz: {packed:,} bytes, unpacked to {len(tflite):,}",)
