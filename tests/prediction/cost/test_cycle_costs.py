"""Costs in cycles: what they are made of, and how far they are from what a core is seen to do."""

import itertools

import emulated
import nets
import pytest
from full_range import also
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.core_work import Misses
from edgeprune.devices.boards import Cpu, load_board, resolved_cpu
from edgeprune.errors import ConfigError
from edgeprune.measure.core_work import count_work
from edgeprune.models.tflite import graph
from edgeprune.prediction import cost, explain
from edgeprune.prediction.cost import cycles
from edgeprune.prediction.cost.cycles import costs_of, cycle_costs
from edgeprune.prediction.cost.integers import int8_cost, int8_instructions
from edgeprune.prediction.cost.lines import Surroundings, missed_lines
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.terms import TERMS
from edgeprune.prediction.cycles import core_names, estimate, line_cycles, load_core
from edgeprune.quantize import quantize
from edgeprune.sparsify import sparsify

CORES = core_names()
SIZES = st.integers(1, 200)


def cpu(core):
    return Cpu(core, "aarch64", ("asimddp",))


@pytest.mark.parametrize("core", CORES)
def test_every_core_that_estimates_know_has_cycles_of_every_kernel_that_it_runs(core):
    costs = cycle_costs(cpu(core))
    assert costs.unit == "cycles" and costs.core.name == core
    missing = set(costs.table.kernels) - set(costs.loops)
    # Those of the interpreter, and of the integer operators that move data, go by instructions.
    assert {kernel.split(".")[0] for kernel in missing} <= {"builtin", "int8"} | INTEGERS
    for kernel, bodies in costs.loops.items():
        assert min(bodies.values()) >= 0 < sum(bodies.values()), kernel
    assert 0.1 < costs.code < 4


INTEGERS = {"int8_gemm", "int8_igemm", "int8_dwconv"}


@pytest.mark.parametrize("core", ["cortex-x3", "never-heard-of"])
def test_other_cores_decide_by_instructions(core):
    assert cycle_costs(cpu(core)) is None
    assert costs_of(cpu(core)) is cost.cost_table(cpu(core))
    assert costs_of(cpu(core)).unit == "instructions"


@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a55"])
def test_on_cores_that_run_in_order_cycles_are_told_and_decide_nothing(core):
    plan = explain(nets.eligible(), cpu(core))
    assert plan.cycles > 0 and plan.clock.core == core
    assert plan.unit == costs_of(cpu(core)).unit == "instructions"
    assert (plan.cost, plan.dense_cost) == (plan.instructions, plan.dense_instructions)


def test_what_is_no_aarch64_has_no_costs():
    assert costs_of(Cpu("cortex-a53", "armv7l", ())) is None


def test_a_call_costs_its_loops_and_its_lines_times_the_factors_of_the_class():
    costs = cycle_costs(cpu("cortex-a72"))
    call = Call("spmm.1", (196, 512, 26214, 512))
    loops = TERMS["spmm"](*call.arguments)
    pipeline = sum(count * costs.loops["spmm.1"][loop] for loop, count in loops.items())
    lines = missed_lines(call, Surroundings(costs.core.caches))
    streamed, other = line_cycles(lines, costs.core)
    fit = costs.core.fit
    expected = fit.pipeline * pipeline + fit.streamed * streamed + fit.other * other
    assert costs.of(call) == pytest.approx(expected)
    assert fit.streamed * streamed + fit.other * other > 0.2 * expected


def test_a_kernel_without_cycles_takes_its_instructions_as_any_code_takes_them():
    costs = cycle_costs(cpu("cortex-a72"))
    call = Call("builtin.reverse_run", (1, 4096))
    spent = costs.table.of(call) * costs.code * costs.core.fit.pipeline
    assert "builtin.reverse_run" not in costs.loops
    assert spent < costs.of(call) < 2 * spent


def test_lines_are_counted_as_those_of_a_simulation_are():
    core = load_core("cortex-a72")
    counted = (Misses(1000, 100), Misses(300, 50))
    predicted = [
        type(missed_lines(Call("gemm.1x8", (1, 8, 8, (1, 8))), Surroundings(core.caches))[0])
    ]
    as_lines = tuple(predicted[0](one.streamed, one.other) for one in counted)
    assert line_cycles(as_lines, core) == line_cycles(counted, core)


