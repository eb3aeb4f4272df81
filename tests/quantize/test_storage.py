import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.prediction.xnnpack.spmm import analyse
from edgeprune.pruning.patterns import by_magnitude
from edgeprune.quantize.storage import as_int8


@pytest.mark.parametrize("block", [2, 4])
@given(seed=st.integers(0, 999), spread=st.floats(0, 4), sparsity=st.floats(0.55, 0.95))
def test_int8_keeps_the_blocks_of_a_kernel_and_errs_by_one_step_at_most(
    block, seed, spread, sparsity
):
    rng = np.random.default_rng(seed)
    values = np.exp(spread * rng.normal(size=(10, 17))) * rng.choice([-1, 1], (10, 17))
    pruned = by_magnitude(f"{block}x1", values.astype(np.float32), sparsity).values
    stored, scale = as_int8(pruned.reshape(10, 1, 1, 17), 1, 0, "filter")
    matrix = stored.reshape(10, 17)
    assert analyse(matrix).block >= block
    assert not matrix[pruned == 0].any()
    assert np.abs(matrix * scale[:, None] - pruned).max() <= 1.001 * scale.max()


def test_without_blocks_small_weights_round_to_zero():
    values = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32) ** 5
    stored, scale = as_int8(values, 1, 0, "filter")
    assert (stored == 0).any()
    assert np.abs(stored * scale[:, None] - values).max() <= 0.501 * scale.max()
