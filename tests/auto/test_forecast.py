import nets
import pytest
from nets import Net

from edgeprune.auto.forecast import forecast, grid
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.prediction import explain
from edgeprune.recipe.prune_table import PruneTable

A72 = Cpu("cortex-a72", "aarch64", ())


def stock():
    """Stem, pointwise and strided depthwise layers as Keras pads them."""
    net = Net()
    x = net.conv(net.input(1, 64, 64, 3), 16, kernel=3, stride=2)
    x = net.conv(x, 64)
    x = net.depthwise(x, stride=2)
    return net.build(net.mean(net.conv(x, 128)))


def test_a_stock_model_is_predicted_sparse_after_the_rewrite():
    before = explain(stock(), A72)
    found = forecast(stock(), PruneTable(sparsity=0.9), A72)
    assert not before.sparse and len(found.plan.sparse) == 2
    assert found.plan.instructions < before.instructions
    assert any("turn" in step for step in found.steps)


def test_more_zeros_cost_less_and_come_in_rows():
    cells = grid(stock(), (0.75, 0.9), ("unstructured", "2x1"), A72)
    assert [(c.sparsity, c.pattern) for c in cells] == [
        (0.75, "unstructured"),
        (0.75, "2x1"),
        (0.9, "unstructured"),
        (0.9, "2x1"),
    ]
    assert cells[2].plan.instructions < cells[0].plan.instructions
    assert cells[3].plan.instructions < cells[2].plan.instructions


def test_no_forecast_has_wrong_outputs():
    found = forecast(nets.wrong_on_arm(0.0), PruneTable(sparsity=0.9), A72)
    assert not found.plan.wrong


def test_sparsity_0_predicts_the_zeros_that_are_there():
    found = forecast(nets.eligible(0.9), PruneTable(sparsity=0.0), A72)
    assert len(found.plan.sparse) == 2


def test_quantized_weights_cannot_be_pruned():
    with pytest.raises(ModelError, match="quantized"):
        forecast(nets.eligible(0.9, "int8"), PruneTable(sparsity=0.9), A72)


def test_allocations_that_need_data_are_forecast_as_uniform():
    table = PruneTable(sparsity=0.9, allocation="cost_aware")
    assert (
        forecast(stock(), table, A72).plan == forecast(stock(), PruneTable(sparsity=0.9), A72).plan
    )
