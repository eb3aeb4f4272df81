"""The example that needs no training framework."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgeprune.data import tiny


@pytest.fixture(scope="module")
def data():
    return tiny.tiny_data()


@pytest.fixture(scope="module")
def model(data):
    return tiny.tiny_model(data)


def test_every_class_is_there_and_images_are_as_a_camera_has_them(data):
    for part, count in (("train", 640), ("test", 320)):
        images, labels = data[f"x_{part}"], data[f"y_{part}"]
        assert images.shape == (count, 32, 32, 3) and images.dtype == np.float32
        assert images.min() == 0 and images.max() == 1
        assert np.allclose(images * 255, np.round(images * 255), atol=1e-4)
        assert set(labels) == set(range(len(tiny.SHAPES)))
    assert np.array_equal(tiny.tiny_data()["x_test"], data["x_test"])
    assert not np.array_equal(tiny.tiny_data(seed=1)["x_test"], data["x_test"])


def test_the_runtime_reads_the_model_and_it_has_learnt_the_shapes(data, model):
    runtime = Interpreter(model_content=model, num_threads=1)
    signature = runtime.get_signature_runner("serving_default")
    answers = np.concatenate([signature(image=x[None])["shape"] for x in data["x_test"]])
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == data["y_test"]).mean() > 0.85


def test_the_same_seed_makes_the_same_file_and_another_one_another(data, model):
    assert tiny.tiny_model(data) == model
    assert tiny.tiny_model(data, seed=1) != model
