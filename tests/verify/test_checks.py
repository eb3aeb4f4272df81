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
