"""What an operator costs, with tables small enough to work it out by hand."""

import nets
import numpy as np
import odd_nets
import pytest
from nets import Net
from odd_nets import OddNet

from edgeprune.devices.boards import Cpu
from edgeprune.errors import ConfigError
from edgeprune.models.tflite import graph
from edgeprune.prediction import cost
from edgeprune.prediction.cost import CostTable, OperatorCost, PartCost, operator_cost
from edgeprune.prediction.cost.loops import LOOP, TURN, TURN_ELEMENT, loop_cost
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.xnnpack.reader import Reader

ROWS = {"node": 1, "call": 10, "elements_8": 100, "elements_4": 1000, "elements_left": 10_000}

TABLE = CostTable(
    core="made-up",
    runtime="none",
    command="by hand",
    row_tiles=(1, 4),
    inference=5000.0,
    border=70.0,
    kernels={
        "copy.depth_to_space": ROWS,
        "copy.reshape": ROWS,
        "mean_rows": ROWS,
        "copy.space_to_depth": ROWS,
        "binary.plain": ROWS,
        "unary.CLAMP": ROWS,
        "unary.TANH": ROWS,
        "hwc2chw": {"node": 1, "row": 10, "pass": 100, "columns_2": 1000, "columns_1": 10_000},
    },
)


def read(tflite):
    model = graph.read(tflite)
    return Reader(model, model.subgraphs[0])


def last_cost(net, *outputs, **rest):
    reader = read(net.build(*outputs))
    return operator_cost(TABLE, reader, reader.subgraph.operators[-1], **rest)


def test_a_kernel_takes_its_loops_times_their_bodies():
    assert TABLE.of(Call("unary.TANH", (1, 15))) == 1 + 10 + 100 + 1000 + 10_000
    assert TABLE.of(Call("unary.TANH", (2, 16))) == 1 + 20 + 400
    # 5 rows of 3 pixels and 6 channels: 3 pairs of rows times 2 fours of channels.
    assert TABLE.of(Call("hwc2chw", (5, 3, 6))) == 1 + 50 + 600 + 6000 + 60_000
    with pytest.raises(KeyError):
        TABLE.of(Call("unary.EXP", (1, 8)))


def test_maps_lie_channels_last_where_nothing_else_is_said():
    net = Net()
    out = net.op("ADD", [net.input(1, 4, 4, 16), net.const(np.ones(16, np.float32))], (1, 4, 4, 16))
    assert last_cost(net, out).cost == 1 + 16 * (10 + 200)
    assert last_cost(net, out, nchw=True).rough == ("ADD",), "a number to each map"


def test_an_inference_takes_something_for_itself_and_for_each_input_and_output():
    net = Net()
    x, y = net.input(1, 8), net.input(1, 8)
    assert TABLE.overhead(read(net.build(net.add(x, y), net.relu(x), net.relu(y)))) == 5000 + 5 * 70


def test_an_operator_takes_all_of_its_kernels_and_is_called_by_its_output():
    net = Net()
    x = net.input(1, 8)
    net.tensor((1,))
    total = net.op("ADD", [x, x], (1, 8), "AddOptions", fusedActivationFunction=1)
    assert last_cost(net, total) == OperatorCost(f"t{total}", "ADD", 2 * 111.0, ())


def test_an_operator_whose_kernel_the_table_lacks_is_guessed_by_what_it_moves():
    net = Net()
    out = net.op("EXP", [net.input(1, 8)], (1, 8))
    assert last_cost(net, out) == OperatorCost(f"t{out}", "EXP", 1000.0 + 8 * 16, ("EXP",))


def test_a_static_operator_costs_nothing_and_nobody_guesses():
    reader = read(nets.eligible(storage="float16"))
    (op, *_) = (
        op for op in reader.subgraph.operators if graph.op_name(reader.model, op) == "DEQUANTIZE"
    )
    name = reader.name(int(op.outputs[0]))
    assert operator_cost(TABLE, reader, op) == OperatorCost(name, "DEQUANTIZE", 0.0)
    assert cost.op_cost(TABLE, reader, op) == 0.0


def test_constants_and_operands_left_out_are_not_moved():
    net = Net()
    x, y = net.input(4, 6), net.input(8, 6)
    out = net.op("FULLY_CONNECTED", [x, y, -1], (4, 8), "FullyConnectedOptions")
    assert last_cost(net, out).cost == 1000 + 8 * (24 + 48 + 32)
    net = Net()
    out = net.op("POW", [net.input(4, 6), net.const(np.ones(6, np.float32))], (4, 6), "PowOptions")
    assert last_cost(net, out).cost == 1000 + 8 * (24 + 24)


def test_a_value_that_is_read_twice_is_moved_once():
    net = Net()
    x = net.input(4, 6)
    assert last_cost(net, net.op("POW", [x, x], (4, 6), "PowOptions")).cost == 1000 + 8 * 48


