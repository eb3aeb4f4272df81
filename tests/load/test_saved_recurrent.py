"""Recurrent networks that Keras 3 exported: what TFLite cannot take is said with what helps."""

import pytest

from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras


def test_an_open_batch_size_is_named_and_one_of_1_is_converted(tmp_path):
    keras = import_keras("keras")
    layers = keras.layers
    fixed = [keras.InputSpec(shape=(1, 6, 4), dtype="float32")]
    with quiet():
        model = keras.Sequential([layers.Input((6, 4)), layers.LSTM(3), layers.Dense(2)])
        model.export(tmp_path / "open", verbose=False)
        model.export(tmp_path / "fixed", verbose=False, input_signature=fixed)
    with pytest.raises(ModelError, match=r"for any batch size.*export it with a batch size of 1"):
        load(tmp_path / "open")
    assert load(tmp_path / "fixed").tflite
