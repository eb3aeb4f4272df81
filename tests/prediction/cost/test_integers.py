"""What full integers are predicted to take, beside what an emulated Cortex-A76 counts."""

import emulated
import numpy as np
import pytest
from full_range import also
from nets import Net, eligible

from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.prediction import explain
from edgeprune.prediction.cost.integers import int8_instructions
from edgeprune.quantize import quantize

CPU = resolved_cpu(load_board("rpi5-emulated").cpu)


def keyword(columns=32):
    """The keyword network's kinds of layers: the first one has a large kernel and one channel."""
    net = Net()
    x = net.conv(net.input(1, 25, 10, 1), columns, kernel=5, stride=2)
    for _ in range(2):
        x = net.conv(net.depthwise(x), columns)
    return net.build(net.dense(net.mean(x), 10))


def residual():
    """Convolutions with a sum and a pooling layer between them."""
    net = Net()
    x = net.conv(net.input(1, 16, 16, 3), 16, kernel=3)
    x = net.max_pool(net.add(net.conv(x, 16, kernel=3), x))
    return net.build(net.dense(net.mean(net.conv(x, 24)), 10))


@pytest.mark.parametrize("make", [also(keyword), residual, lambda: eligible(sparsity=0.0, size=32)])
def test_the_count_is_within_a_twentieth(make, tmp_path, monkeypatch):
    monkeypatch.setattr(emulated, "BOARD", "rpi5-emulated")
    tflite, totals = make(), []
    stored = quantize(tflite, "int8", None).tflite
    for warmup in (1, 5):
        with emulated.loaded(stored, tmp_path, count_instructions=True) as session:
            session.time(warmup=warmup, runs=1, max_s=0.0, timeout_s=120.0)
            totals.append(session.close())
    counted = (totals[1] - totals[0]) / 4
    assert int8_instructions(tflite, CPU) == pytest.approx(counted, rel=0.05)


def test_a_layer_that_stays_in_floats_takes_what_floats_take():
    tflite = keyword()
    (first, *_) = [one for one in explain(tflite, CPU).operators if one.op == "CONV_2D"]
    more = int8_instructions(tflite, CPU, [first.name]) - int8_instructions(tflite, CPU)
    assert 0 < more < first.instructions + 3000


def test_a_layer_of_another_kind_is_guessed_by_what_floats_take():
    net = Net()
    block, crops = net.const(np.array([2, 2], np.int32)), net.const(np.zeros((2, 2), np.int32))
    inputs = [net.input(1, 8, 8, 16), block, crops]
    net = net.build(net.op("SPACE_TO_BATCH_ND", inputs, (4, 4, 4, 16), "SpaceToBatchNDOptions"))
    assert int8_instructions(net, CPU) > 2000
