"""Attacks through what Keras 2 writes beside a SavedModel's graph."""

from __future__ import annotations

import functools
import json
import shutil

from load.attacks import Attack
from load.attacks.files import temporary

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_keras


@functools.cache
def layers():
    """A SavedModel of Keras 2."""
    keras = import_keras("tf_keras")
    path = temporary()
    with quiet():
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, name="dense")])
        model.save(path, save_format="tf")
    return path


def _metadata(change):
    """An attack by what Keras 2 wrote about a layer; ``change(tree, target)`` edits it."""

    def attack(target):
        from tf_keras.protobuf import saved_metadata_pb2

        path = target.folder / "model"
        shutil.copytree(layers(), path)
        file = path / "keras_metadata.pb"
        parsed = saved_metadata_pb2.SavedMetadata()
        parsed.ParseFromString(file.read_bytes())
        for node in parsed.nodes:
            tree = json.loads(node.metadata)
            if tree["class_name"] == "Dense":
                change(tree, target)
                node.metadata = json.dumps(tree)
        file.write_bytes(parsed.SerializeToString())
        return path

    return attack


def lambda_metadata(tree, t):
    tree["class_name"] = "Lambda"


def lambda_in_metadata(tree, t):
    tree["config"]["activation"] = {"class_name": "Lambda", "config": {"function": ["x", None]}}


def module_in_metadata(tree, t):
    tree["config"]["kernel_initializer"] = {"class_name": "system", "module": "os", "config": {}}


def regularizer_in_metadata(tree, t):
    tree["activity_regularizer"] = {"class_name": "system", "module": "os", "config": {}}


def type_in_metadata(tree, t):
    tree["save_spec"] = {"class_name": "TypeSpec", "type_spec": "evil.Spec", "serialized": []}


def size_in_metadata(tree, t):
    tree["config"]["units"] = 1 << 33


_KERAS = {
    lambda_metadata: "keras_metadata.pb: a Lambda",
    lambda_in_metadata: "keras_metadata.pb: a Lambda inside",
    module_in_metadata: "keras_metadata.pb: any module",
    regularizer_in_metadata: "keras_metadata.pb: a regularizer of any module",
    type_in_metadata: "keras_metadata.pb: a type of TensorFlow",
    size_in_metadata: "keras_metadata.pb: a size beyond all bounds",
}
ATTACKS = [Attack(source, source, _metadata(change)) for change, source in _KERAS.items()]
