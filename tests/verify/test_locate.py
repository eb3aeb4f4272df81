"""The layer that is wrong: on the emulated board, and on boards made up of the host."""

import dataclasses
from importlib import import_module

import emulated
import forced
import nets
import numpy as np
import pytest
from full_range import also

from edgeprune import verify
from edgeprune.errors import DeviceError, DeviceTimeout, VerifyError
from edgeprune.models.tflite import graph
from edgeprune.sparsify import stored_dense
from edgeprune.verify.locate import RUNS, _worst_sample, locate


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
@pytest.mark.parametrize(
    ("spoiler", "before", "outputs"),
    [
        (forced.SPOILERS[0], 0, 1),
        (forced.SPOILERS[1], 1, 2),
        *(also(spoiler, 0, 1) for spoiler in forced.SPOILERS[1:]),
        *(also(spoiler, 4, 2) for spoiler in forced.SPOILERS),
    ],
)
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
    assert "and 56 more, which could not be judged: the search ended after 39 runs" in says
    assert len(asked) == RUNS, "two more would be too many, as each value may take two"


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


def scaled(count=2):
    """As many outputs, each what its own input is where that is positive."""
    net = nets.Net()
    return net.build(*(net.relu(net.input(1, 2)) for _ in range(count)))


def row(*values):
    return [np.array([value], np.float32) for value in values]


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        # Right is 1000 and 0: differences up to 1 pass.
        ([row([1000, 0]), row([1000, 3]), row([1000, 2])], 1),
        ([row([1000, 2]), row([1000, 0.5]), row([1000, 0])], 0),
        ([row([1000, 0]), row([1000, 0.5]), row([1000, 2])], 2),
        ([row([1000, 2]), row([1000, 2]), row([1000, 2])], 0),
    ],
)
def test_the_sample_that_differs_most_is_looked_at(found, worst):
    expected = [row([1000, 0])] * 3
    comparison = verify.Comparison("net", scaled(1), scaled(1), expected, expected)
    assert _worst_sample(comparison, found) == worst


def test_a_sample_is_judged_by_its_own_limit_and_by_what_is_wrong_before_what_is_far():
    expected = [row([1000, 0], [1, 0]), row([10, 0], [1, 0]), row([0, 0], [0, 0])]
    comparison = verify.Comparison("net", scaled(), scaled(), expected, expected)
    # 3 and 5 times what passes; the third is right, as far as outputs of zero can be.
    found = [row([1000, 3], [1, 0]), row([10, 0.05], [1, 0]), row([0, 0], [0, 0])]
    assert _worst_sample(comparison, found) == 1
    found[2] = row([0, 0], [0, 100])  # no limit: the difference itself counts
    assert _worst_sample(comparison, found) == 2


def test_a_search_that_lasts_too_long_ends(monkeypatch):
    tflite, names = dense_chain()
    infer, asked = failing_board(names[4], DeviceError("load: cannot compile the model"))
    now = iter([1000.0, 1150.0, 1300.0, 1300.1, *[1400.0] * 50])

    class Clock:
        def monotonic(self):
            return next(now)

    monkeypatch.setattr(import_module("edgeprune.verify.locate"), "time", Clock())
    says = message(comparison_of(tflite), infer)
    # Asked at 150 and at 300 s: two values, each itself alone, for a row of numbers has no mean.
    assert "the search ended after 2 runs" in says and len(asked) == 3


@pytest.mark.parametrize("layers", [3, 4, 5, 6])
def test_of_many_suspects_the_last_three_are_named(layers):
    tflite, names = dense_chain(layers)
    infer, _ = failing_board(names[0], DeviceTimeout("nothing came back"))
    says = message(comparison_of(tflite), infer)
    before = ", ".join(f"{name} (FULLY_CONNECTED)" for name in names[:-1][-3:])
    more = f" and {layers - 4} more" if layers > 4 else ""
    assert f"or before it at {before}{more}, which could not be judged" in says


def map_chain():
    """Pointwise convolutions on a map; their names."""
    net = nets.Net()
    x, names = net.input(1, 3, 3, 4), []
    for _ in range(5):
        x = net.conv(x, 4, act=None)
        names.append(f"t{x}")
    return net.build(x), names


def test_a_value_that_cannot_be_read_itself_is_judged_by_its_mean():
    tflite, names = map_chain()
    # Reading it out itself makes the board right; reading its mean does not.
    board = broken_board(names[2], lambda w: w * 2, as_output=names)
    says = message(comparison_of(tflite), outputs_kept(board))
    assert f"outputs first differ at {names[2]} (CONV_2D)" in says
    assert "which could not be judged" not in says


