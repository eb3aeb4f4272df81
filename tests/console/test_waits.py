import pytest

from edgeprune.console.waits import MIN_SEEN_S, Count, Wait, duration


def counting(*pairs, total=100, is_most=False):
    """A wait that began at 0, with counts of so many at such times."""
    wait = Wait("prune", 0.0)
    for done, now_s in pairs:
        wait.counted(Count(done, total, f"batch {done}", is_most), now_s)
    return wait


def test_the_time_left_is_that_of_the_pace_so_far():
    assert counting((1, 10.0), (11, 20.0)).left_s(20.0) == 89.0
    assert counting((1, 10.0), (51, 60.0)).times(60.0) == "1 min so far, about 49 s left"


def test_what_was_done_before_the_first_count_says_nothing_of_the_pace():
    """As compiling does, and epochs of a training that is resumed."""
    assert counting((80, 1000.0), (90, 1010.0)).left_s(1010.0) == 10.0


@pytest.mark.parametrize(
    "wait",
    [
        Wait("convert", 0.0),
        counting((1, 10.0)),
        counting((5, 10.0), (5, 40.0)),
        counting((1, 0.0), (2, 30.0), total=None),
        counting((1, 10.0), (2, 10.0 + MIN_SEEN_S - 0.1)),
    ],
)
def test_a_time_left_that_nobody_can_know_is_not_told(wait):
    assert "left" not in wait.times(10.0 + MIN_SEEN_S - 0.1)


def test_the_time_left_goes_down_between_two_counts_to_what_the_later_parts_take():
    wait = counting((0, 0.0), (2, 20.0), total=5)
    assert [wait.left_s(at) for at in (20.0, 25.0, 30.0, 300.0)] == [30.0, 25.0, 20.0, 20.0]


def test_work_that_is_cut_to_a_time_tells_what_is_left_from_its_first_count_on():
    wait = Wait("run", 0.0)
    wait.counted(Count(0, 2, "dense: energy by ina219", left_s=70.0), 5.0)
    assert wait.times(35.0) == "35 s so far, about 40 s left"
    assert wait.left_s(100.0) == 0.0


def test_a_count_that_begins_anew_forgets_the_old_pace():
    wait = counting((1, 0.0), (100, 10.0), (1, 20.0))
    assert wait.left_s(30.0) is None
    wait.counted(Count(2, 100, "batch 2"), 30.0)
    assert wait.left_s(30.0) == 980.0


def test_what_is_said_after_a_count_takes_its_place():
    wait = counting((1, 0.0), (50, 50.0))
    wait.said("converting")
    assert (wait.how_far(), wait.doing) == ("", "converting")
    assert wait.times(50.0) == "50 s so far"
    wait.counted(Count(60, 100, "batch 60"), 60.0)
    assert wait.how_far() == "batch 60" and "left" in wait.times(60.0)


def test_parts_that_may_not_all_be_needed_give_a_time_at_most():
    assert counting((1, 0.0), (2, 10.0), total=10, is_most=True).times(10.0) == (
        "10 s so far, at most 1 min 20 s left"
    )


def test_more_parts_than_were_promised_leave_no_negative_time():
    assert counting((1, 0.0), (120, 60.0)).left_s(60.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (599, "9 min 59 s"),
        (600, "10 min"),
        (3599, "1 h"),
        (3660, "1 h 1 min"),
        (86400, "24 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds, text):
    assert duration(seconds) == text
