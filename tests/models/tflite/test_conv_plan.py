"""Plans of layers: which layers have one, and how blocks are packed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_layers import random_layer

from edgeprune.models.tflite import conv_plan, graph


@pytest.fixture
def layer():
    """A layer of convolution and its parts, to be changed."""
    model = graph.read(random_layer(3, "CONV_2D", usual=True).tflite)
    subgraph = model.subgraphs[0]
    return model, subgraph, subgraph.operators[0]


def test_blocks_that_are_zero_are_left_out_and_channels_that_are_missing_are_zero():
    weights = np.zeros((2, 1, 2, 6), np.int8)
    weights[0, 0, 1, 5] = 7
    weights[1, 0, 0, 1] = -1
    weights[1, 0, 1] = 2
    count, step, blocks = conv_plan.packed_blocks(weights)
    assert count.tolist() == [1, 3]
    assert step.tolist() == [3, 0, 2, 1]
    assert blocks.tolist() == [[0, 7, 0, 0], [0, -1, 0, 0], [2, 2, 2, 2], [2, 2, 0, 0]]


@given(st.lists(st.sets(st.integers(0, 1199), max_size=6), min_size=1, max_size=4))
def test_steps_lead_to_every_block_and_to_zeros_where_it_is_far(kept):
    rows = np.zeros((len(kept), 1200, 4), np.int8)
    for row, positions in enumerate(kept):
        rows[row, sorted(positions), 0] = [position % 127 + 1 for position in sorted(positions)]
    count, step, blocks = conv_plan.packed_blocks(rows.reshape(len(kept), 2, 2, -1))
    assert count.dtype == np.dtype("<u2") and step.dtype == np.uint8
    found = np.zeros_like(rows)
    for row, end in enumerate(np.cumsum(count)):
        of_row = slice(end - count[row], end)
        found[row, np.cumsum(step[of_row], dtype=np.int64)] = blocks[of_row]
    np.testing.assert_array_equal(found, rows)


def test_a_plan_has_few_bytes_beside_its_blocks(layer):
    model, subgraph, op = layer
    weights = graph.constant(model, subgraph.tensors[op.inputs[1]])
    blocks = len(conv_plan.packed_blocks(weights)[2])
    assert len(conv_plan.plan_of(*layer)) == 96 + 10 * len(weights) + 5 * blocks


def set_dtype(tensor):
    tensor.type = 0


def set_scale(tensor):
    tensor.quantization.scale = tensor.quantization.scale * np.float32(1e9)


def set_zero_point(tensor):
    tensor.quantization.zeroPoint = tensor.quantization.zeroPoint + 1


def drop_quantization(tensor):
    tensor.quantization = None


def drop_data(tensor):
    tensor.buffer = 0


@pytest.mark.parametrize(
    ("operand", "change", "why"),
    [
        (0, set_dtype, "have to be int8"),
        (1, drop_data, "have to be int8"),
        (1, set_scale, "a scale is not between 0 and 256"),
        (1, set_zero_point, "the zero point of its weights is not 0"),
        (0, drop_quantization, "has no scale"),
        (2, drop_data, "its bias has to be a constant"),
    ],
)
def test_a_layer_that_no_plan_can_stand_for_says_why(layer, operand, change, why):
    model, subgraph, op = layer
    change(subgraph.tensors[op.inputs[operand]])
    with pytest.raises(ValueError, match=why):
        conv_plan.plan_of(model, subgraph, op)


def test_groups_and_other_activations_have_no_plan(layer):
    model, subgraph, op = layer
    op.builtinOptions.fusedActivationFunction = 4  # TANH
    with pytest.raises(ValueError, match="fused activation"):
        conv_plan.plan_of(model, subgraph, op)
    source = subgraph.tensors[op.inputs[0]]
    source.shape = source.shape * np.array([1, 1, 1, 2])
    with pytest.raises(ValueError, match="channels are in groups"):
        conv_plan.plan_of(model, subgraph, op)


def test_a_depthwise_convolution_has_no_plan():
    model = graph.view(random_layer(1, "DEPTHWISE_CONV_2D").tflite)
    subgraph = model.subgraphs[0]
    with pytest.raises(ValueError, match="no kernel of edgeprune's own is a DEPTHWISE_CONV_2D"):
        conv_plan.plan_of(model, subgraph, subgraph.operators[0])
