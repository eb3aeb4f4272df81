import contextlib
import types

import numpy as np
import pytest
from nets import Net
from shown_progress import shown_counts

from edgeprune import verify
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph


def test_a_file_that_the_runtime_refuses_is_one_line():
    net = Net()
    x = net.input(1, 4)
    out = net.op("FULLY_CONNECTED", [x, x, -1], (1, 1), "FullyConnectedOptions", version=99)
    with pytest.raises(
        ModelError, match=r"^LiteRT on the host cannot run the model: .*FULLY_CONNECTED[^\n]*$"
    ):
        verify.HostModel(net.build(out), reference=True)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_kernel_as_large_as_its_map_is_computed_as_xnnpack_does(size):
    net = Net()
    tflite = net.build(net.conv(net.input(1, size, size, 4), 6, kernel=size))
    (sample,) = verify.sample_inputs(tflite, None, 1)
    found = [verify.HostModel(tflite, reference=flag)(sample)[0] for flag in (True, False)]
    assert np.allclose(*found, atol=1e-5)


def chaotic(layers, gain=3.0):
    """A deep network of saturated layers: what is small at its input is large at its end."""
    net = Net()
    x = net.input(1, 64)
    for _ in range(layers):
        filters = net.const(net.weights((64, 64)) * np.float32(gain))
        x = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 64), "FullyConnectedOptions")
        x = net.op("TANH", [x], (1, 64))
    return net.build(x)


def test_rounding_is_small_in_a_shallow_network_and_large_in_one_that_amplifies_it():
    shallow, deep = chaotic(2), chaotic(25)
    samples = verify.sample_inputs(shallow, None, 4)
    assert 0 < verify.rounding_of(shallow, samples)[0] < 1e-5
    assert verify.rounding_of(deep, samples)[0] > 1e-3


def test_rounding_has_one_number_an_output_and_none_for_integers():
    net = Net()
    x = net.input(1, 8)
    two = net.build(net.dense(x, 3), net.relu(x))
    found = verify.rounding_of(two, verify.sample_inputs(two, None, 2))
    assert len(found) == 2 and found[1] == 0.0
    net = Net()
    filters = net.const(np.ones((4, 8), np.int8), scale=0.01)
    x = net.input(1, 8)
    hybrid = net.build(net.op("FULLY_CONNECTED", [x, filters, -1], (1, 4), "FullyConnectedOptions"))
    assert verify.rounding_of(hybrid, verify.sample_inputs(hybrid, None, 2)) == [0.0]


def outputs_of(tflite, samples, *, reference):
    model = verify.HostModel(tflite, reference=reference)
    return np.concatenate([model(sample)[0] for sample in samples])


def test_floats_have_the_built_in_kernels_as_reference():
    deep = chaotic(25)
    samples = verify.sample_inputs(deep, None, 2)
    for xnnpack in (True, False):
        found = np.concatenate(
            [row[0] for row in verify.reference_outputs(deep, samples, xnnpack=xnnpack)]
        )
        assert np.array_equal(found, outputs_of(deep, samples, reference=True))
        assert not np.array_equal(found, outputs_of(deep, samples, reference=False))


def test_without_xnnpack_integers_have_the_built_in_kernels_as_reference():
    net = Net()
    filters = net.const(np.arange(-16, 16, dtype=np.int8).reshape(4, 8), scale=0.01)
    x = net.input(1, 8)
    hybrid = net.build(net.op("FULLY_CONNECTED", [x, filters, -1], (1, 4), "FullyConnectedOptions"))
    samples = verify.sample_inputs(hybrid, None, 4)
    fast = verify.reference_outputs(hybrid, samples)
    built_in = verify.reference_outputs(hybrid, samples, xnnpack=False)
    gap = max(float(np.abs(a[0] - b[0]).max()) for a, b in zip(fast, built_in, strict=True))
    assert gap > 0
    for found, reference in ((fast, False), (built_in, True)):
        wanted = outputs_of(hybrid, samples, reference=reference)
        assert np.array_equal(np.concatenate([row[0] for row in found]), wanted)
    assert verify.rounding_of(hybrid, samples, xnnpack=False) == [pytest.approx(gap)]
    found = verify.Comparison(
        "net", hybrid, hybrid, samples, built_in, (gap,), xnnpack=False
    ).parity(built_in)
    assert found.reference.startswith("LiteRT built-in kernels") and found.limit >= gap


