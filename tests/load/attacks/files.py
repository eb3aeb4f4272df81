"""The smallest files that each Keras takes for a model of its own."""

from __future__ import annotations

import copy
import io
import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
from load.attacks import Attack

VERSIONS = {"keras2": "2.15.0", "keras3": "3.13.2"}
MODULES = {"keras2": "keras.src.engine.functional", "keras3": "keras.src.models.functional"}
_KEEP = []


def temporary():
    """A place for a model that stays as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="attacks-")
    _KEEP.append(folder)
    return Path(folder.name) / "model"


def weights(change=None):
    """HDF5 content as it lies in a ``.keras`` file; ``change`` edits the open file."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_group("vars")
        for group in ("layers", "_layer_checkpoint_dependencies"):  # of Keras 3, and of Keras 2
            file.create_group(f"{group}/vars")
            file.create_dataset(f"{group}/dense/vars/0", data=np.ones((4, 2), "f4"))
            file.create_dataset(f"{group}/dense/vars/1", data=np.ones(2, "f4"))
        if change is not None:
            change(file)
    return stream.getvalue()


def _as_written_by(keras, config):
    """Keras 2 calls the shape of an input otherwise."""
    made = copy.deepcopy(config)
    for start in made["config"]["layers"][:1] if keras == "keras2" else ():
        start["config"]["batch_input_shape"] = start["config"].pop("batch_shape")
    return made


def zip_file(path, config, keras="keras3", inner=None, extra=()):
    """A ``.keras`` file; ``extra`` holds further members as (name or ZipInfo, content)."""
    if isinstance(config, dict):
        config = _as_written_by(keras, config)
        config = json.dumps({**config, "module": MODULES[keras], "registered_name": "Functional"})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": VERSIONS[keras]}))
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", weights() if inner is None else inner)
        for name, content in extra:
            archive.writestr(name, content)
    return path


def h5_file(path, config, keras="keras3", change=None):
    """A ``.h5`` file; ``change`` edits the open file."""
    if isinstance(config, dict):
        config = json.dumps(_as_written_by(keras, config))
    with h5py.File(path, "w") as file:
        file.attrs.update(model_config=config, keras_version=VERSIONS[keras], backend="tensorflow")
        group = file.create_group("model_weights/dense")
        file["model_weights"].attrs.update(layer_names=[b"x", b"dense"], backend=b"tensorflow")
        file.create_group("model_weights/x").attrs["weight_names"] = np.zeros(0, "S1")
        group.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        group.create_dataset("dense/kernel:0", data=np.ones((4, 2), "f4"))
        group.create_dataset("dense/bias:0", data=np.ones(2, "f4"))
        if change is not None:
            change(file)
    return path


def layer(class_name, module=None, /, *, name="odd", nodes=(), **config):
    """One layer of a functional network, which takes the input unless ``nodes`` says otherwise."""
    made = {"class_name": class_name, "config": {"name": name, **config}, "name": name}
    made["inbound_nodes"] = [[["x", 0, 0, {}]]] if nodes == () else nodes
    return made if module is None else {**made, "module": module, "registered_name": None}


def network(*layers, last="odd"):
    """A functional network of an input ``x`` of 4 numbers and the layers."""
    start = {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
             "config": {"name": "x", "batch_shape": [None, 4], "dtype": "float32"}}  # fmt: skip
    config = {"name": "m", "trainable": True, "layers": [start, *layers],
              "input_layers": [["x", 0, 0]], "output_layers": [[last, 0, 0]]}  # fmt: skip
    return {"class_name": "Functional", "config": config}


def dense(**config):
    """An honest last layer."""
    return layer("Dense", name="dense", units=2, **config)


def good():
    """The description of an honest model."""
    return network(dense(), last="dense")


FORMATS = {
    "keras3.keras": (zip_file, "keras3"),
    "keras3.h5": (h5_file, "keras3"),
    "keras2.keras": (zip_file, "keras2"),
    "keras2.h5": (h5_file, "keras2"),
}
"""How each format of both Kerases is written, by its name."""


def in_every_format(sources):
    """An attack in each format, by what makes its description; with where it is from."""
    return [
        Attack(f"{source} ({form})", source, _in_format(make, form))
        for make, source in sources.items()
        for form in FORMATS
    ]


def _in_format(make, form):
    write, keras = FORMATS[form]
    ending = form.partition(".")[2]
    return lambda target: write(target.folder / f"model.{ending}", make(target), keras)
