"""Empty messages of TensorFlow's and Keras' own file formats, to be filled from bytes."""

from __future__ import annotations

from typing import Any

from edgeprune.models.keras.flavours import import_keras, import_tensorflow


def saved_model() -> Any:
    """What ``saved_model.pb`` holds.

    Raises:
        ConfigError: TensorFlow is not installed.
    """
    import_tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2.SavedModel()


def saved_metadata() -> Any:
    """What Keras 2 writes about its objects into ``keras_metadata.pb``.

    Raises:
        ConfigError: Keras 2 is not installed.
    """
    import_keras("tf_keras")
    from tf_keras.protobuf import saved_metadata_pb2

    return saved_metadata_pb2.SavedMetadata()