def test_an_inference_that_the_runtime_refuses_is_one_line():
    net = Net()
    model = verify.HostModel(net.build(net.relu(net.input(1, 4))), reference=True)
    with pytest.raises(ModelError, match=r"^LiteRT on the host failed: [^\n]+$"):
        model([np.zeros((1, 5), np.float32)])
    with pytest.raises(ModelError, match="LiteRT on the host failed"):
        model([])


def test_outputs_come_in_the_order_of_the_graph_and_are_copies():
    net = Net()
    x = net.input(1, 2)
    first, second = net.relu(x), net.op("NEG", [x], (1, 2), "NegOptions")
    model = verify.HostModel(net.build(second, first), reference=False)
    before = model([np.array([[1, -2]], np.float32)])
    assert [value.tolist() for value in before] == [[[-1, 2]], [[1, 0]]]
    model([np.array([[5, 5]], np.float32)])
    assert before[0].tolist() == [[-1, 2]]
    shapes = [graph.tensor_name(tensor) for tensor in model.output_tensors]
    assert shapes == [f"t{second}", f"t{first}"]
    assert [graph.tensor_name(tensor) for tensor in model.input_tensors] == [f"t{x}"]


def test_an_inference_that_takes_too_long_ends_by_its_name(monkeypatch):
    said = []
    monkeypatch.setattr(
        "edgeprune.sandbox.watch.within",
        lambda *rest: contextlib.nullcontext(said.append(rest)),
    )
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    verify.HostModel(tflite, reference=True)([np.zeros((1, 2), np.float32)])
    assert said == [("one inference in LiteRT on the host", 600.0)]


def test_the_host_says_which_input_it_computes():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)))
    samples = [[np.zeros((1, 2), np.float32)]] * 2
    for compute in (verify.reference_outputs, verify.rounding_of):
        with shown_counts() as counts:
            compute(tflite, samples)
        said = [one.text for one in counts]
        assert said == ["reference input 1 of 2", "reference input 2 of 2"]


def test_rounding_is_the_largest_difference_over_all_inputs():
    net = Net()
    x = net.input(1, 64)
    filters = net.const(net.weights((64, 64)) * np.float32(3))
    x = net.op("FULLY_CONNECTED", [x, filters, -1], (1, 64), "FullyConnectedOptions")
    tflite = net.build(net.op("TANH", [x], (1, 64)))
    samples = verify.sample_inputs(tflite, None, 6)
    alone = [verify.rounding_of(tflite, [sample])[0] for sample in samples]
    assert verify.rounding_of(tflite, samples) == [max(alone)] and alone[-1] < max(alone)


def test_rounding_where_kernels_differ_by_what_is_no_number_is_nothing():
    net = Net()
    tflite = net.build(net.relu(net.input(1, 2)), net.relu(net.input(1, 2)))
    sample = [np.array([[np.inf, 1]], np.float32), np.array([[1, 1]], np.float32)]
    with np.errstate(invalid="ignore"):  # infinity less infinity
        assert verify.rounding_of(tflite, [sample]) == [0.0, 0.0]


def test_rounding_where_a_kernel_overflows_and_another_does_not_is_nothing():
    net = Net()
    kept = net.const(np.ones((4, 8), np.float32))
    inputs = [net.input(1, 8), kept, -1]
    tflite = net.build(net.op("FULLY_CONNECTED", inputs, (1, 4), "FullyConnectedOptions"))
    sample = [np.array([[3e38] * 4 + [-3e38] * 4], np.float32)]
    found = [verify.HostModel(tflite, reference=flag)(sample)[0] for flag in (True, False)]
    assert sorted(np.isfinite(one).all() for one in found) == [False, True]
    assert verify.rounding_of(tflite, [sample]) == [0.0]


def test_what_is_run_again_runs_so_many_times_on_the_same_inputs(monkeypatch):
    tflite = chaotic(2)
    (sample,) = verify.sample_inputs(tflite, None, 1)
    model = verify.HostModel(tflite, reference=False, threads=1)
    (before,) = model(sample)
    runs, interpreter = [], model._interpreter
    counted = types.SimpleNamespace(invoke=lambda: runs.append(interpreter.invoke()))
    monkeypatch.setattr(model, "_interpreter", counted)
    model.again(3)
    assert len(runs) == 3
    assert np.array_equal(interpreter.get_tensor(model._outputs[0]), before)
