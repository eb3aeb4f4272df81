import numpy as np
import odd_nets
import pytest
from nets import eligible
from odd_nets import OddNet

from edgeprune import graph
from edgeprune.errors import ModelError
from edgeprune.host_shapes import planned_tensors
from edgeprune.static_shapes import with_static_shapes
from edgeprune.verify.host import HostModel
from edgeprune.verify.inputs import sample_inputs


def operators(tflite):
    model = graph.read(tflite)
    return [graph.op_name(model, op) for op in model.subgraphs[0].operators]


def on_host(tflite, sample):
    """Outputs of the file as it is, on inputs of a size that its open shapes allow."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=tflite,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    inputs = graph.io_tensors(graph.read(tflite))[0]
    for index, value in zip(inputs, sample, strict=True):
        interpreter.resize_tensor_input(index, value.shape)
    interpreter.allocate_tensors()
    for index, value in zip(inputs, sample, strict=True):
        interpreter.set_tensor(index, value)
    interpreter.invoke()
    return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]


@pytest.mark.parametrize(
    "then, left",
    [
        ("RESHAPE", ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]),
        ("FILL", ["CONV_2D", "MEAN", "CONCATENATION"]),
        ("BROADCAST_TO", ["CONV_2D", "MEAN", "CONCATENATION"]),
    ],
)
def test_with_the_batch_at_1_operators_on_shapes_become_constants(then, left):
    before = odd_nets.open_batch(then)
    assert planned_tensors(before).dynamic
    after = with_static_shapes(before)
    assert operators(after) == left
    assert planned_tensors(after).dynamic == frozenset()
    for sample in sample_inputs(after, None, 3):
        for ours, theirs in zip(
            HostModel(after, reference=True)(sample), on_host(before, sample), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_a_file_without_open_shapes_stays_as_it_is():
    for tflite in (eligible(), odd_nets.accumulator(), odd_nets.loop(), odd_nets.choice()):
        assert with_static_shapes(tflite) is tflite


def test_shapes_that_depend_on_the_data_stay_open():
    tflite = odd_nets.positions()
    after = with_static_shapes(tflite)
    assert operators(after) == operators(tflite)
    assert planned_tensors(after).dynamic


def test_open_sizes_are_filled_in_by_the_user():
    before = odd_nets.open_size()
    with pytest.raises(ModelError, match=r"input 't0' has the open shape \(\?, \?, 3\)"):
        with_static_shapes(before)
    with pytest.raises(ModelError, match=r"which --input-shape 6,5,4 does not fit"):
        with_static_shapes(before, (6, 5, 4))
    after = with_static_shapes(before, (6, 5, 3))
    model = graph.read(after)
    shapes = [graph.shape_of(tensor) for tensor in model.subgraphs[0].tensors]
    assert (1, 6, 5, 3) in shapes and (1, 6, 5, 2) in shapes
    (sample,) = sample_inputs(after, None, 1)
    np.testing.assert_array_equal(
        HostModel(after, reference=True)(sample)[0], on_host(before, sample)[0]
    )


def test_an_input_shape_that_a_fixed_file_does_not_have_is_refused():
    assert with_static_shapes(eligible(), (16, 16, 3))
    with pytest.raises(ModelError, match="does not fit"):
        with_static_shapes(eligible(), (8, 8, 3))


def test_an_output_that_is_a_shape_stays_an_operators():
    net = OddNet()
    x = net.open(net.entry((1, 8)), -1, 8)
    y = net.open(net.dense(x, 4), -1, 4)
    shape = net.raw("SHAPE", [y], [net.tensor((2,), "int32")], "ShapeOptions", outType=2)
    after = with_static_shapes(net.build(y, shape))
    assert "SHAPE" in operators(after)


def test_chance_is_not_folded():
    net = OddNet()
    x = net.open(net.entry((1, 4)), -1, 4)
    shape = net.raw("SHAPE", [x], [net.tensor((2,), "int32")], "ShapeOptions", outType=2)
    noise = net.open(net.tensor((1, 4)), -1, 4)
    net.raw("RANDOM_UNIFORM", [shape], [noise], "RandomOptions")
    after = with_static_shapes(net.build(net.add(x, noise)))
    assert operators(after) == ["RANDOM_UNIFORM", "ADD"]
