"""How good a file is: its score on the user's test samples."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts import Dataset
from edgeprune.run_artifacts import Accuracy
from edgeprune.verify.host import HostModel
from edgeprune.verify.inputs import as_input
from edgeprune.verify.parity import real_values


def accuracy(tflite: bytes, data: Dataset) -> Accuracy | None:
    """Scores a file on the test samples, on the host.

    Returns:
        Top-1 share for integer labels (at 0.5 for a single output), mean squared error for other
        targets and for a model that reproduces its input; None where there is nothing to score.

    Raises:
        ModelError: The host cannot run the model.
    """
    model = HostModel(tflite, reference=False)
    if len(model.input_tensors) != 1:
        return None
    tensor, entry = model.output_tensors[0], model.input_tensors[0]
    count = len(data.x_test)
    rows = [model([as_input(data.x_test[i : i + 1], entry)])[0] for i in range(count)]
    outputs = np.stack([real_values(row, tensor) for row in rows]).reshape(count, -1)
    targets = data.y_test
    if targets is None and outputs.shape[1] == data.x_test[0].size:
        targets = data.x_test
    if targets is None:
        return None
    if targets.dtype.kind in "iub" and targets.ndim == 1:
        labels = outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
        return Accuracy("top1", float(np.mean(labels == targets)), count)
    error = outputs - targets.reshape(count, -1).astype(np.float64)
    return Accuracy("mse", float(np.mean(error**2)), count)
