import numpy as np
import pytest

from edgeprune.errors import ModelError
from edgeprune.pruning.plan import LayerGoal, left_whole, prospects


def goal(pattern, sparsity, shape=(16, 32), in_channels=None):
    weights = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return LayerGoal("conv/kernel", pattern, weights, in_channels or shape[1], sparsity)


def test_a_sparsity_that_can_be_reached_is_one_line_with_the_numbers():
    assert prospects([goal("2x1", 0.75), goal("unstructured", 0.75)]) == [
        "the sparsity can be reached: 768 of 1,024 weights in 2 layers become zero (75.0%)"
    ]


def test_a_layer_of_few_blocks_says_what_it_allows_at_most():
    head, line = prospects([goal("1x4", 0.95, (2, 8))])
    assert head == (
        "the sparsity cannot be reached in all layers: 12 of 16 weights in 1 layer become "
        "zero (75.0%)"
    )
    assert line == (
        "layer conv/kernel: 1x4 allows at most 75.0% of its 2 x 8 weights, 95.0% was asked for"
    )


def test_n_of_m_says_what_it_is():
    assert "2:4 allows at most 50.0%" in prospects([goal("2:4", 0.8)])[1]


def test_a_pattern_that_does_not_fit_names_the_layer():
    with pytest.raises(ModelError, match=r"^conv/kernel: 2:4 does not fit 6 input channels"):
        prospects([goal("2:4", 0.5, (4, 6))])


def test_weights_that_no_sparse_kernel_could_run_are_told_with_what_prunes_them():
    assert left_whole([10, 20], [10, 20]) == []
    assert left_whole([10, 20], [10, 1000, 20, 500]) == [
        "1,500 weights in 2 other layers stay whole: no sparse kernel could run them; --layers all "
        '(layers = "all" in [prune]) prunes the other convolutions too, for size alone'
    ]
