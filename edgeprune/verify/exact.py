"""Parity of firmware, which is exact: every bit equals that of LiteRT's reference kernels."""

from __future__ import annotations

import numpy as np

from edgeprune.artifacts.arrays import Samples
from edgeprune.artifacts.measurement import Parity
from edgeprune.errors import VerifyError
from edgeprune.models.tflite import graph
from edgeprune.progress import each
from edgeprune.verify.host import HostModel
from edgeprune.verify.parity import argmax_agreement, real_values

EXACT_REFERENCE = "LiteRT reference kernels on the host, bit for bit"


def exact_outputs(tflite: bytes, samples: Samples) -> Samples:
    """Outputs of LiteRT's reference kernels (``OpResolverType.BUILTIN_REF``) on the host.

    Raises:
        ModelError: The host cannot run the model.
    """
    model = HostModel(tflite, reference=True, plain=True)
    return [model(sample) for sample in each(samples, "reference input")]


def exact_parity(tflite: bytes, expected: Samples, found: Samples, where: str) -> Parity:
    """Compares outputs that must be equal.

    Args:
        tflite: The file that ran, whose output tensors give the scale.
        expected: The reference's outputs.
        found: The board's.
        where: What made ``found``.

    Raises:
        VerifyError: Outputs are of another type or shape.
    """
    model = graph.view(tflite)
    tensors = [model.subgraphs[0].tensors[i] for i in graph.io_tensors(model)[1]]
    worst = 0.0
    for k, tensor in enumerate(tensors):
        reference = np.stack([sample[k] for sample in expected])
        device = np.stack([sample[k] for sample in found])
        if (reference.shape, reference.dtype) != (device.shape, device.dtype):
            raise VerifyError(
                f"output {k} is {device.dtype}{list(device.shape[1:])} on {where}, and "
                f"{reference.dtype}{list(reference.shape[1:])} on the host; nothing was written"
            )
        gap = np.abs(real_values(device, tensor) - real_values(reference, tensor))
        worst = max(worst, float(gap.max(initial=0.0)))
    agreement = argmax_agreement(expected, found)
    return Parity(EXACT_REFERENCE, worst, agreement, len(found), where, 0.0, worst == 0.0)
