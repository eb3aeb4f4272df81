"""What shapes of a network are predicted to take on a board."""

import types

import nets
import pytest

from edgeprune.auto.goal import Cost
from edgeprune.auto.moves import Shape
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.errors import ModelError
from edgeprune.firmware.board import Room, room_of
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.macs import size
from edgeprune.pipeline.board_costs import MIN_GAIN, BoardCosts, Limits
from edgeprune.pipeline.lab import KerasLab
from edgeprune.prediction import explain
from edgeprune.recipe.prune_table import PruneTable

NET = nets.eligible(sparsity=0.0, size=32)
PC = Cpu("host", "x86_64", ("avx",))


def skeleton(macs):
    if macs != 1:
        raise ModelError("a file's channels cannot be removed")
    return NET


def costs_on(name, room=None):
    board = load_board(name)
    return BoardCosts(board, resolved_cpu(board.cpu), skeleton, PruneTable(), Limits(room))


class Stopwatch:
    """Says that files take what a table has for them."""

    def __init__(self, **shares):
        self.shares = shares

    def share(self, tflite):
        mode = "int8" if graph.computes_on_integers(graph.view(tflite)) else "none"
        return self.shares[mode] * size(tflite).macs / size(NET).macs


def timed_costs(int8, made=skeleton):
    timed = Stopwatch(none=1.0, int8=int8)
    return BoardCosts(load_board("local"), PC, made, PruneTable(), Limits(), timed)


def test_the_whole_network_takes_what_explain_says():
    costs = costs_on("rpi4-emulated")
    cost = costs.forecast(Shape(), "none")
    assert cost.time == explain(NET, costs.cpu).cost
    assert cost.bytes == len(NET)


def test_more_zeros_take_less_where_sparse_kernels_run():
    costs = costs_on("rpi4-emulated")
    shapes = [Shape(1.0, zeros, "cortex-a72", "unstructured") for zeros in (0.6, 0.75, 0.9)]
    times = [costs.forecast(shape, "none").time for shape in shapes]
    assert times == sorted(times, reverse=True) and times[-1] < times[0]
    assert costs.gains_by_zeros("unstructured", "none")


def own_costs(name, cpu=None, timed=None):
    board = load_board(name)
    cpu = cpu or resolved_cpu(board.cpu)
    return BoardCosts(board, cpu, large, PruneTable(), Limits(), timed, "auto")


def large(macs):
    """A network whose pointwise layers are large enough for edgeprune's own kernels."""
    if macs != 1:
        raise ModelError("a file's channels cannot be removed")
    return nets.eligible(sparsity=0.0, size=64)


class TimedStopwatch(Stopwatch):
    """The same, and it knows how long the network takes."""

    dense_ns = 1e6


@pytest.mark.parametrize("name", ["rpi5-emulated", "local"])
def test_integers_with_zeros_in_blocks_take_less_where_own_kernels_are_faster(name):
    cpu = Cpu("host", "x86_64", ("avx", "avx2")) if name == "local" else None
    timed = TimedStopwatch(none=1.0, int8=1.0) if name == "local" else None
    costs = own_costs(name, cpu, timed)
    core = costs.cpu.core
    shapes = [Shape(), *(Shape(1.0, zeros, core, "1x4") for zeros in (0.8, 0.9, 0.95))]
    found = [costs.forecast(shape, "int8") for shape in shapes]
    times, sizes = [one.time for one in found], [one.bytes for one in found]
    assert times == sorted(times, reverse=True) and len(set(times)) == len(times)
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert costs.gains_by_zeros("1x4", "int8") == (times[2] < MIN_GAIN * times[0])
    assert not costs.gains_by_zeros("unstructured", "int8")


def test_integers_pass_over_no_zeros():
    costs = costs_on("rpi5-emulated")
    zeros = Shape(1.0, 0.9, "cortex-a76", "kernel")
    assert costs.forecast(zeros, "int8") == costs.forecast(Shape(), "int8")
    assert not costs.gains_by_zeros("kernel", "int8")


def test_int8_takes_less_with_dot_product_and_nothing_known_without():
    with_dot, without = costs_on("rpi5-emulated"), costs_on("rpi4-emulated")
    assert with_dot.forecast(Shape(), "int8").time < with_dot.forecast(Shape(), "none").time
    assert without.forecast(Shape(), "int8").time is None
    assert not without.has_int8_cost


def test_a_layer_that_stays_in_floats_takes_more():
    costs = costs_on("rpi5-emulated")
    names = [one.name for one in explain(NET, costs.cpu).operators if one.op == "CONV_2D"]
    plain = costs.of_file(NET, "int8", NET)
    assert costs.of_file(NET, "int8", NET, names).time > plain.time


