import numpy as np

from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.prediction.cost.cycles import costs_of
from edgeprune.pruning.budget.kernel_pattern import Layer, cost
from edgeprune.pruning.budget.layer_costs import layer_costs

POINTS = (0.0, 0.5, 0.9)


def table():
    return costs_of(resolved_cpu(load_board("rpi4").cpu))


def test_a_layer_costs_what_the_board_s_table_says_for_its_pattern():
    layer = Layer("conv/kernel", 64, 32, 196)
    for pattern, block in (("unstructured", 1), ("2x1", 2), ("4x1", 4), ("1x4", 1)):
        found = layer_costs(table(), layer, pattern, POINTS)
        assert found.tolist() == [cost(table(), layer, share, block) for share in POINTS]


def test_zeros_make_a_layer_cheaper_the_more_the_more_pixels_it_has():
    large = layer_costs(table(), Layer("a", 64, 32, 256), "unstructured", POINTS)
    small = layer_costs(table(), Layer("b", 64, 32, 64), "unstructured", POINTS)
    assert np.all(np.diff(large) < 0)
    assert large[0] - large[1] > 3 * (small[0] - small[1])


def test_layers_without_a_sparse_kernel_and_of_unknown_size_have_no_costs():
    assert layer_costs(table(), Layer("head/kernel", 10, 64, 0), "unstructured", POINTS) is None
    assert layer_costs(table(), Layer("conv/kernel", 10, 64, None), "unstructured", POINTS) is None
