"""A session with the real agent, and what of its runs is kept."""

import statistics
import time

import nets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.agents import build, runtime
from edgeprune.agents.answers import Timing
from edgeprune.agents.device_clock import Moment
from edgeprune.agents.start import start_agent
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError
from edgeprune.measure.interleave import turns
from edgeprune.measure.session import MAX_KEPT, STRETCHES, _Kept, time_session
from edgeprune.recipe.efforts import EFFORTS, Amount
from edgeprune.recipe.run_table import RunTable


@pytest.fixture
def agent(tmp_path):
    board = load_board("local")
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    library = runtime.library(board.cpu.isa, board.runtime.version).path
    with TRANSPORTS.get("local")(board, Device("local", "local")) as transport:
        with start_agent(transport, str(build.agent("host"))) as agent:
            agent.load(str(library), str(tmp_path / "net.tflite"))
            yield agent


def test_runs_without_seconds_are_exactly_that_many(agent):
    found = time_session(agent, Amount(7, 0.0, 10.0), 2, 60.0)
    assert found.runs == len(found.latency_ns) == 7
    assert found.first_ns > 0 and found.begin_s < found.end_s
    assert found.over_time == () and found.trend is None


def test_seconds_are_filled_with_more_runs_of_which_some_are_kept(agent):
    asked = []
    found = time_session(agent, Amount(7, 0.3, 10.0), 2, 60.0, lambda: asked.append(1))
    assert found.end_s - found.begin_s >= 0.3 and asked
    assert found.runs > 7
    assert MAX_KEPT / 2 <= len(found.latency_ns) <= MAX_KEPT or found.runs <= MAX_KEPT
    if found.runs > MAX_KEPT:
        step = -(-found.runs // len(found.latency_ns))
        assert found.every_ns[::step].tolist() == list(found.latency_ns)
        assert len(found.every_ns) == found.runs


def test_a_session_ends_at_its_limit_with_the_runs_that_it_has(agent):
    found = time_session(agent, Amount(100_000, 1.0, 0.05), 0, 60.0)
    assert 1 <= found.runs < 100_000


class Fast:
    """An agent whose runs take half a second each on its clock, and none on ours."""

    def __init__(self):
        self.timed_s = 0.0

    def moment(self):
        now_ns = time.monotonic_ns()
        return Moment(now_ns, now_ns, now_ns + 1)

    def time(self, warmup, runs, max_s, timeout_s):
        begin_ns = round(self.timed_s * 1e9)
        count = max(1, min(runs, int(max_s / 0.5)))
        self.timed_s += 0.5 * count
        return Timing(begin_ns, begin_ns + count * 500_000_000, 1, (500_000_000,) * count, None)


@pytest.mark.parametrize(
    ("effort", "timed_s"), [("quick", 20.0), ("standard", 20.0), ("full", 90.0)]
)
def test_seconds_that_the_user_gives_are_timed_though_the_efforts_limit_is_lower(effort, timed_s):
    amount = RunTable(effort=effort, timed_s=timed_s).amount()
    assert amount.max_s >= amount.timed_s == timed_s > EFFORTS[effort].max_s
    assert time_session(Fast(), amount, 0, 60.0).runs == 2 * timed_s


def test_the_limit_that_the_user_gives_goes_before_the_seconds():
    amount = RunTable(timed_s=20.0, max_s=5.0).amount()
    assert time_session(Fast(), amount, 0, 60.0).runs == 10


class Liar:
    """An agent whose clock runs at ``rate`` of this machine's, and whose runs take ``run_ns``."""

    def __init__(self, rate, run_ns):
        self.rate, self.run_ns = rate, run_ns

    def now_ns(self):
        return round(time.monotonic_ns() * self.rate)

    def moment(self):
        sent_ns = time.monotonic_ns()
        return Moment(self.now_ns(), sent_ns, time.monotonic_ns())

    def time(self, warmup, runs, max_s, timeout_s):
        begin_ns = self.now_ns()
        time.sleep(0.2)
        latency_ns = (self.run_ns,) * min(runs, 100)
        return Timing(begin_ns, begin_ns + sum(latency_ns), 1, latency_ns, None)


def test_a_clock_that_stands_still_is_not_waited_for_without_an_end():
    with pytest.raises(DeviceError, match="clock stands still: 100 inferences in 0 ns"):
        time_session(Liar(1.0, 0), Amount(7, 0.5, 10.0), 0, 60.0)


def test_a_clock_that_runs_slow_while_the_device_works_is_told():
    with pytest.raises(DeviceError, match=r"the device's clock ran 0\.0\d\d s while this"):
        time_session(Liar(0.01, 10_000_000), Amount(7, 0.5, 10.0), 0, 60.0)


def chunk(latency_ns, begin_ns=0):
    return Timing(begin_ns, begin_ns + sum(latency_ns), 1, tuple(latency_ns), None)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=6))
def test_what_is_kept_is_every_kth_run_in_order_with_its_moment(sizes):
    kept, runs, begin_ns = _Kept(), 0, 0
    for size in sizes:
        made = [10 + (runs + k) % 97 for k in range(size)]
        kept.add(chunk(made, begin_ns))
        runs, begin_ns = runs + size, begin_ns + sum(made)
    assert kept.runs == runs and len(kept.latency_ns) == len(kept.at_ns) <= MAX_KEPT
    assert kept.latency_ns == [10 + k % 97 for k in range(0, runs, kept.every)]
    assert kept.at_ns == sorted(kept.at_ns) and kept.at_ns[0] == 0
    assert len(kept.latency_ns) * kept.every >= runs


def test_latency_over_time_is_told_by_medians_of_equal_stretches():
    kept = _Kept()
    second = 1_000_000_000
    kept.add(chunk([second // 100] * 1000))
    kept.add(chunk([second // 50] * 500, begin_ns=10 * second))
    points = kept.over_time(0)
    assert len(points) == STRETCHES
    assert statistics.median(us for at, us in points if at < 10) == 10_000
    assert statistics.median(us for at, us in points if at > 10.5) == 20_000


@given(st.sampled_from(sorted(EFFORTS)), st.integers(1, 20))
def test_every_effort_is_reached_by_its_sessions_together(name, sessions):
    for table in (RunTable(effort=name), RunTable(effort=name, sessions=sessions)):
        amount, count = table.amount(), table.planned_sessions()
        assert amount.runs * count >= EFFORTS[name].runs
        assert amount.timed_s * count == pytest.approx(EFFORTS[name].timed_s)
        assert amount.max_s >= amount.timed_s


def test_numbers_of_the_user_take_the_place_of_the_efforts():
    table = RunTable(effort="full", sessions=3, runs=9, timed_s=0.5, max_s=2.0)
    assert (table.planned_sessions(), table.amount()) == (3, Amount(9, 0.5, 2.0))


@given(st.integers(1, 4), st.integers(1, 9))
def test_every_variant_runs_once_a_round_and_no_place_in_the_round_is_ones_own(names, rounds):
    order = turns(list(range(names)), 2 * rounds)
    for k in range(2 * rounds):
        assert sorted(order[names * k : names * (k + 1)]) == list(range(names))
    places = [[k % names for k, name in enumerate(order) if name == one] for one in range(names)]
    assert len({sum(one) for one in places}) == 1, "forward and backward cancel"
