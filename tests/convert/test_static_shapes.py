import numpy as np
import odd_nets
import pytest
from nets import eligible
from odd_nets import OddNet

from edgeprune.convert.static_shapes import with_static_shapes
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.host_shapes import native_trouble, planned_tensors
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


@pytest.mark.parametrize("sizes", [(1, 2, 0), (0, 1, 2), (3, 0, 0), (1, 1, 1)])
def test_parts_of_a_shape_become_constants_also_where_one_has_no_elements(sizes):
    """As framing of a waveform has them: what stands in front of its axis, it, and what behind."""
    net = OddNet()
    x = net.open(net.entry((1, 4, 6)), -1, 4, 6)
    shape = net.raw("SHAPE", [x], [net.tensor((3,), "int32")], "ShapeOptions", outType=2)
    parts = [net.tensor((size,), "int32") for size in sizes]
    axis = net.const(np.int32(0))
    net.raw(
        "SPLIT_V",
        [shape, net.const(np.array(sizes, np.int32)), axis],
        parts,
        "SplitVOptions",
        numSplits=3,
    )
    joined = net.raw(
        "CONCATENATION", parts[::-1], [net.tensor((3,), "int32")], "ConcatenationOptions", axis=0
    )
    before = net.build(
        net.raw("RESHAPE", [x, joined], [net.open(net.tensor((1, 4, 6)), -1, -1, -1)])
    )
    after = with_static_shapes(before)
    assert operators(after) == ["RESHAPE"]
    sample = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    (ours,), (theirs,) = HostModel(after, reference=True)([sample]), on_host(before, [sample])
    np.testing.assert_array_equal(ours, theirs)


def test_an_operator_with_a_result_too_large_to_be_stored_stays_whole():
    net = OddNet()
    x = net.open(net.entry((1, 4)), -1, 4)
    shape = net.raw("SHAPE", [x], [net.tensor((2,), "int32")], "ShapeOptions", outType=2)
    sizes = net.raw(
        "MUL", [shape, net.const(np.array([1, 20_000], np.int32))], [net.tensor((2,), "int32")]
    )
    many = net.raw(
        "FILL", [sizes, net.const(np.float32(0.5))], [net.open(net.tensor((1, 1)), -1, -1)]
    )
    few, rest = net.open(net.tensor((1, 1)), -1, -1), net.open(net.tensor((1, 1)), -1, -1)
    net.raw(
        "SPLIT_V",
        [many, net.const(np.array([4, 79_996], np.int32)), net.const(np.int32(1))],
        [few, rest],
        "SplitVOptions",
        numSplits=2,
    )
    total = net.open(net.tensor((1, 1)), -1, -1)
    net.raw(
        "SUM", [rest, net.const(np.array([1], np.int32))], [total], "ReducerOptions", keepDims=True
    )
    before = net.build(net.add(net.add(x, few), total))
    after = with_static_shapes(before)
    assert "SPLIT_V" in operators(after)
    sample = np.ones((1, 4), np.float32)
    (ours,), (theirs,) = HostModel(after, reference=True)([sample]), on_host(before, [sample])
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


def waveform():
    """The mean square of a row of any length."""
    net = OddNet()
    x = net.open(net.entry((1,)), -1)
    squared = net.open(net.tensor((1,)), -1)
    net.raw("MUL", [x, x], [squared], "MulOptions")
    axes = net.const(np.array([0], np.int32))
    return net.build(
        net.relu(net.op("MEAN", [squared, axes], (1,), "ReducerOptions", keepDims=True))
    )


def test_a_row_of_any_length_is_no_batch():
    with pytest.raises(
        ModelError, match=r"row of any length.*--input-shape with one size, as 16000"
    ):
        with_static_shapes(waveform())
    with pytest.raises(ModelError, match="--input-shape with one size"):
        with_static_shapes(waveform(), (16, 2))
    after = with_static_shapes(waveform(), (16,))
    (sample,) = sample_inputs(after, None, 1)
    assert sample[0].shape == (16,) and native_trouble(after) == ""
    assert np.allclose(
        HostModel(after, reference=True)(sample)[0], np.mean(sample[0] ** 2), atol=1e-6
    )


def test_a_row_beside_an_input_with_a_batch_has_one_number_an_inference():
    net = OddNet()
    net.open(net.entry((1, 8)), -1, 8)
    net.open(net.entry((1,)), -1)
    after = graph.read(with_static_shapes(net.build(net.dense(0, 4))))
    assert [graph.shape_of(after.subgraphs[0].tensors[i]) for i in (0, 1)] == [(1, 8), (1,)]


def test_an_input_shape_that_a_fixed_file_does_not_have_is_refused():
    assert with_static_shapes(eligible(), (16, 16, 3))
    with pytest.raises(ModelError, match="does not fit"):
        with_static_shapes(eligible(), (8, 8, 3))


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("kind", ["SHAPE", "RANK", "RANGE"])
def test_an_output_that_is_known_before_is_stored_as_the_native_interface_wants_it(kind, is_open):
    net = OddNet()
    x = net.entry((1, 8))
    y = net.dense(net.open(x, -1, 8) if is_open else x, 4)
    known = {
        "SHAPE": lambda: net.raw(
            "SHAPE", [y], [net.tensor((2,), "int32")], "ShapeOptions", outType=2
        ),
        "RANK": lambda: net.raw("RANK", [y], [net.tensor((), "int32")], "RankOptions"),
        "RANGE": lambda: net.raw(
            "RANGE",
            [net.const(np.int32(k)) for k in (0, 4, 2)],
            [net.tensor((2,), "int32")],
            "RangeOptions",
        ),
    }[kind]()
    before = net.build(y, known)
    after = with_static_shapes(before)
    assert operators(after) == ["FULLY_CONNECTED"]
    assert native_trouble(before) and not native_trouble(after)
    values = HostModel(after, reference=True)([np.zeros((1, 8), np.float32)])[1]
    assert values.tolist() == {"SHAPE": [1, 4], "RANK": 2, "RANGE": [0, 2]}[kind]


def test_chance_is_not_folded():
    net = OddNet()
    x = net.open(net.entry((1, 4)), -1, 4)
    shape = net.raw("SHAPE", [x], [net.tensor((2,), "int32")], "ShapeOptions", outType=2)
    noise = net.open(net.tensor((1, 4)), -1, 4)
    net.raw("RANDOM_UNIFORM", [shape], [noise], "RandomOptions")
    after = with_static_shapes(net.build(net.add(x, noise)))
    assert operators(after) == ["RANDOM_UNIFORM", "ADD"]
