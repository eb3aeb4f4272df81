"""Do two files compute the same? For tests of passes over graphs."""

import numpy as np

from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.verify import reference_outputs, sample_inputs

ARM = Cpu(core="cortex-a72", isa="aarch64", features=())


class Built(bytes):
    """A file that a failing example does not print."""

    def __repr__(self):
        return f"<{', '.join(names_of(self))}>"


def names_of(tflite):
    """Operators in execution order."""
    model = graph.read(bytes(tflite))
    return [graph.op_name(model, op) for op in model.subgraphs[0].operators]


def gap(before, after, count=2):
    """Largest difference of outputs on the host, as a share of the largest output."""
    samples = sample_inputs(before, None, count)
    worst = largest = 0.0
    for expected, found in zip(
        reference_outputs(before, samples), reference_outputs(after, samples), strict=True
    ):
        for one, other in zip(expected, found, strict=True):
            assert one.shape == other.shape
            worst = max(worst, float(np.abs(one - other).max()))
            largest = max(largest, float(np.abs(one).max()))
    return worst / largest if worst else 0.0