@given(SIZES, SIZES, st.integers(2, 2000), st.sampled_from([1, 2, 4]))
def test_more_zeros_never_cost_much_more(pixels, blocks, nonzero, block):
    """They may cost a little: fewer channels in common leave fewer lines to come again."""
    costs = cycle_costs(cpu("cortex-a72"))
    nonzero = min(nonzero, 256 * blocks)
    fewer = cost.spmm(costs, pixels, blocks, nonzero // 2, block, 256)
    assert fewer <= 1.02 * cost.spmm(costs, pixels, blocks, nonzero, block, 256)


def test_a_network_that_fits_the_caches_costs_less_than_its_layers_in_a_large_one():
    costs = cycle_costs(cpu("cortex-a72"))
    call = Call("gemm.1x8", (1, 256, 128, (1, 8), 1, 1))
    small = costs.for_network(graph.read(nets.eligible()))
    assert small.network_bytes < 100_000
    assert small.of(call) < 0.7 * costs.of(call)


def test_explain_tells_cycles_of_every_operator_and_of_all():
    plan = explain(nets.eligible(sparsity=0.0), load_board("rpi4").cpu)
    assert (
        plan.unit == "cycles" and plan.cost == plan.cycles and plan.dense_cost == plan.dense_cycles
    )
    assert (plan.clock.core, plan.clock.clock_hz) == ("cortex-a72", 1_800_000_000)
    assert 0 < plan.clock.error < 0.5
    assert 0 < sum(one.cycles for one in plan.operators) < plan.cycles
    assert plan.clock.ms(plan.cycles) == pytest.approx(plan.cycles / 1.8e6)


def test_explain_tells_no_cycles_of_a_core_that_nobody_knows():
    plan = explain(nets.eligible(), cpu("cortex-x3"))
    assert plan.unit == "instructions" and plan.clock is None
    assert plan.cycles is None and plan.cost == plan.instructions > 0
    assert {one.cycles for one in plan.operators} == {None}


def test_a_damaged_table_is_named(tmp_path, monkeypatch):
    file = tmp_path / "loop_cycles.csv"
    file.write_text("kernel,loop,cortex-a72\nspmm.1,node,many\n")
    monkeypatch.setattr(cycles, "LOOP_CYCLES", file)
    cycles._loop_cycles.cache_clear()
    try:
        with pytest.raises(ConfigError, match="no cycles of cortex-a72"):
            cycle_costs(cpu("cortex-a72"))
    finally:
        cycles._loop_cycles.cache_clear()


def wide(sparsity):
    """Layers of 512 channels, of whose estimate lines are a large part."""
    net = nets.Net()
    x = net.conv(net.pad(net.input(1, 56, 56, 3)), 32, kernel=3, stride=2, padding="VALID")
    x = net.conv(x, 512, sparsity=sparsity)
    x = net.depthwise(net.pad(x), stride=2, padding="VALID")
    return net.build(net.mean(net.conv(x, 512, sparsity=sparsity)))


def small(sparsity):
    return nets.eligible(sparsity, size=96)


SHOWN = [
    (wide, 0.9, "rpi4-emulated"),
    (wide, 0.9, "a53-emulated"),
    (small, 0.0, "a53-emulated"),
    (small, 0.0, "rpi5-emulated"),
]
ALL = itertools.product(
    (wide, small), (0.0, 0.9), ("rpi4-emulated", "rpi5-emulated", "a53-emulated")
)


@pytest.mark.device
@pytest.mark.parametrize(
    ("make", "sparsity", "board"), [one if one in SHOWN else also(*one) for one in ALL]
)
def test_predicted_cycles_are_within_a_tenth_of_estimated_ones(
    make, board, sparsity, tmp_path, monkeypatch
):
    monkeypatch.setattr(emulated, "BOARD", board)
    of_board = load_board(board).cpu
    core = load_core(of_board.core)
    tflite = sparsify(make(sparsity), of_board).tflite
    with emulated.counting(tflite, tmp_path, core.caches) as one:
        estimated = estimate(count_work(one), core).cycles
    plan = explain(tflite, of_board)
    assert bool(plan.sparse) == (sparsity > 0)
    assert plan.cycles == pytest.approx(estimated, rel=0.1)


@pytest.mark.device
def test_predicted_cycles_of_integers_are_within_a_tenth_of_estimated_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(emulated, "BOARD", "rpi5-emulated")
    of_board = resolved_cpu(load_board("rpi5-emulated").cpu)
    core = load_core(of_board.core)
    tflite = nets.eligible(sparsity=0.0, size=96)
    stored = quantize(tflite, "int8", None).tflite
    with emulated.counting(stored, tmp_path, core.caches) as one:
        estimated = estimate(count_work(one), core).cycles
    assert int8_cost(tflite, of_board) == pytest.approx(estimated, rel=0.1)


def test_integers_cost_instructions_where_no_cycles_are_known():
    tflite, core = nets.eligible(sparsity=0.0), cpu("cortex-x3")
    assert int8_cost(tflite, core) == int8_instructions(tflite, core)
    assert int8_cost(tflite, cpu("cortex-a76")) < 0.9 * int8_instructions(tflite, cpu("cortex-a76"))
