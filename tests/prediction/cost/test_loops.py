import nets
import odd_nets
import pytest
from emulated import loaded
from full_range import also

from edgeprune.devices.boards import load_board
from edgeprune.prediction import explain
from edgeprune.prediction.cost.loops import LOOP, TURN

CPU = load_board("rpi4-emulated").cpu


def test_the_cost_of_a_loop_grows_with_its_turns():
    costs = [explain(odd_nets.loop(n), CPU).instructions for n in (1, 10, 19)]
    assert costs[1] - costs[0] == pytest.approx(costs[2] - costs[1])
    assert costs[1] - costs[0] > 9 * TURN and costs[0] > LOOP


@pytest.mark.parametrize(
    "tflite, kind",
    [
        (odd_nets.loop(counts_on_data=True), "WHILE"),
        (odd_nets.choice(), "IF"),
        (odd_nets.fused_lstm(), "UNIDIRECTIONAL_SEQUENCE_LSTM"),
    ],
)
def test_what_depends_on_the_data_is_not_predicted_and_never_zero(tflite, kind):
    plan = explain(tflite, CPU)
    assert plan.unpredicted == (kind,)
    assert plan.instructions is None and plan.dense_instructions is None
    (only,) = [op for op in plan.operators if op.op == kind]
    assert only.instructions is None


def test_what_is_run_once_and_variables_leave_the_rest_predicted():
    plan = explain(odd_nets.accumulator(), CPU)
    assert plan.unpredicted == () and plan.instructions > 0


def test_plain_networks_are_predicted_as_before():
    plan = explain(nets.eligible(), CPU)
    assert plan.unpredicted == () and plan.instructions > 0


@pytest.mark.device
@pytest.mark.parametrize("count, units", [also(1, 8), also(40, 8), (10, 64)])
def test_a_loop_costs_what_was_predicted_on_the_emulated_board(tmp_path, count, units):
    tflite = odd_nets.loop(count, units)
    totals = []
    for warmup in (10, 60):  # runs that are timed cost more: the agent writes their times down
        with loaded(tflite, tmp_path, count_instructions=True) as session:
            session.time(warmup=warmup, runs=1, max_s=0.0, timeout_s=120.0)
            totals.append(session.close())
    measured = (totals[1] - totals[0]) / 50
    assert explain(tflite, CPU).instructions == pytest.approx(measured, rel=0.02)
