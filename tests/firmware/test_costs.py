"""Costs of a core, by which the plan compiler chooses, beside counts on the emulated core."""

import pytest
from counted_layers import counted
from full_range import examples

from edgeprune.firmware import kernels

MAX_ERROR = 0.2
"""How far a prediction may be from the count of a single layer."""

FIRST_SEED = 1000
"""Layers that the tables were not fitted to."""

CASES = [
    (isa, op, pattern)
    for isa in ("dsp", "mve")
    for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    for pattern in kernels.patterns_of(op, isa)
]


@pytest.mark.device
@pytest.mark.parametrize(("isa", "op", "pattern"), CASES)
def test_a_core_takes_the_predicted_instructions(isa, op, pattern, tmp_path):
    seeds = range(FIRST_SEED, FIRST_SEED + examples(20, 300))
    layers = counted(tmp_path, isa, isa, op, pattern, seeds)
    assert len(layers) > 5
    for layer in layers:
        assert layer.predicted == pytest.approx(layer.instructions, rel=MAX_ERROR), layer.text
