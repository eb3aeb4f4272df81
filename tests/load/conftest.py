"""One good file of every form."""

import pytest
from keras_nets import build, save
from nets import eligible


class Models:
    """A folder whose files are made when they are asked for: SavedModels take a while.

    Names are ``keras-nested.h5``, ``tf_keras.keras``, ``saved-subclassed`` and ``net.tflite``.
    """

    def __init__(self, folder):
        self._folder = folder

    def __truediv__(self, name):
        path = self._folder / name
        if not path.exists():
            self._make(path)
        return path

    def _make(self, path):
        flavour, _, kind = path.stem.partition("-")
        if path.suffix == ".tflite":
            path.write_bytes(eligible())
        elif flavour == "saved":
            save(build("tf_keras", kind), path, save_format="tf")
        else:
            save(build(flavour, kind or "functional"), path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return Models(tmp_path_factory.mktemp("models"))
