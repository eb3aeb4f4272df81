import itertools

from hypothesis import given
from hypothesis import strategies as st

from edgeprune.training.drop_limit import DropLimit, Seen, is_lost


def test_the_sparsest_state_that_keeps_the_limit_is_the_best():
    limit = DropLimit(0.8)
    epochs = [(0.0, 0.95), (0.3, 0.9), (0.6, 0.81), (0.6, 0.85), (0.6, 0.82), (0.9, 0.7)]
    for sparsity, value in epochs:
        now = Seen(sparsity, value, None)
        if limit.is_better(now):
            limit.keep(now, [], [])
    assert limit.best == Seen(0.6, 0.85, None)


def test_an_accuracy_that_is_no_number_is_never_kept():
    assert not DropLimit(-1.0).is_better(Seen(0.5, float("nan"), None))


def test_growing_sparsity_is_not_judged():
    assert not is_lost([Seen(0.2, 0.5, None), Seen(0.4, 0.1, None)], 0.9)


def test_the_end_of_a_round_below_the_floor_is_lost():
    assert is_lost([Seen(0.4, 0.85, 0)], 0.9)
    assert not is_lost([Seen(0.4, 0.9, 0)], 0.9)


def test_epochs_before_the_sparsity_settled_promise_nothing():
    growing = [Seen(0.7, 0.1, None), Seen(0.8, 0.5, 2)]
    assert not is_lost(growing, 0.9)
    assert is_lost([*growing, Seen(0.8, 0.55, 1)], 0.9)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0, 1), st.integers(1, 9))
def test_what_gains_enough_at_its_best_pace_is_never_given_up(values, floor, left):
    count = len(values)
    seen = [Seen(0.5, value, left + count - 1 - k) for k, value in enumerate(values)]
    pace = max(0.0, *(b - a for a, b in itertools.pairwise(values)))
    assert is_lost(seen, floor) == (values[-1] < floor and values[-1] + left * pace < floor)
