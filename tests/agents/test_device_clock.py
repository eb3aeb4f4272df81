from hypothesis import given
from hypothesis import strategies as st

from edgeprune.agents.device_clock import DeviceClock

SECOND = 1_000_000_000


def test_a_window_may_not_be_longer_than_the_wait_for_its_answer():
    assert DeviceClock().wrong(0, 2 * SECOND, 0, 2 * SECOND) == ""
    wrong = DeviceClock().wrong(0, 40 * SECOND, 0, 12 * SECOND)
    assert wrong.startswith("the device's clock ran 40.000 s while this machine's ran 12.000 s")


def test_a_window_that_ends_before_it_begins_is_refused():
    assert "runs backwards" in DeviceClock().wrong(5, 4, 0, SECOND)


def test_the_clock_may_not_go_back_between_two_questions():
    clock = DeviceClock()
    assert clock.wrong(100 * SECOND, 100 * SECOND, 0, 10) == ""
    assert "runs backwards" in clock.wrong(99 * SECOND, 99 * SECOND, SECOND, SECOND + 10)


def test_the_clock_may_not_jump_ahead_between_two_questions():
    clock = DeviceClock()
    assert clock.wrong(100 * SECOND, 100 * SECOND, 0, 10) == ""
    wrong = clock.wrong(200 * SECOND, 200 * SECOND, SECOND, SECOND + 10)
    assert "ran 100.000 s while this machine's ran 1.000 s" in wrong


def test_a_phone_may_sleep_between_two_questions():
    clock = DeviceClock()
    assert clock.wrong(100 * SECOND, 100 * SECOND, 0, 10) == ""
    late = 1000 * SECOND
    assert clock.wrong(101 * SECOND, 101 * SECOND, late, late + 10) == ""
    assert "while this machine's" in clock.wrong(
        150 * SECOND, 151 * SECOND, late + 20, late + SECOND
    )


def test_samples_may_lie_before_what_was_asked_meanwhile():
    clock = DeviceClock()
    assert clock.wrong(10 * SECOND, 10 * SECOND, 0, 10) == ""
    assert clock.wrong(20 * SECOND, 20 * SECOND, 10 * SECOND, 10 * SECOND + 10) == ""
    begun, ended = 11 * SECOND, 21 * SECOND
    assert clock.wrong(begun, ended, SECOND, 11 * SECOND + 10, after_ns=10 * SECOND) == ""
    assert clock.wrong(begun, ended, SECOND, 12 * SECOND) != ""


@given(
    st.integers(0, 1 << 60),
    st.floats(0.991, 1.009),
    st.lists(st.tuples(*(st.integers(0, 3 * SECOND) for _ in range(4))), min_size=1, max_size=12),
)
def test_an_honest_clock_that_runs_a_little_fast_or_slow_is_never_refused(start_ns, rate, waits):
    """Each wait: until the question, its way there, what is timed, the answer's way back."""
    clock, now_ns = DeviceClock(), 0

    def device_ns(host_ns):
        return start_ns + round(host_ns * rate)

    for until, there, timed, back in waits:
        sent_ns = now_ns + until
        begin_ns = sent_ns + there
        end_ns = begin_ns + timed
        now_ns = end_ns + back
        assert clock.wrong(device_ns(begin_ns), device_ns(end_ns), sent_ns, now_ns) == ""
