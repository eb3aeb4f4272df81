"""Files that are damaged, hostile or no model are refused in one line that says why."""

import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
from keras_nets import FLAVOURS, build, save
from load.edited import edited, fails, with_config
from nets import Net

from edgeprune.console.quiet import quiet
from edgeprune.errors import CodeRefused
from edgeprune.load import load
from edgeprune.models.epz import pack
from edgeprune.models.keras.flavours import import_keras, import_tensorflow


def test_a_saved_model_that_calls_python_is_refused(tmp_path):
    tf = import_tensorflow()
    module = tf.Module()

    def f(x):
        return tf.numpy_function(lambda value: value, [x], tf.float32)

    spec = tf.TensorSpec((None, 3), tf.float32)
    with quiet():
        module.f = tf.function(f, input_signature=[spec])
        tf.saved_model.save(module, tmp_path / "evil", signatures=module.f)
    fails(tmp_path / "evil", "PyFunc.*--allow-code", CodeRefused)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_lambda_layers_are_refused_until_the_user_trusts_them(flavour, ending, tmp_path):
    keras = import_keras(flavour)
    layers = keras.layers
    with quiet():
        model = keras.Sequential(
            [layers.Input((3,)), layers.Dense(2), layers.Lambda(lambda x: x * 2, name="twice")]
        )
    path = save(model, tmp_path / f"model.{ending}")
    fails(path, "layer 'twice' is a Lambda.*--allow-code", CodeRefused)
    assert load(path, allow_code=True).flavour == flavour


def test_refused_code_did_not_run(tmp_path, folder):
    """A module named in the description is not imported."""
    (tmp_path / "canary.py").write_text("raise SystemExit('imported')")

    def poison(items):
        items[-1] = {
            "class_name": "Evil",
            "module": "canary",
            "config": {"name": "odd"},
            "registered_name": "Evil",
        }

    path = edited(folder / "keras-sequential.h5", tmp_path / "m.h5", with_config(poison))
    script = f"from edgeprune.load import load; load(__import__('pathlib').Path({str(path)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{os.getcwd()}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "CodeRefused" in done.stderr and "imported\n" not in done.stderr


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_custom_layers_are_named(flavour, folder, tmp_path):
    def rename(items):
        items[-1]["class_name"] = "FancyHead"
        items[-1].pop("module", None)
        items[-1].pop("registered_name", None)

    path = edited(folder / f"{flavour}-sequential.h5", tmp_path / "m.h5", with_config(rename))
    fails(path, "layer class 'FancyHead' is not part of Keras")


def test_a_file_that_neither_keras_can_load_has_both_reasons(folder, tmp_path):
    def spoil(items):
        items[-1]["config"]["units"] = -3

    path = edited(folder / "keras-functional.h5", tmp_path / "m.h5", with_config(spoil))
    line = fails(path, "cannot be loaded by Keras 3: .*; Keras 2: ")
    assert len(line) < 600


