"""The layer that is wrong: on the emulated board, and on boards made up of the host."""

import emulated
import forced
import nets
import numpy as np
import pytest

from edgeprune import verify
from edgeprune.errors import DeviceError, DeviceTimeout, VerifyError
from edgeprune.models.tflite import graph
from edgeprune.sparsify import stored_dense
from edgeprune.verify.locate import RUNS


def host(tflite, samples, xnnpack):
    """In this process: the files here are our own."""
    return verify.reference_outputs(tflite, samples, xnnpack=xnnpack)


def comparison_of(tflite, count=3, reference=None):
    reference = reference or stored_dense(tflite)
    samples = verify.sample_inputs(reference, None, count)
    expected = verify.reference_outputs(reference, samples)
    return verify.Comparison("net", tflite, reference, samples, expected)


def message(comparison, infer):
    found = infer(comparison.file, comparison.samples)
    with pytest.raises(VerifyError) as raised:
        verify.checked(comparison, found, "here", infer, host)
    return str(raised.value)


@pytest.mark.device
@pytest.mark.parametrize("spoiler", forced.SPOILERS, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("before, outputs", [(0, 1), (4, 2)])
def test_the_layer_that_xnnpack_gets_wrong_is_named(spoiler, before, outputs, tmp_path):
    tflite, wrong = forced.spoilt(spoiler, before, outputs)
    runs = []

    def infer(file, samples):
        runs.append(file)
        return emulated.outputs(file, tmp_path, samples)

    says = message(comparison_of(tflite), infer)
    assert f"outputs first differ at {wrong} (CONV_2D); reading out t" in says
    assert says.endswith("removes or moves the fault; nothing was written")
    assert len(runs) <= 14


def broken_board(layer, change, as_output=None):
    """A board like the host that computes one layer wrong; its filter is given by name.

    Args:
        layer: Name of the layer's output.
        change: Made to the layer's weights.
        as_output: Names of values that, when they are read out, remove the fault.
    """

    def infer(tflite, samples):
        model = graph.read(tflite)
        subgraph = model.subgraphs[0]
        names = [graph.tensor_name(tensor) for tensor in subgraph.tensors]
        if not any(names[i] in (as_output or ()) for i in subgraph.outputs):
            op = graph.producers(subgraph)[names.index(layer)]
            tensor = subgraph.tensors[op.inputs[1]]
            values = change(graph.constant(model, tensor)).astype(graph.dtype_of(tensor))
            tensor.buffer = graph.add_buffer(model, values.tobytes())
        return verify.reference_outputs(graph.write(model), samples)

    return infer


def dense_chain(layers=12):
    net = nets.Net()
    x = net.input(1, 8)
    names = []
    for _ in range(layers):
        x = net.dense(x, 8)
        names.append(f"t{x}")
    return net.build(x), names


@pytest.mark.parametrize("position", [0, 5, 11])
@pytest.mark.parametrize("factor", [2.0, np.nan, np.inf])
def test_wrong_values_and_values_that_are_no_numbers_are_found(position, factor):
    tflite, names = dense_chain()
    says = message(comparison_of(tflite), broken_board(names[position], lambda w: w * factor))
    assert f"outputs first differ at {names[position]} (FULLY_CONNECTED); nothing" in says


def test_values_that_cannot_be_judged_are_named():
    tflite, names = dense_chain()
    hidden = names[3:6]
    board = broken_board(names[4], lambda w: w * 2, as_output=hidden)
    says = message(comparison_of(tflite), board)
    assert f"first differ at {names[6]} (FULLY_CONNECTED), or before it at " in says
    assert ", ".join(f"{name} (FULLY_CONNECTED)" for name in hidden) in says
    assert f"; reading out {hidden[-1]} (FULLY_CONNECTED) removes or moves the fault" in says


def test_an_integer_layer_is_found():
    net = nets.Net()
    x = net.tensor((1, 8), "int8", scale=0.5)
    net.graph.inputs.append(x)
    names = []
    for _ in range(6):
        filters = net.const(net.rng.integers(-90, 90, (8, 8)).astype(np.int8), scale=0.01)
        out = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 8), "FullyConnectedOptions")
        net.graph.operators[-1].outputs = np.array([net.tensor((1, 8), "int8", scale=0.5)])
        x = int(net.graph.operators[-1].outputs[0])
        assert x != out
        names.append(f"t{x}")
    comparison = comparison_of(net.build(x))
    says = message(comparison, broken_board(names[2], lambda w: -w))
    assert f"outputs first differ at {names[2]} (FULLY_CONNECTED); nothing" in says


def test_a_wrong_second_output_is_followed_and_the_right_first_one_is_not():
    net = nets.Net()
    x = net.input(1, 8)
    shared = net.dense(x, 8)
    first, inner = net.dense(shared, 4), net.dense(shared, 8)
    tflite = net.build(first, net.dense(inner, 4))
    says = message(comparison_of(tflite), broken_board(f"t{inner}", lambda w: w + 1))
    assert f"outputs first differ at t{inner} (FULLY_CONNECTED); nothing" in says


def test_a_file_that_the_host_computes_wrong_as_well_is_itself_at_fault():
    tflite, names = dense_chain()
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    filters = subgraph.tensors[subgraph.operators[7].inputs[1]]
    values = graph.constant(model, filters) + 1
    filters.buffer = graph.add_buffer(model, values.tobytes())
    comparison = comparison_of(graph.write(model), reference=tflite)
    says = message(comparison, verify.reference_outputs)
    assert f"the file that is wrong: outputs first differ at {names[7]}" in says


def failing_board(layer, error):
    """Answers once, and then with ``error``; and the list of what it was asked."""
    right = broken_board(layer, lambda w: w * 2)
    asked = []

    def infer(file, samples):
        asked.append(file)
        if len(asked) > 1:
            raise error
        return right(file, samples)

    return infer, asked


def test_a_lost_device_ends_the_search_and_the_verdict_stands():
    tflite, names = dense_chain()
    infer, asked = failing_board(names[4], DeviceTimeout("nothing came back"))
    says = message(comparison_of(tflite), infer)
    assert f"first differ at {names[-1]}" in says and "the search ended after 1 runs" in says
    assert len(asked) == 2


def test_a_runtime_that_refuses_every_probe_ends_the_search_at_its_limit():
    tflite, names = dense_chain(60)
    infer, asked = failing_board(names[4], DeviceError("load: cannot compile the model"))
    says = message(comparison_of(tflite), infer)
    assert "and 56 more, which could not be judged" in says
    assert len(asked) <= 1 + RUNS


def test_a_reference_that_is_no_number_is_the_models_fault():
    tflite, _ = dense_chain()
    comparison = comparison_of(tflite)
    comparison.expected[1][0][0, 0] = np.nan
    with pytest.raises(VerifyError, match=r"no numbers \(NaN or infinity\)"):
        verify.checked(comparison, comparison.expected, "here", verify.reference_outputs, host)


def test_a_wrong_output_that_no_layer_computes_is_said_to_be_none():
    net = nets.Net()
    x = net.input(1, 8)
    comparison = comparison_of(net.build(x, net.relu(x)))

    def infer(file, samples):
        return [[row[0] + 1, *row[1:]] for row in verify.reference_outputs(file, samples)]

    assert "the wrong output is computed by no layer; nothing" in message(comparison, infer)
