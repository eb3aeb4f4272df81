"""The user's model and data, read once for all that is made of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edgeprune import verify
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded
from edgeprune.devices.boards import load_board
from edgeprune.pipeline.choosing import kept_apart
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import users_data
from edgeprune.progress import Progress


@dataclass(frozen=True)
class Read:
    """The user's model and data, as they were read.

    Attributes:
        loaded: The model.
        dense: It, as float TFLite.
        data: The data, or None.
        score: The model's, on the test samples; None where there is nothing to score.
    """

    loaded: Loaded
    dense: bytes
    data: Dataset | None
    score: Accuracy | None


def read_model(request: Request, progress: Progress) -> Read:
    """Reads the user's model and data.

    Raises:
        ModelError: They cannot be read, or the board cannot run the model.
    """
    loaded, dense, data = _loaded(request, progress)
    score = None if data is None else verify.accuracy(dense, data, dense)
    return Read(loaded, dense, data, score)


def scored_apart(read: Read) -> Read:
    """The same, scored on those test samples alone that a search reports.

    Raises:
        ModelError: The host cannot run the model.
    """
    if read.data is None:
        return read
    _, reported, _ = kept_apart(read.data)
    score = verify.accuracy(read.dense, reported, read.dense)
    return dataclasses.replace(read, data=reported, score=score)


def is_trainable(loaded: Loaded, data: Dataset | None) -> bool:
    """Whether there is a Keras model, and data to train it on."""
    return loaded.keras is not None and data is not None and data.x_train is not None


def _loaded(request: Request, progress: Progress) -> tuple[Loaded, bytes, Dataset | None]:
    """The model, the model as float TFLite, and the data."""
    from edgeprune.convert import convert
    from edgeprune.load import load
    from edgeprune.pipeline.runnable import check_runnable
    from edgeprune.sparsify import stored_dense

    with progress.stage("load"):
        loaded = load(request.model, allow_code=request.allow_code)
        loaded = dataclasses.replace(loaded, input_shape=request.input_shape)
        if loaded.tflite is not None and request.recipe.sparsify.encode:
            loaded = dataclasses.replace(loaded, tflite=stored_dense(loaded.tflite))
    with progress.stage("convert"):
        dense = convert(loaded)
        board = load_board(request.board)
        check_runnable(dense, board, must_fit=request.must_fit)
        if loaded.tflite is not None:  # every later stage sees its shapes as they are fixed now
            loaded = dataclasses.replace(loaded, tflite=dense, input_shape=None)
        data = None
        if request.data is not None:
            data = users_data(request.data, request, loaded, dense, progress)
    return loaded, dense, data
