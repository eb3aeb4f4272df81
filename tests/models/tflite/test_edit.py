import copy

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from full_range import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import Net
from random_nets import graphs

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import edit, graph


def outputs(tflite):
    samples = verify.sample_inputs(tflite, None, 2)
    return [array for row in verify.reference_outputs(tflite, samples) for array in row]


def assert_same_outputs(before, after):
    for ours, theirs in zip(outputs(after), outputs(before), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def chain(length=3):
    """RELUs in a row, and the tensor in front of the first."""
    net = Net()
    x = net.conv(net.input(1, 4, 4, 3), 4)
    for _ in range(length):
        x = net.relu(x)
    return net.build(x)


def constants(model):
    subgraph = model.subgraphs[0]
    return [t for t in subgraph.tensors if graph.constant(model, t) is not None]


@settings(
    deadline=None, max_examples=examples(10, 30), suppress_health_check=[HealthCheck.too_slow]
)
@given(tflite=graphs(), data=st.data())
def test_sorting_any_order_gives_one_that_runs_and_computes_the_same(tflite, data):
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    subgraph.operators = data.draw(st.permutations(subgraph.operators))
    edit.sort(subgraph)
    made = {int(out) for op in subgraph.operators for out in op.outputs}
    for op in subgraph.operators:
        assert not made & {int(i) for i in op.inputs}
        made -= {int(out) for out in op.outputs}
    assert_same_outputs(tflite, graph.write(model))


@settings(
    deadline=None, max_examples=examples(10, 30), suppress_health_check=[HealthCheck.too_slow]
)
@given(tflite=graphs())
def test_sorting_leaves_an_order_that_runs_as_it_is(tflite):
    subgraph = graph.read(tflite).subgraphs[0]
    before = list(subgraph.operators)
    edit.sort(subgraph)
    assert all(a is b for a, b in zip(before, subgraph.operators, strict=True))


def test_sorting_refuses_a_cycle():
    subgraph = graph.read(chain()).subgraphs[0]
    _, first, _, last = subgraph.operators
    edit.set_operand(first, 0, int(last.outputs[0]))
    with pytest.raises(ModelError, match="cycle"):
        edit.sort(subgraph)


def test_sweeping_removes_what_leads_to_no_output_and_nothing_else():
    tflite = chain()
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    before = list(subgraph.operators)
    weights = edit.add_constant(model, subgraph, np.ones(4, np.float32), "unread")
    dead = [edit.add_tensor(subgraph, (1, 4, 4, 4), name) for name in ("dead", "deader")]
    source = int(before[0].outputs[0])
    edit.add_operator(model, subgraph, "ADD", [source, weights], dead[0])
    edit.add_operator(model, subgraph, "RELU", [dead[0]], dead[1])
    edit.sweep(subgraph)
    assert subgraph.operators == before
    assert subgraph.tensors[weights].buffer == 0
    assert_same_outputs(tflite, graph.write(model))


@settings(
    deadline=None, max_examples=examples(10, 40), suppress_health_check=[HealthCheck.too_slow]
)
@given(tflite=graphs())
def test_compacting_makes_a_graph_no_larger_and_computes_the_same(tflite):
    model = graph.read(tflite)
    edit.compact(model)
    after = graph.write(model)
    assert len(after) <= len(tflite)
    assert_same_outputs(tflite, after)
    edit.compact(model)
    assert graph.write(model) == after


def test_equal_constants_become_one_and_unequal_ones_do_not():
    net = Net()
    x = net.input(1, 4)
    for values in ([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 5]):
        constant = net.const(np.array(values, np.float32))
        x = net.op("ADD", [x, constant], (1, 4), "AddOptions")
    for shape in ((1, 4), (4,)):  # the same bytes in another shape are another constant
        constant = net.const(np.array([1, 2, 3, 4], np.float32).reshape(shape))
        x = net.op("MUL", [x, constant], (1, 4), "MulOptions")
    tflite = net.build(x)
    model = graph.read(tflite)
    edit.compact(model)
    assert len(constants(model)) == 3
    assert_same_outputs(tflite, graph.write(model))


@pytest.mark.parametrize("change", ["variable", "scales", "sparsity"])
def test_constants_that_are_more_than_their_bytes_are_not_shared(change):
    net = Net()
    x = net.input(1, 4)
    for _ in range(2):
        constant = net.const(np.ones(4, np.float32))
        x = net.op("ADD", [x, constant], (1, 4), "AddOptions")
    model = graph.read(net.build(x))
    for tensor in constants(model):
        tensor.isVariable = change == "variable"
        if change == "scales":
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [0.5]
        elif change == "sparsity":
            tensor.sparsity = schema.SparsityParametersT()
    before = len(model.subgraphs[0].tensors)
    edit.compact(model)
    assert len(model.subgraphs[0].tensors) == before


def test_compacting_keeps_inputs_outputs_and_what_the_signature_calls_them():
    net = Net()
    net.tensor((7,))  # unread, so that every other tensor gets another number
    unread, x = net.input(1, 2), net.input(1, 4)
    tflite = net.build(net.dense(x, 3), x)
    model = graph.read(tflite)
    graph.add_signature(model, ["unread", "x"], ["y", "x"])
    shapes = [graph.shape_of(model.subgraphs[0].tensors[i]) for i in (unread, x)]
    edit.compact(model)
    after = graph.read(graph.write(model))
    subgraph, (signature,) = after.subgraphs[0], after.signatureDefs
    assert [graph.shape_of(subgraph.tensors[i]) for i in subgraph.inputs] == shapes
    assert [entry.tensorIndex for entry in signature.inputs] == list(subgraph.inputs)
    assert [entry.tensorIndex for entry in signature.outputs] == list(subgraph.outputs)


def test_compacting_the_first_subgraph_leaves_the_data_of_the_others():
    model = graph.read(chain())
    other = copy.deepcopy(model.subgraphs[0])
    edit.add_constant(model, other, np.arange(5, dtype=np.float32), "other")
    model.subgraphs.append(other)
    right = [graph.stored_values(model, tensor) for tensor in other.tensors]
    edit.add_constant(model, model.subgraphs[0], np.ones(9, np.float32), "unread")
    edit.compact(model)
    after = graph.read(graph.write(model))
    assert len(after.subgraphs[0].tensors) < len(after.subgraphs[1].tensors)
    for tensor, values in zip(after.subgraphs[1].tensors, right, strict=True):
        np.testing.assert_array_equal(graph.stored_values(after, tensor), values)


def test_names_get_shorter_but_stay_apart_and_those_of_outputs_stay():
    model = graph.read(chain(4))
    ops = model.subgraphs[0].operators
    tensors = [model.subgraphs[0].tensors[int(op.outputs[0])] for op in ops]
    names = (
        "m/a/Relu;m/c/Conv2D",
        "m/d/Relu;m/e/Conv2D",
        "m/e/Conv2D",
        "m/f",
        "m/g/Relu;m/g/Conv2D",
    )
    for tensor, name in zip(tensors, names, strict=True):
        tensor.name = name.encode()
    edit.shorten_names(model)
    assert [graph.tensor_name(tensor) for tensor in tensors] == ["m/c/Conv2D", *names[1:]]


def test_an_operator_takes_the_options_that_it_has_and_no_others():
    model = graph.read(chain())
    subgraph = model.subgraphs[0]
    tensor = int(subgraph.outputs[0])
    op = edit.add_operator(model, subgraph, "MEAN", [tensor], tensor, keepDims=True)
    assert op.builtinOptions.keepDims is True
    with pytest.raises(AttributeError, match="MEAN has no option keep_dims"):
        edit.add_operator(model, subgraph, "MEAN", [tensor], tensor, keep_dims=True)
