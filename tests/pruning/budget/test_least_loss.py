import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.pruning.budget.least_loss import least_loss

numbers = st.integers(0, 12)


@st.composite
def problems(draw):
    """Whole costs, and a budget that leaves exactly as many buckets as units of cost."""
    layers = draw(
        st.lists(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5), max_size=4)
    )
    losses = [np.array([loss for loss, _ in layer], np.float64) for layer in layers]
    costs = [np.array([cost for _, cost in layer], np.float64) for layer in layers]
    return losses, costs, draw(st.integers(1, 40))


def totals(values, chosen):
    return sum(float(each[k]) for each, k in zip(values, chosen, strict=True))


@given(problems())
def test_it_is_as_good_as_trying_every_choice(problem):
    losses, costs, room = problem
    budget = sum(each.min() for each in costs) + room
    chosen = least_loss(losses, costs, budget, buckets=room)
    tried = itertools.product(*(range(len(each)) for each in losses))
    best = min(totals(losses, choice) for choice in tried if totals(costs, choice) <= budget)
    assert totals(costs, chosen) <= budget
    assert totals(losses, chosen) == best


@given(problems(), st.floats(0.1, 30), st.integers(1, 50))
def test_the_budget_holds_however_coarse_the_buckets_are(problem, room, buckets):
    losses, costs, _ = problem
    budget = sum(each.min() for each in costs) + room
    chosen = least_loss(losses, costs, budget, buckets)
    assert totals(costs, chosen) <= budget + 1e-9


def test_without_room_each_layer_takes_its_cheapest():
    losses = [np.array([0.0, 1.0]), np.array([5.0, 0.0, 2.0])]
    costs = [np.array([9.0, 3.0]), np.array([4.0, 4.5, 4.0])]
    assert least_loss(losses, costs, 7.0) == [1, 2]


def test_less_than_the_cheapest_is_an_error_with_both_numbers():
    with pytest.raises(ModelError, match=r"a cost of 2 cannot be kept: the least is 3"):
        least_loss([np.array([0.0])], [np.array([3.0])], 2.0)
