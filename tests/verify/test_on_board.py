"""Outputs of this machine's own agent, and the verdict on outputs made by hand."""

import dataclasses

import nets
import numpy as np
import pytest
from shown_progress import shown_counts

from edgeprune import verify
from edgeprune.agents import build, runtime
from edgeprune.agents.interface import interface_of
from edgeprune.agents.session import AgentSession
from edgeprune.artifacts.measurement import DeviceFacts, Measured, RunResult
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError, VerifyError


def never(*_):
    raise AssertionError("nothing should be computed")


def dense_net(*sizes, seed=0):
    net = nets.Net(seed)
    x = net.input(1, 4)
    return net.build(*(net.dense(x, size) for size in sizes))


def comparison_of(tflite, count=5, name="net"):
    samples = verify.sample_inputs(tflite, None, count)
    expected = verify.reference_outputs(tflite, samples)
    return verify.Comparison(name, tflite, tflite, samples, expected)


@pytest.mark.parametrize("processes", [None, 0, 1, 2, 3, 9])
def test_samples_come_back_in_order_however_many_agents_share_them(
    processes, tmp_path, monkeypatch
):
    board = load_board("local")
    comparison = comparison_of(dense_net(3), 5)
    file = tmp_path / "model.tflite"
    file.write_bytes(comparison.file)
    agent = str(build.agent(board.agent.target))
    library = str(runtime.library(resolved_cpu(board.cpu).isa, board.runtime.version).path)
    way = TRANSPORTS.get("local")(board, Device("local", "local"))
    asked, load = [], AgentSession.load

    def loading(*rest, **options):
        asked.append(options["timeout_s"])
        return load(*rest, **options)

    monkeypatch.setattr(AgentSession, "load", loading)
    with way as transport, shown_counts() as counts:
        given = () if processes is None else (processes,)
        found = verify.board_outputs(
            transport, agent, library, str(file), comparison.samples, *given
        )
    assert verify.parity(comparison.file, comparison.expected, found, "here").passed
    agents = max(1, min(processes or 1, 5))
    assert asked == [600.0] * agents, "packing many weights is slow where it is emulated"
    share = -(-5 // agents)  # one agent counts for all
    assert [one.text for one in counts] == [
        f"input on the board {k + 1} of {share}" for k in range(share)
    ]


def test_a_device_that_has_another_model_is_refused(tmp_path):
    board = load_board("local")
    file = tmp_path / "model.tflite"
    file.write_bytes(dense_net(3))
    other = interface_of(dense_net(2))
    agent = str(build.agent(board.agent.target))
    library = str(runtime.library(resolved_cpu(board.cpu).isa, board.runtime.version).path)
    samples = verify.sample_inputs(dense_net(3), None, 1)
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        with pytest.raises(DeviceError):
            verify.board_outputs(transport, agent, library, str(file), samples, expected=other)


@pytest.mark.parametrize("count", [1, 5])
def test_right_outputs_give_their_parity(count):
    comparison = comparison_of(dense_net(3), count)
    found = verify.checked(comparison, comparison.expected, "desk, LiteRT", never, never)
    assert found.passed and (found.where, found.samples) == ("desk, LiteRT", count)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda y: y[:, :2], r"^net: output 1 is float32\[1, 2\] on here, and float32\[1, 3\] on"),
        (lambda y: y.astype(np.int8), r"^net: output 1 is int8\[1, 3\] on here, and float32\[1, 3"),
    ],
)
def test_an_output_of_another_shape_or_type_is_named(spoil, message):
    comparison = comparison_of(dense_net(3, 3))
    found = [[row[0], spoil(row[1])] for row in comparison.expected]
    with pytest.raises(VerifyError, match=message):
        verify.checked(comparison, found, "here", never, never)


def test_a_reference_of_no_numbers_can_be_compared_with_nothing():
    comparison = comparison_of(dense_net(3))
    comparison.expected[1][0][0, 2] = np.nan
    with pytest.raises(VerifyError) as raised:
        verify.checked(comparison, comparison.expected, "here", never, never)
    assert str(raised.value) == (
        "net: the reference on the host computes outputs that are no numbers (NaN or infinity), so "
        "that nothing can be compared: mend the model; nothing was written"
    )