def test_what_cannot_be_made_smaller_has_no_forecast():
    assert costs_on("rpi4-emulated").forecast(Shape(0.5), "none") is None


def test_another_pc_counts_multiplications_and_gains_nothing_by_zeros():
    costs = BoardCosts(load_board("rpi4"), PC, skeleton, PruneTable(), Limits())
    assert costs.forecast(Shape(), "none").time == size(NET).macs
    assert costs.how == "predicted"
    assert not costs.gains_by_zeros("unstructured", "none")
    assert not costs.tries_int8
    assert costs.int8_text() == (
        "int8 is not tried: whether it is faster on rpi4 is not known ahead; --recipe int8 "
        "measures it"
    )


@pytest.mark.parametrize(
    ("share", "text"), [(0.45, "0.45 of"), (0.88, "0.88 of"), (0.95, "0.95 of"), (2.0, "2.00 of")]
)
def test_int8_is_tried_where_it_is_timed_to_take_a_tenth_less(share, text):
    costs = timed_costs(share)
    assert costs.tries_int8 == (share < 0.9)
    left = "" if share < 0.9 else ": it is not tried"
    assert costs.int8_text() == f"int8 takes {text} float32's time on this machine, timed{left}"
    assert costs.how == "timed here"


def test_what_is_timed_is_worth_int8_by_its_own_time():
    costs = timed_costs(0.5)
    half, whole = Cost(0.5, 1), Cost(1.0, 1)
    assert costs.is_worth(half, whole) and not costs.is_worth(Cost(0.95, 1), whole)
    assert costs.is_worth(half, None)
    assert costs_on("rpi5-emulated").is_worth(Cost(0.95, 1), whole)


def test_forecasts_on_this_machine_go_by_times_and_not_by_multiplications():
    def made(macs):
        return NET if macs == 1 else nets.eligible(sparsity=0.0, size=24)

    costs = timed_costs(0.5, made)
    shares = [costs.forecast(Shape(macs), "none").time for macs in (1.0, 0.7, 0.5)]
    assert shares[0] == 1.0 and shares[2] == size(made(0.5)).macs / size(NET).macs != 0.5
    assert shares[2] < shares[1] < 1.0
    halves = [costs.forecast(Shape(macs), "int8").time for macs in (1.0, 0.7, 0.5)]
    assert halves == pytest.approx([0.5 * share for share in shares])


def test_a_network_that_cannot_be_timed_as_int8_stays_in_floats():
    class Refused(Stopwatch):
        def share(self, tflite):
            if graph.computes_on_integers(graph.view(tflite)):
                raise ModelError("no")
            return 1.0

    costs = BoardCosts(load_board("local"), PC, skeleton, PruneTable(), Limits(), Refused())
    assert not costs.tries_int8
    assert costs.int8_text() == "int8 is not tried: the network could not be timed so"


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_microcontroller_says_what_does_not_fit(share):
    board = load_board("mps2-an386")
    whole = costs_on("mps2-an386", room_of(board)).forecast(Shape(), "int8")
    room = Room(int(whole.bytes * share), 10**9, "a slot holds", "the firmware leaves")
    cost = costs_on("mps2-an386", room).forecast(Shape(), "int8")
    assert bool(cost.excess) == (share < 1)
    assert cost.memory_bytes == whole.memory_bytes > 0


def test_where_half_cannot_be_made_a_larger_part_tells_what_less_takes():
    def made(macs):
        if macs < 0.7:
            raise ModelError("small layers keep their channels")
        return nets.eligible(sparsity=0.0, size=32 if macs == 1 else 24)

    board = load_board("rpi4-emulated")
    costs = BoardCosts(board, resolved_cpu(board.cpu), made, PruneTable(), Limits())
    times = [costs.forecast(Shape(macs), "none").time for macs in (1.0, 0.85, 0.7, 0.55)]
    assert times == sorted(times, reverse=True) and times[-1] < times[0]
    assert times[2] == explain(made(0.7), costs.cpu).cost


@pytest.mark.parametrize(
    ("share", "modes", "is_offered"),
    [
        (0.5, ("none", "int8"), True),
        (0.95, ("none", "int8"), False),
        (0.95, ("int8",), True),
    ],
)
def test_a_search_looks_ahead_at_int8_only_where_it_is_worth_it(share, modes, is_offered):
    bench = types.SimpleNamespace(boards={"local": timed_costs(share)}, modes={"local": modes})
    lab = KerasLab(bench, None, 1.0)
    assert (lab.forecast(Shape(), "int8", "local") is not None) == is_offered
    assert lab.forecast(Shape(), "none", "local").time == 1.0
