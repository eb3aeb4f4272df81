"""What shapes of a network are predicted to take on a board."""

import dataclasses

import nets
import pytest

from edgeprune.auto.moves import Shape
from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import ModelError
from edgeprune.firmware.board import Room, room_of
from edgeprune.pipeline.board_costs import BoardCosts
from edgeprune.prediction import explain
from edgeprune.recipe.prune_table import PruneTable

NET = nets.eligible(sparsity=0.0, size=32)


def skeleton(macs):
    if macs != 1:
        raise ModelError("a file's channels cannot be removed")
    return NET


def costs_on(name, room=None):
    board = load_board(name)
    return BoardCosts(board, resolved_cpu(board.cpu), skeleton, room, PruneTable())


def test_the_whole_network_takes_what_explain_says():
    costs = costs_on("rpi4-emulated")
    cost = costs.forecast(Shape(), "none")
    assert cost.time == explain(NET, costs.cpu).instructions
    assert cost.bytes == len(NET)


def test_more_zeros_take_less_where_sparse_kernels_run():
    costs = costs_on("rpi4-emulated")
    shapes = [Shape(1.0, zeros, "cortex-a72", "unstructured") for zeros in (0.6, 0.75, 0.9)]
    times = [costs.forecast(shape, "none").time for shape in shapes]
    assert times == sorted(times, reverse=True) and times[-1] < times[0]
    assert costs.gains_by_zeros("unstructured", "none")


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


def test_a_pc_counts_multiplications_and_gains_nothing_by_zeros():
    costs = costs_on("local")
    if costs.cpu.isa != "x86_64":
        costs.cpu = dataclasses.replace(costs.cpu, core="host", isa="x86_64", features=("avx",))
    assert costs.forecast(Shape(), "none").time > 0
    assert not costs.gains_by_zeros("unstructured", "none")


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
    costs = BoardCosts(board, resolved_cpu(board.cpu), made, None, PruneTable())
    times = [costs.forecast(Shape(macs), "none").time for macs in (1.0, 0.85, 0.7, 0.55)]
    assert times == sorted(times, reverse=True) and times[-1] < times[0]
    assert times[2] == explain(made(0.7), costs.cpu).instructions
