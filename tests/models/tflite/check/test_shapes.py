"""Operands that do not fit each other are refused in one sentence that says how."""

import numpy as np
import pytest
from nets import Net

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph

EMPTY_FILTERS = {
    "CONV_2D": ((0, 1, 1, 3), (1, 4, 4, 3), (1, 4, 4, 0)),
    "DEPTHWISE_CONV_2D": ((1, 0, 3, 3), (1, 4, 4, 3), (1, 4, 4, 3)),
    "FULLY_CONNECTED": ((0, 4), (1, 4), (1, 0)),
}


@pytest.mark.parametrize("op", EMPTY_FILTERS)
def test_a_filter_without_elements_is_named_as_such(op):
    weights, values, made = EMPTY_FILTERS[op]
    net = Net()
    operands = [net.input(*values), net.const(np.zeros(weights, np.float32)), -1]
    kinds = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}
    strides = {"strideH": 1, "strideW": 1} if op in kinds else {}
    out = net.op(op, operands, made, kinds.get(op, "FullyConnectedOptions"), **strides)
    with pytest.raises(ModelError) as refused:
        graph.read(net.build(out))
    said = f"operator 0 ({op}) has a filter without elements, of the shape {weights}"
    assert said in str(refused.value)