def host(tflite, samples, xnnpack):
    return verify.reference_outputs(tflite, samples, xnnpack=xnnpack)


def wrong_by(amount):
    """A board whose first output is off."""

    def infer(file, samples):
        rows = verify.reference_outputs(file, samples)
        return [[row[0] + np.float32(amount), *row[1:]] for row in rows]

    return infer


def test_a_difference_says_how_large_it_is_where_and_at_which_layer():
    comparison = comparison_of(dense_net(3))
    infer = wrong_by(0.25)
    with pytest.raises(VerifyError) as raised:
        found = infer(comparison.file, comparison.samples)
        verify.checked(comparison, found, "desk", infer, host)
    limit = 1e-3 * max(float(np.abs(row[0]).max()) for row in comparison.expected)
    assert str(raised.value).startswith(
        f"net: outputs on desk differ from the reference by 0.25, more than {limit:.3g}; outputs "
        "first differ at t"
    )
    assert str(raised.value).endswith("; nothing was written")


FACTS = DeviceFacts("desk-pi", "cpu", "os", "1", "LiteRT 2.3.0")


def run_of(*names, reasons=()):
    rows = tuple(Measured(name, (), None, None, (), None, None) for name in names)
    return RunResult(FACTS, False, rows, reasons)


def test_each_variant_gets_its_own_parity():
    one, two = comparison_of(dense_net(3), 2, "dense"), comparison_of(dense_net(3, 2), 2, "sparse")
    outputs = {"dense": one.expected, "sparse": two.expected}
    found, wrong = verify.with_parity(run_of("sparse", "dense"), [one, two], outputs, never, never)
    assert wrong == "" and [item.variant for item in found.measured] == ["sparse", "dense"]
    assert all(item.parity.passed for item in found.measured)
    assert {item.parity.where for item in found.measured} == {"desk-pi, LiteRT 2.3.0"}
    assert found.reasons == () and found.device == FACTS


def test_a_comparison_that_says_little_is_a_reason_behind_those_that_were_there():
    flat = dataclasses.replace(comparison_of(dense_net(3), 2), name="flat")
    flat.expected[1] = flat.expected[0]
    found, wrong = verify.with_parity(
        run_of("flat", reasons=("it was hot",)), [flat], {"flat": flat.expected}, never, never
    )
    assert wrong == "" and found.reasons == (
        "it was hot",
        "flat: outputs hardly depend on the inputs, so parity says little",
    )


def test_the_first_wrong_variant_is_told_and_all_get_their_parity():
    parts = [comparison_of(dense_net(3, seed=k), 2, name) for k, name in enumerate("abc")]
    infer = wrong_by(0.25)
    outputs = {"a": parts[0].expected}
    outputs |= {one.name: infer(one.file, one.samples) for one in parts[1:]}
    found, wrong = verify.with_parity(run_of("a", "b", "c"), parts, outputs, infer, host)
    assert wrong.startswith("b: outputs on desk-pi, LiteRT 2.3.0 differ from the reference by 0.25")
    assert [item.parity.passed for item in found.measured] == [True, False, False]


def test_the_board_is_asked_again_which_layer_of_a_variant_is_wrong():
    net = nets.Net()
    tflite = net.build(net.dense(net.dense(net.input(1, 4), 4), 3))
    comparison, asked = comparison_of(tflite, 2), []
    board = wrong_by(0.25)

    def infer(file, samples):
        asked.append(len(verify.HostModel(file, reference=True).output_tensors))
        return board(file, samples)

    outputs = {"net": infer(tflite, comparison.samples)}
    verify.with_parity(run_of("net"), [comparison], outputs, infer, host)
    assert asked == [1, 2]  # once more with the inner value among the outputs


def test_outputs_that_are_no_numbers_end_it():
    comparison = comparison_of(dense_net(3), 2)
    infer = wrong_by(np.nan)
    outputs = {"net": infer(comparison.file, comparison.samples)}
    with pytest.raises(VerifyError, match=r"^net: outputs on desk-pi.* by inf, more than "):
        verify.with_parity(run_of("net"), [comparison], outputs, infer, host)
