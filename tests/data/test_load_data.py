import io
import sys
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from nets import Net

from edgeprune.data import load_data
from edgeprune.data.labels import taught
from edgeprune.errors import ModelError
from edgeprune.pipeline.users_data import sizes_of
from edgeprune.tasks import Said


def model(shape=(8, 6, 3), outputs=4):
    net = Net()
    x = net.input(1, *shape)
    if len(shape) == 3:
        x = net.mean(net.conv(x, 8))
    return net.build(net.dense(x, outputs))


def arrays(n=20, m=10, shape=(8, 6, 3), **changed):
    rng = np.random.default_rng(0)
    made = {
        "x_train": rng.integers(0, 256, (n, *shape), np.uint8),
        "y_train": rng.integers(0, 4, n),
        "x_test": rng.integers(0, 256, (m, *shape), np.uint8),
        "y_test": rng.integers(0, 4, (m, 1)).astype(np.uint8),
        **changed,
    }
    return {key: value for key, value in made.items() if value is not None}


def npz(folder, **changed):
    np.savez(folder / "d.npz", **arrays(**changed))
    return str(folder / "d.npz")


def fails(spec, line, tflite=None):
    with pytest.raises(ModelError, match=line) as caught:
        load_data(spec, tflite or model())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(spec)


def test_pixels_become_float32_unscaled_and_labels_int64(tmp_path):
    data = load_data(npz(tmp_path), model())
    assert (data.x_train.dtype, data.y_test.dtype) == (np.float32, np.int64)
    assert (data.x_train.shape, data.y_test.shape) == ((20, 8, 6, 3), (10,))
    assert data.x_train.max() > 200
    assert np.array_equal(data.x_test, arrays()["x_test"])


def test_training_data_is_optional(tmp_path):
    data = load_data(npz(tmp_path, x_train=None, y_train=None), model())
    assert data.x_train is None and data.y_train is None


def test_gray_images_are_given_a_channel(tmp_path):
    spec = npz(tmp_path, shape=(8, 6))
    assert load_data(spec, model((8, 6, 1))).x_test.shape == (10, 8, 6, 1)


def test_an_autoencoder_needs_no_targets(tmp_path):
    spec = npz(tmp_path, shape=(7,), y_train=None, y_test=None)
    data = load_data(spec, model((7,), 7))
    assert data.y_test is None and data.x_train.shape == (20, 7)


def test_a_classifier_without_labels_is_held_to_its_own_answers(tmp_path):
    spec = npz(tmp_path, y_train=None, y_test=None)

    def answers(x):
        return [np.stack([x[:, 0, 0, k % 3] * (k + 1) for k in range(4)], axis=1)]

    data = load_data(spec, model(), said=Said(task="classification"), answers=answers)
    assert (data.y_test == answers(data.x_test)[0].argmax(1)).all()
    assert len(set(data.y_test)) > 1 and data.y_train is None and not data.is_reproduced
    head = data.task.main
    assert (head.task, head.metric, head.is_taught) == ("classification", "agreement", True)
    assert "no labels but the dense network's own answers" in data.task.line(0, 10)
    assert any("not how often it is right" in note for note in data.notes)
    trained = taught(data, answers)
    assert (trained.y_train == answers(data.x_train)[0].argmax(1)).all()


def test_answers_that_are_no_numbers_are_no_labels(tmp_path):
    spec = npz(tmp_path, y_train=None, y_test=None)
    with pytest.raises(ModelError, match="no finite numbers"):
        load_data(
            spec,
            model(),
            said=Said(task="classification"),
            answers=lambda x: [np.full((len(x), 4), np.nan)],
        )


