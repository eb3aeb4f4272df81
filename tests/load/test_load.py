import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from beside import SHARED_MODELS, shared_models
from keras_nets import FLAVOURS, KINDS, SHAPE, build, loaded, save
from nets import Net, eligible

import edgeprune
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert, keras_outputs
from edgeprune.devices.boards import load_board
from edgeprune.errors import CodeRefused, ModelError
from edgeprune.load import load, stored_as
from edgeprune.models.epz import pack
from edgeprune.models.keras.flavours import application_layers, import_keras, import_tensorflow
from edgeprune.sparsify import sparsify


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One good file of every form."""
    made = tmp_path_factory.mktemp("models")
    for flavour in FLAVOURS:
        for kind in ("sequential", "functional", "nested"):
            save(build(flavour, kind), made / f"{flavour}-{kind}.h5")
        save(build(flavour, "functional"), made / f"{flavour}.keras")
    for kind in KINDS:
        save(build("tf_keras", kind), made / f"saved-{kind}", save_format="tf")
    (made / "net.tflite").write_bytes(eligible())
    return made


def fails(path, line, kind=ModelError, **options):
    """Loading fails with one line that names the file and matches ``line``."""
    with pytest.raises(kind, match=line) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def edited(path, target, change):
    """A copy of an HDF5 file whose description or weights were changed."""
    shutil.copy(path, target)
    with h5py.File(target, "r+") as file:
        change(file)
    return target


def with_config(change):
    def edit(file):
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)

    return edit


def outputs(model, flavour):
    return keras_outputs(loaded(model, flavour), [[np.ones((1, *SHAPE), np.float32)]])[0][0]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("kind", ["sequential", "functional", "nested"])
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


@pytest.mark.parametrize("kind", KINDS)
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


def test_tflite_is_loaded_whatever_it_is_called(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(eligible())
    found = load(path)
    assert (found.tflite, found.source.format) == (eligible(), "tflite")
    assert len(found.source.sha256) == 64


def test_how_weights_are_stored_is_seen(folder):
    cpu = load_board("rpi4").cpu
    sparse = sparsify(eligible(), cpu).tflite
    files = {
        "float32": eligible(),
        "float16": eligible(storage="float16"),
        "integers": eligible(storage="int8"),
        "sparse": sparse,
    }
    for kind, tflite in files.items():
        (folder / "x.tflite").write_bytes(tflite)
        assert stored_as(tflite) == load(folder / "x.tflite").stored == kind


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


def test_a_file_that_neither_keras_can_load_has_both_reasons(folder, tmp_path):
    def spoil(items):
        items[-1]["config"]["units"] = -3

    path = edited(folder / "keras-functional.h5", tmp_path / "m.h5", with_config(spoil))
    line = fails(path, "cannot be loaded by Keras 3: .*; Keras 2: ")
    assert len(line) < 600


def test_a_file_that_lies_about_its_keras_is_loaded_by_the_other_with_a_note(folder, tmp_path):
    def lie(file):
        file.attrs["keras_version"] = "2.4.0"

    path = edited(folder / "keras-functional.h5", tmp_path / "m.h5", lie)
    found = load(path)
    assert found.flavour == "keras"
    assert "says it was written by Keras 2, which cannot load it" in found.notes[0]


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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
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


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_several_inputs_are_fine(flavour, tmp_path):
    layers = import_keras(flavour).layers
    a, b = layers.Input((4,), name="zeta"), layers.Input((3,), name="alpha")
    model = import_keras(flavour).Model([a, b], layers.Concatenate()([layers.Dense(2)(a), b]))
    found = load(save(model, tmp_path / "m.h5"))
    assert len(found.keras.inputs) == 2


def test_every_model_beside_the_project_loads_without_a_word(capfd):
    names = {path.name for path in shared_models()}
    assert len(names) == (7 if SHARED_MODELS.is_dir() else 0)
    for name in names:
        assert convert(load(SHARED_MODELS / name))
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


def test_a_container_that_is_damaged_or_holds_no_model_is_one_line(folder, tmp_path):
    packed = pack((folder / "net.tflite").read_bytes())
    path = tmp_path / "net.epz"
    path.write_bytes(packed[:-1])
    fails(path, "ends too early")
    path.write_bytes(pack(b"no model"))
    fails(path, "not a TFLite file: it lacks the identifier TFL3")
    path.write_bytes(pack(bytes(300 << 20)))
    fails(path, "more than the limit 268,435,456")