def test_the_first_tensor_of_a_file_counts_as_any_other():
    net = OddNet()
    out = net.tensor((2, 5))
    assert out == 0
    net.raw("SIGN", [net.entry((2, 5))], [out])
    assert last_cost(net, out) == OperatorCost("t0", "SIGN", 1000.0 + 8 * 20, ("SIGN",))


def test_an_operator_that_picks_a_part_moves_the_part_alone():
    net = Net()
    picked = net.const(np.array([3, 1], np.int32))
    out = net.op("GATHER", [net.input(100, 4), picked], (2, 4), "GatherOptions")
    assert last_cost(net, out).cost == 1000 + 8 * 8
    net = Net()
    ends = [net.const(np.array(k, np.int32)) for k in ([0, 0], [1, 4], [1, 1])]
    out = net.op(
        "STRIDED_SLICE", [net.input(9, 4), *ends], (4,), "StridedSliceOptions", shrinkAxisMask=1
    )
    assert last_cost(net, out).cost == 1000 + 8 * 4


def test_an_operator_without_outputs_has_no_name():
    reader = read(odd_nets.accumulator())
    last = [op for op in reader.subgraph.operators if not len(op.outputs)][-1]
    found = operator_cost(TABLE, reader, last)
    assert (found.name, found.op) == ("", "ASSIGN_VARIABLE") and found.cost > 0


@pytest.mark.parametrize("tflite", [odd_nets.fused_lstm(), odd_nets.choice()])
def test_what_does_the_work_of_many_is_not_predicted(tflite):
    reader = read(tflite)
    op = reader.subgraph.operators[-1]
    kind = graph.op_name(reader.model, op)
    assert operator_cost(TABLE, reader, op) == OperatorCost(
        reader.name(int(op.outputs[0])), kind, None
    )
    assert cost.op_cost(TABLE, reader, op) == 0.0


def looped(turns=3, inside=(), reshapes=""):
    """A loop over 8 numbers: TANH, and further operators by name.

    Args:
        turns: How often it runs.
        inside: Operators on one operand.
        reshapes: Adds a RESHAPE; its shape is ``constant``, ``computed`` or in its ``options``.
    """
    net = OddNet()
    x = net.entry((1, 8))

    def condition(net):
        counter, _ = net.entry((), "int32"), net.entry((1, 8))
        bound = net.const(np.int32(turns))
        return [net.raw("LESS", [counter, bound], [net.tensor((), "bool")], "LessOptions")]

    def body(net):
        counter, y = net.entry((), "int32"), net.entry((1, 8))
        more = net.tensor((), "int32")
        net.raw("ADD", [counter, net.const(np.int32(1))], [more], "AddOptions")
        for name in ("TANH", *inside):
            y = net.op(name, [y], (1, 8))
        if reshapes:
            shape = net.const(np.array([1, 8], np.int32))
            if reshapes == "computed":
                shape = net.raw("SHAPE", [y], [net.tensor((2,), "int32")], "ShapeOptions")
            operands = [y] if reshapes == "options" else [y, shape]
            known = {"newShape": [1, 8]}
            y = net.raw("RESHAPE", operands, [net.tensor((1, 8))], "ReshapeOptions", **known)
        return [more, y]

    inner = {"condSubgraphIndex": net.branch(condition), "bodySubgraphIndex": net.branch(body)}
    outputs = [net.tensor((), "int32"), net.tensor((1, 8))]
    net.raw("WHILE", [net.const(np.int32(0)), x], outputs, "WhileOptions", **inner)
    return read(net.build(outputs[1]))


def guess(elements):
    return 1000.0 + 8.0 * elements


def test_a_loop_takes_its_turns_and_asks_once_more():
    reader = looped(3)
    (op,) = reader.subgraph.operators
    inner = {}
    found = operator_cost(TABLE, reader, op, inner=inner)
    condition, body = guess(2), guess(2) + 111  # a counter beside a constant, in and out
    turn = condition + body + TURN + TURN_ELEMENT * 9
    assert found.cost == LOOP + 3 * turn + condition
    assert found == OperatorCost("t1", "WHILE", found.cost, ("LESS", "ADD"))
    assert inner == {1: PartCost(condition, ("LESS",)), 2: PartCost(body, ("ADD",))}
    assert operator_cost(TABLE, reader, op) == found


def test_the_parts_of_a_loop_that_are_known_are_not_counted_again():
    reader = looped(3)
    (op,) = reader.subgraph.operators
    inner = {1: PartCost(10.0, ("A",)), 2: PartCost(100.0, ("B", "A"))}
    found = operator_cost(TABLE, reader, op, inner=inner)
    assert found.cost == LOOP + 3 * (110 + TURN + TURN_ELEMENT * 9) + 10
    assert found.rough == ("A", "B")


def test_each_kind_that_was_guessed_in_a_loop_is_named_once():
    reader = looped(3, inside=("SIGN", "EXP", "SIGN"))
    assert operator_cost(TABLE, reader, reader.subgraph.operators[0]).rough == (
        "LESS",
        "ADD",
        "SIGN",
        "EXP",
    )