def test_a_value_that_the_runtime_refuses_as_an_output_is_judged_by_its_mean():
    tflite, names = map_chain()
    plain = broken_board(names[2], lambda w: w * 2)

    def refusing(file, samples):
        subgraph = graph.read(file).subgraphs[0]
        outputs = [graph.tensor_name(subgraph.tensors[i]) for i in subgraph.outputs]
        if any(name in names for name in outputs[1:]):
            raise DeviceError("load: no such output")
        return plain(file, samples)

    says = message(comparison_of(tflite), refusing)
    assert f"outputs first differ at {names[2]} (CONV_2D); nothing was written" in says


def outputs_kept(board):
    """A board on which the model's own output does not count as one that is read out."""

    def infer(tflite, samples):
        model = graph.read(tflite)
        outputs = model.subgraphs[0].outputs
        model.subgraphs[0].tensors[outputs[0]].name = b"own"
        return board(graph.write(model), samples)

    return infer


def test_the_host_is_told_whether_the_board_runs_xnnpack():
    tflite, names = dense_chain(3)
    told = []

    def watched(file, samples, xnnpack):
        told.append(xnnpack)
        return host(file, samples, xnnpack)

    board = broken_board(names[1], lambda w: w * 2)
    for xnnpack in (True, False):
        comparison = dataclasses.replace(comparison_of(tflite), xnnpack=xnnpack)
        found = board(comparison.file, comparison.samples)
        says = locate(comparison, found, board, watched)
        assert says == f"outputs first differ at {names[1]} (FULLY_CONNECTED)"
    assert told == [True, False]


def test_a_fault_that_moves_says_nothing_of_the_value_that_was_read():
    """Outputs that are wrong in another way than before are not the fault that is looked for."""
    tflite, names = dense_chain(4)
    plain = broken_board(names[1], lambda w: w * 2)
    other = broken_board(names[1], lambda w: w * 3)

    def moving(share):
        def infer(file, samples):
            count = len(graph.read(file).subgraphs[0].outputs)
            rows = plain(file, samples)
            if count > 1 and share:
                far = other(file, samples)
                return [
                    [a + np.float32(share) * (b - a) for a, b in zip(*pair, strict=True)]
                    for pair in zip(rows, far, strict=True)
                ]
            return rows

        return infer

    says = message(comparison_of(tflite), moving(0.0))
    assert f"first differ at {names[1]} (FULLY_CONNECTED); nothing" in says
    says = message(comparison_of(tflite), moving(1.0))
    assert f"first differ at {names[-1]} (FULLY_CONNECTED), or before it at {names[0]}" in says
    assert f"; reading out {names[2]} (FULLY_CONNECTED) removes or moves the fault" in says
    assert "the search ended" not in says


@pytest.mark.parametrize(("share", "is_same"), [(0.9, True), (1.3, False)])
def test_outputs_are_the_same_wrong_ones_up_to_a_hundredth_of_what_passes(share, is_same):
    tflite, names = dense_chain(3)
    comparison = comparison_of(tflite, 1)
    plain = broken_board(names[0], lambda w: w * 2)
    passes = 1e-3 * float(np.abs(comparison.expected[0][0]).max())

    def nearly(file, samples):
        (outputs,) = plain(file, samples)
        if len(outputs) > 1:
            outputs[0].flat[np.abs(outputs[0]).argmax()] += np.float32(share * 0.01 * passes)
        return [outputs]

    says = message(comparison, nearly)
    assert ("removes or moves the fault" not in says) is is_same
    assert (f"outputs first differ at {names[0]} (FULLY_CONNECTED); nothing" in says) is is_same


def test_a_reference_without_a_layer_clears_the_layer_and_no_other():
    """A file that is wrong itself, with a layer that its reference has under another name."""
    tflite, names = dense_chain(6)
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    for place in (2, 3):
        filters = subgraph.tensors[subgraph.operators[place].inputs[1]]
        values = graph.constant(model, filters) + 1
        filters.buffer = graph.add_buffer(model, values.tobytes())
    subgraph.tensors[int(subgraph.operators[2].outputs[0])].name = b"elsewhere"
    comparison = comparison_of(graph.write(model), reference=tflite)
    says = message(comparison, verify.reference_outputs)
    assert f"outputs first differ at {names[3]} (FULLY_CONNECTED); nothing" in says