def test_weights_alone_are_no_model(tmp_path):
    path = tmp_path / "w.weights.h5"
    with quiet():
        build("keras", "sequential").save_weights(path)
    fails(path, "holds only weights, expected a whole model")
    with quiet():
        build("tf_keras", "sequential").save_weights(tmp_path / "w.h5")
    fails(tmp_path / "w.h5", "holds only weights, expected a whole model")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("missing.h5", None, "no such file"),
        ("empty.h5", b"", "is empty"),
        ("text.h5", b"hello, I am no model", "begins with b'hello.*which is no model"),
        ("short.h5", b"\x89HDF\r\n\x1a\n", "damaged HDF5 file"),
        ("short.keras", b"PK\x03\x04....", "damaged .keras file"),
        ("short.tflite", b"\x1c\0\0\0TFL3\0\0", "damaged TFLite file"),
    ],
)
def test_what_is_no_model_is_refused(name, content, line, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    fails(tmp_path / name, line)


@pytest.mark.parametrize("name", ["keras.keras", "tf_keras-functional.h5", "net.tflite"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_truncated_files_are_refused(folder, name, share, tmp_path):
    whole = (folder / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(len(whole) * share)])
    fails(path, "damaged")


def test_damaged_saved_models_are_refused(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder / "saved-functional", broken)
    graph = (broken / "saved_model.pb").read_bytes()
    (broken / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
    fails(broken, "damaged saved_model.pb")
    (broken / "saved_model.pb").write_bytes(graph)
    next((broken / "variables").glob("*.data*")).unlink()
    fails(broken, "damaged SavedModel|cannot be")
    (tmp_path / "void").mkdir()
    fails(tmp_path / "void", "a folder without saved_model.pb")


def test_a_zip_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    fails(path, "a zip file without config.json")


def test_zip_bombs_are_refused_before_they_are_unpacked(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("metadata.json", '{"keras_version": "3.0"}')
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    fails(path, "declares 314,572,8.. bytes when unpacked, more than the limit")


def test_hdf5_bombs_and_links_to_elsewhere_are_refused(folder, tmp_path):
    def bomb(file):
        file.create_dataset("huge", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")

    def link(file):
        file["model_weights/passwd"] = h5py.ExternalLink("/etc/passwd", "/")

    source = folder / "keras-functional.h5"
    fails(edited(source, tmp_path / "b.h5", bomb), "more than its 0 stored bytes can hold")
    fails(edited(source, tmp_path / "l.h5", link), "passwd' is a link to elsewhere")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_weights_that_are_not_finite_are_named(flavour, tmp_path):
    model = build(flavour, "sequential")
    kernel, bias = model.get_layer("mix").get_weights()
    kernel[0, 0, 1, 2] = np.nan
    model.get_layer("mix").set_weights([kernel, bias])
    path = save(model, tmp_path / "m.h5")
    fails(path, "weight '.*mix/kernel.*' holds 1 of 60 values that are NaN or infinite")


def test_tflite_weights_that_are_not_finite_are_named(tmp_path):
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 4)
    index = int(net.graph.operators[0].inputs[1])
    buffer = net.model.buffers[net.graph.tensors[index].buffer]
    values = np.array(buffer.data).view(np.float32)
    values[3] = np.inf
    buffer.data = values.view(np.uint8)
    path = tmp_path / "m.tflite"
    path.write_bytes(net.build(x))
    fails(path, f"weight 't{index}' holds 1 of 12 values")


def test_infinities_that_only_bound_are_no_broken_weights(tmp_path):
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 4)
    y = net.op("MINIMUM", [x, net.const(np.array(np.inf, np.float32))], (1, 4, 4, 4))
    path = tmp_path / "m.tflite"
    path.write_bytes(net.build(y))
    assert load(path).tflite is not None
    net.op("MUL", [y, net.const(np.array(np.inf, np.float32))], (1, 4, 4, 4), "MulOptions")
    path.write_bytes(net.build(y))
    fails(path, "holds 1 of 1 values")


def test_a_model_without_weights_is_refused(tmp_path):
    keras = import_keras("keras")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.ReLU()])
    fails(save(model, tmp_path / "m.keras"), "has no weights at all")
    net = Net()
    (tmp_path / "m.tflite").write_bytes(net.build(net.relu(net.input(1, 3))))
    fails(tmp_path / "m.tflite", "has no weights at all")


def test_a_container_that_is_damaged_or_holds_no_model_is_one_line(folder, tmp_path):
    packed = pack((folder / "net.tflite").read_bytes())
    path = tmp_path / "net.epz"
    path.write_bytes(packed[:-1])
    fails(path, "ends too early")
    path.write_bytes(pack(b"no model"))
    fails(path, "not a TFLite file: it lacks the identifier TFL3")
    path.write_bytes(pack(bytes(300 << 20)))
    fails(path, "more than the limit 268,435,456")