def test_a_loop_with_a_part_that_is_not_predicted_is_not():
    reader = looped(3)
    (op,) = reader.subgraph.operators
    known, unknown = PartCost(1.0, ()), PartCost(None, ())
    for inner in ({1: known, 2: unknown}, {1: unknown, 2: known}):
        assert operator_cost(TABLE, reader, op, inner=inner).cost is None
    assert loop_cost(reader, op, 1.0, None, TABLE.of_code) is None
    assert loop_cost(reader, op, None, 1.0, TABLE.of_code) is None
    reader = read(odd_nets.loop(counts_on_data=True))
    assert loop_cost(reader, reader.subgraph.operators[-1], 1.0, 1.0, TABLE.of_code) is None


def nested(counts_on_data=False):
    """A loop of two turns whose body runs one of three, or as many as the data say, two times."""
    net = OddNet()
    x = net.entry((1, 8))
    bound = net.entry((), "int32") if counts_on_data else net.const(np.int32(3))

    def condition(limit):
        def make(net):
            counter, _, bound = (net.entry(*one) for one in CARRIED)
            bound = bound if limit is None else net.const(np.int32(limit))
            return [net.raw("LESS", [counter, bound], [net.tensor((), "bool")], "LessOptions")]

        return make

    def step(net, counter):
        more = net.tensor((), "int32")
        return net.raw("ADD", [counter, net.const(np.int32(1))], [more], "AddOptions")

    def inside(net):
        counter, y, bound = (net.entry(*one) for one in CARRIED)
        return [step(net, counter), net.op("TANH", [y], (1, 8)), bound]

    limit = None if counts_on_data else 3
    inner = {"condSubgraphIndex": net.branch(condition(limit)), "bodySubgraphIndex": 2}
    assert net.branch(inside) == 2

    def outside(net):
        counter, y, bound = (net.entry(*one) for one in CARRIED)
        for _ in range(2):
            outputs = [net.tensor((), "int32"), net.tensor((1, 8)), net.tensor((), "int32")]
            net.raw("WHILE", [net.const(np.int32(0)), y, bound], outputs, "WhileOptions", **inner)
            y = outputs[1]
        return [step(net, counter), y, bound]

    outer = {
        "condSubgraphIndex": net.branch(condition(2)),
        "bodySubgraphIndex": net.branch(outside),
    }
    outputs = [net.tensor((), "int32"), net.tensor((1, 8)), net.tensor((), "int32")]
    net.raw("WHILE", [net.const(np.int32(0)), x, bound], outputs, "WhileOptions", **outer)
    return read(net.build(outputs[1]))


CARRIED = (((), "int32"), ((1, 8), "float32"), ((), "int32"))


def test_loops_in_a_loop_are_counted_and_their_parts_once():
    reader = nested()
    inner = {}
    found = operator_cost(TABLE, reader, reader.subgraph.operators[-1], inner=inner)
    condition, turn = guess(2), TURN + TURN_ELEMENT * 10
    inside = LOOP + 3 * (condition + guess(2) + 111 + turn) + condition
    outside = guess(2) + 2 * inside
    assert found.cost == LOOP + 2 * (condition + outside + turn) + condition
    assert set(inner) == {1, 2, 3, 4} and found.rough == ("LESS", "ADD")


def test_a_loop_around_one_that_depends_on_the_data_is_not_predicted():
    reader = nested(counts_on_data=True)
    inner = {}
    found = operator_cost(TABLE, reader, reader.subgraph.operators[-1], inner=inner)
    assert found.cost is None and inner[4].cost is None
    assert found.rough == ("LESS", "ADD")


def test_a_loop_in_which_a_size_is_computed_plans_its_memory_at_each_turn():
    totals = []
    for reshapes in ("constant", "options", "computed"):
        reader = looped(3, reshapes=reshapes)
        (op,) = reader.subgraph.operators
        totals.append(loop_cost(reader, op, 10.0, 100.0, TABLE.of_code))
    assert totals[0] == totals[1] == LOOP + 3 * (110 + TURN + TURN_ELEMENT * 9) + 10
    assert totals[2] - totals[1] == 3 * 33_500


def test_a_damaged_table_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(cost, "_FOLDER", tmp_path)
    (tmp_path / "cortex-x1.toml").write_text('core = "cortex-x1"\n')
    with pytest.raises(ConfigError, match=r"cortex-x1\.toml"):
        cost.cost_table(Cpu("cortex-x1", "aarch64", ()))


def test_copies_take_a_call_for_each_run_that_stays_together():
    assert cost.reshape(TABLE) == 1 + 10
    assert cost.space_to_depth(TABLE, 96) == 1 + 3 * (10 + 400)
    assert cost.depth_to_space(TABLE, 768, nchw=False) == 1 + 24 * (10 + 400)
    assert cost.depth_to_space(TABLE, 64, nchw=False) == 1 + 2 * (10 + 400)
    assert cost.mean_of_pixel(TABLE, 20) == 1 + 20 * (10 + 10_000)