def test_a_single_output_tells_two_classes_apart(tmp_path):
    binary = {"y_train": np.arange(20) % 2, "y_test": np.arange(10) % 2}
    assert load_data(npz(tmp_path, **binary), model(outputs=1)).y_test.max() == 1
    ages = load_data(npz(tmp_path), model(outputs=1))
    assert ages.task.main.task == "regression" and ages.y_test.dtype == np.float32


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"shape": (6, 8, 3)}, r"x_test has samples of shape \(6, 8, 3\), the model takes \(8, 6"),
        ({"x_test": np.zeros((10, 3, 8, 6))}, r"x_test, 1, -1. puts the channels last"),
        ({"x_test": np.zeros((10, 144))}, r"x_test.reshape\(-1, 8, 6, 3\) fits"),
        ({"y_test": np.full(10, 4)}, "y_test has labels from 4 to 4, the model tells classes 0 to"),
        ({"y_train": np.full(20, -1)}, "y_train has labels from -1 to -1"),
        ({"y_test": None}, "has no y_test"),
        ({"y_train": None, "y_test": None}, "has no y_test.*--task classification says that"),
        ({"x_test": None}, "has no x_test to score with"),
        ({"x_train": None}, "has y_train but no x_train"),
        ({"y_test": np.zeros(9, int)}, "x_test has 10 samples, y_test has 9"),
        ({"y_test": np.zeros((10, 3))}, "y_test has 3 values a sample, the model gives 4"),
        (
            {"y_test": np.zeros((10, 4), int)},
            "y_test looks like multilabel: expected labels of one",
        ),
        ({"x_train": np.full((20, 8, 6, 3), np.nan)}, "x_train holds NaN or infinity in sample 0"),
        ({"y_test": np.full((10, 4), np.inf)}, "y_test holds NaN or infinity in sample 0"),
        ({"x_test": np.full((10, 8, 6, 3), "a")}, "x_test holds text .<U1., expected numbers"),
        ({"x_test": np.zeros((0, 8, 6, 3))}, "x_test holds no samples"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, line):
    fails(npz(tmp_path, **changed), line)


def test_pickled_objects_are_not_loaded(tmp_path):
    fails(npz(tmp_path, x_test=np.array([{"a": 1}], object)), "holds Python objects, which could")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04..."])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "d.npz").write_bytes(content)
    fails(str(tmp_path / "d.npz"), "cannot be read as an .npz")


def test_damaged_and_single_arrays_are_refused(tmp_path):
    whole = io.BytesIO()
    np.savez(whole, **arrays())
    (tmp_path / "half.npz").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    fails(str(tmp_path / "half.npz"), "cannot be read as an .npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    fails(str(tmp_path / "one.npy"), "cannot be read as an .npz")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    fails(str(tmp_path / "other.npz"), "has no x_test")


def test_what_does_not_exist_is_refused():
    fails("nowhere.npz", "no such file; expected an .npz file, a folder")


def test_a_model_with_two_inputs_takes_no_data(tmp_path):
    net = Net()
    tflite = net.build(net.add(net.dense(net.input(1, 4), 3), net.dense(net.input(1, 6), 3)))
    with pytest.raises(ModelError, match="needs a model with one input, this one has 2"):
        load_data(npz(tmp_path), tflite)


MODULE = """
import numpy as np
import tensorflow as tf
x = np.ones((10, 8, 6, 3), np.float32)
y = np.arange(10) % 4
def pair():
    made = tf.data.Dataset.from_tensor_slices((x, y))
    return made.batch(4), made
def table():
    return {"test": tf.data.Dataset.from_tensor_slices((x, y))}
def nothing():
    return 3
def odd():
    return None, [1, 2]
value = 3
"""


def test_a_function_of_the_users_own_gives_the_data(tmp_path, monkeypatch):
    (tmp_path / "own_data.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    data = load_data("own_data:pair", model())
    assert (data.x_train.shape, data.y_train.tolist()) == (
        (10, 8, 6, 3),
        [k % 4 for k in range(10)],
    )
    assert np.array_equal(data.x_train, data.x_test)
    assert load_data("own_data:table", model()).x_train is None
    fails("own_data:nothing", "expected .train, test. or")
    fails("own_data:odd", "test gives no .input, label. pairs|x_test")
    fails("own_data:value", "is no function")
    fails("own_data:missing", "has no attribute 'missing'")
    fails("no_such_module:f", "No module named 'no_such_module'")
    assert sys.path == path


@pytest.mark.parametrize("x", [np.full((10, 4), 0.5), np.full((10, 4), 300), np.full((10, 4), -1)])
def test_what_an_input_of_integers_would_cut_off_is_refused(tmp_path, x):
    net = Net()
    entry = net.input(1, 4)
    net.graph.tensors[entry].type = schema.TensorType.UINT8
    tflite = net.build(net.dense(net.op("CAST", [entry], (1, 4)), 4))
    rest = {"x_train": None, "y_train": None}
    load_data(npz(tmp_path, x_test=np.arange(40).reshape(10, 4) * 1.0, **rest), tflite)
    fails(npz(tmp_path, x_test=x, **rest), "takes whole numbers .uint8, 0 to 255.", tflite)


def test_training_inputs_without_labels_are_said_to_train_nothing(tmp_path):
    data = load_data(npz(tmp_path, y_train=None), model())
    assert data.notes[-1].startswith("there is no y_train: nothing is trained")
    assert sizes_of(data) == (0, 10)
    assert load_data(npz(tmp_path), model()).notes == ()
