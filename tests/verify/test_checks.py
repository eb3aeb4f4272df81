import nets
import numpy as np
import pytest
from nets import Net

from edgeprune import verify
from edgeprune.errors import VerifyError
from edgeprune.models.tflite import graph
from edgeprune.verify.parity import ROUNDING_FACTOR


def dense_net(units=3):
    net = Net()
    return net.build(net.dense(net.input(1, 4), units))


def test_a_conversion_that_changes_the_outputs_is_refused():
    tflite = dense_net()
    samples = verify.sample_inputs(tflite, None, 2)
    right = verify.reference_outputs(tflite, samples)
    verify.check_conversion(tflite, samples, right)
    with pytest.raises(VerifyError, match="does not compute"):
        verify.check_conversion(tflite, samples, [[o + 0.1 for o in row] for row in right])
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, samples, [[o * np.nan for o in row] for row in right])


def with_weights(tflite, change):
    """The same model with the values of its last filter changed."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    layers = [op for op in subgraph.operators if graph.op_name(model, op) == "CONV_2D"]
    tensor = subgraph.tensors[layers[-1].inputs[1]]
    values = change(graph.constant(model, tensor)).astype(np.float32)
    tensor.buffer = graph.add_buffer(model, values.tobytes())
    return graph.write(model)


def test_a_rewrite_that_changes_nothing_differs_by_nothing():
    tflite = nets.eligible(0.0)
    assert verify.check_rewrite(tflite, tflite, verify.sample_inputs(tflite, None, 3)) == 0.0


def test_the_difference_of_a_rewrite_is_a_share_of_the_largest_output():
    tflite = nets.eligible(0.0, act=None)
    samples = verify.sample_inputs(tflite, None, 3)
    close = with_weights(tflite, lambda w: w * (1 + 2e-6))
    assert 0 < verify.check_rewrite(tflite, close, samples) < verify.REWRITE_LIMIT
    far = with_weights(tflite, lambda w: w * (1 + 1e-3))
    with pytest.raises(VerifyError, match="output 0 of the rewritten model differs"):
        verify.check_rewrite(tflite, far, samples)


def test_a_rewrite_that_makes_outputs_no_numbers_is_refused():
    tflite = nets.eligible(0.0, act=None)
    samples = verify.sample_inputs(tflite, None, 1)
    with pytest.raises(VerifyError, match="by nan"):
        verify.check_rewrite(tflite, with_weights(tflite, lambda w: w * np.nan), samples)


def test_a_rewrite_with_other_outputs_is_refused():
    net = Net()
    x = net.input(1, 4)
    first, second = net.dense(x, 3), net.dense(x, 3)
    one, two = net.build(first), net.build(first, second)
    samples = verify.sample_inputs(one, None, 1)
    with pytest.raises(VerifyError, match="other outputs"):
        verify.check_rewrite(one, two, samples)


def test_every_output_of_a_rewrite_is_compared():
    net = Net()
    x = net.input(1, 4)
    first, second, third = net.dense(x, 3), net.dense(x, 3), net.dense(x, 3)
    original = net.build(first, second)
    net.graph.inputs = list(net.graph.inputs)
    swapped = net.build(first, third)
    samples = verify.sample_inputs(original, None, 2)
    with pytest.raises(VerifyError, match="output 1"):
        verify.check_rewrite(original, swapped, samples)


def test_a_network_that_amplifies_rounding_may_differ_by_more(monkeypatch):
    tflite = nets.eligible(0.0, act=None)
    samples = verify.sample_inputs(tflite, None, 2)
    off = with_weights(tflite, lambda w: w * (1 + 1e-4))
    with pytest.raises(VerifyError):
        verify.check_rewrite(tflite, off, samples)
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [1.0])
    assert verify.check_rewrite(tflite, off, samples) > verify.REWRITE_LIMIT


def test_rounding_counts_as_a_share_of_the_largest_output(monkeypatch):
    tflite = nets.eligible(0.0, act=None)
    samples = verify.sample_inputs(tflite, None, 2)
    off = with_weights(tflite, lambda w: w * (1 + 1e-4))
    found = verify.reference_outputs(tflite, samples)
    largest = max(float(np.abs(row[0]).max()) for row in found)
    # Explains a difference of 1e-4 of the largest output, were it a share; it is an amount.
    amount = 2e-4 / ROUNDING_FACTOR
    scaled = 1000.0 / largest
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [amount])
    monkeypatch.setattr(
        "edgeprune.verify.checks.reference_outputs",
        lambda *args: [[v * scaled for v in row] for row in verify.reference_outputs(*args)],
    )
    with pytest.raises(VerifyError, match="differs from the original"):
        verify.check_rewrite(tflite, off, samples)


def copied(*sizes):
    """A model whose outputs are its inputs, where those are positive."""
    net = Net()
    return net.build(*(net.relu(net.input(1, size)) for size in sizes))


def rows(*values):
    """One sample with an array for each of ``values``."""
    return [[np.array([row], np.float32) for row in values]]


@pytest.mark.parametrize(("off", "is_refused"), [(0.0, 0), (0.99, 0), (1.01, 1), (-1.01, 1)])
def test_a_conversion_may_differ_by_a_thousandth_of_the_largest_output(off, is_refused):
    inputs, expected = rows([1, 1000, 3]), rows([1 + off, 1000, 3])
    if is_refused:
        with pytest.raises(VerifyError, match="does not compute"):
            verify.check_conversion(copied(3), inputs, expected)
    else:
        verify.check_conversion(copied(3), inputs, expected)


def test_a_conversion_may_differ_by_ten_times_what_right_kernels_do(monkeypatch):
    inputs, tflite = rows([1, 2], [1, 2, 3]), copied(2, 3)
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [0.01, 0.1])
    verify.check_conversion(tflite, inputs, rows([1, 2.99], [1, 2, 3]))
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, inputs, rows([1, 3.01], [1, 2, 3]))
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [0.05, 0.0])
    verify.check_conversion(tflite, inputs, rows([1, 2.5], [1, 2, 3]))  # just as much


def test_outputs_that_are_all_zero_must_be_so_in_the_converted_model():
    verify.check_conversion(copied(2), rows([0, -1]), rows([0, 0]))
    with pytest.raises(VerifyError):
        verify.check_conversion(copied(2), rows([0, 1e-20]), rows([0, 0]))


def test_outputs_of_a_conversion_are_found_by_their_sizes_in_any_order():
    inputs, tflite = rows([1, 2], [3, 4, 5], [6, 7]), copied(2, 3, 2)
    verify.check_conversion(tflite, inputs, rows([3, 4, 5], [6, 7], [1, 2]))
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, inputs, rows([3, 4, 5, 6]))
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, inputs, rows([3, 4, 5], [6, 8]))
    with pytest.raises(VerifyError):
        verify.check_conversion(tflite, inputs + inputs, rows([1, 2]) + rows([1, 3]))


def scaled(*factors):
    """Products of one input of two numbers with constants, one output each."""
    net = Net()
    x = net.input(1, 2)
    outs = []
    for factor in factors:
        kept = net.const(np.array([[1, factor]], np.float32))
        outs.append(net.op("MUL", [x, kept], (1, 2), "MulOptions"))
    return net.build(*outs)


def test_the_worst_output_of_a_rewrite_counts_as_a_share_of_its_own_largest_value():
    # 2 ** -20 is about a tenth of what passes; 2 ** -18 is four times that.
    close = [1 + 2.0**-20, 1 + 2.0**-18]
    samples = rows([0, 8])
    for order in ((0, 1), (1, 0)):
        after = scaled(*(close[k] for k in order), 1.0)
        found = verify.check_rewrite(scaled(1.0, 1.0, 1.0), after, samples)
        assert found == 2.0**-18
    with pytest.raises(VerifyError, match=r"output 1 of .* by 1.53e-05 of .*, more than 1e-05;"):
        verify.check_rewrite(scaled(1.0, 1.0), scaled(1.0, 1 + 2.0**-16), samples)


def test_all_samples_of_a_rewrite_are_compared():
    samples = rows([1, 0]) + rows([0, 8]) + rows([1, 0])
    found = verify.check_rewrite(scaled(1.0), scaled(1 + 2.0**-18), samples)
    assert found == 2.0**-18


def test_outputs_of_a_rewrite_that_are_no_numbers_in_both_are_equal():
    samples = rows([0, np.nan])
    assert verify.check_rewrite(scaled(1.0), scaled(2.0), samples) == 0.0
    with pytest.raises(VerifyError):
        verify.check_rewrite(scaled(1.0), scaled(np.nan), rows([0, 1]))


def test_a_rewrite_of_outputs_that_are_zero_leaves_them_so():
    with pytest.raises(VerifyError, match="differs from the original"):
        verify.check_rewrite(scaled(0.0), scaled(1e-37), rows([0, 1]))


def test_a_rewrite_may_differ_by_ten_times_what_right_kernels_do(monkeypatch):
    samples = rows([0, 8])
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [0.0, 0.01])
    found = verify.check_rewrite(scaled(1.0, 1.0), scaled(1.0, 1 + 2.0**-7), samples)
    assert found == 2.0**-7  # 0.0625, and 0.1 passes
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [0.0, 0.00625])
    verify.check_rewrite(scaled(1.0, 1.0), scaled(1.0, 1 + 2.0**-7), samples)  # just as much
    monkeypatch.setattr("edgeprune.verify.checks.rounding_of", lambda *_: [0.0, 0.01])
    with pytest.raises(VerifyError, match=r"output 1 .* more than 0.01"):
        verify.check_rewrite(scaled(1.0, 1.0), scaled(1.0, 1 + 2.0**-6), samples)
    with pytest.raises(VerifyError, match=r"output 0 .* more than 1e-05"):
        verify.check_rewrite(scaled(1.0, 1.0), scaled(1 + 2.0**-7, 1.0), samples)
