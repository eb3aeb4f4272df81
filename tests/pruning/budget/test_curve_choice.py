import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.pruning.budget.curve import Curve
from edgeprune.pruning.budget.curve_choice import Budget, shares_within
from edgeprune.pruning.budget.sensitivity import grid

GOAL = 0.8


@st.composite
def layers(draw):
    """Curves that rise as a power of sparsity, sizes, and a cost for each weight that is left."""
    points = np.array(grid(GOAL))
    count = draw(st.integers(1, 5))
    rises = [(draw(st.floats(0, 10)), draw(st.floats(0.5, 8))) for _ in range(count)]
    sizes = [draw(st.integers(8, 5000)) for _ in range(count)]
    prices = [draw(st.floats(0.1, 20)) for _ in range(count)]
    curves = [Curve(points, scale * points**power) for scale, power in rises]
    kept = [size * (1 - points) for size in sizes]
    costs = [price * left for price, left in zip(prices, kept, strict=True)]
    return curves, kept, costs


def budget(used, curves, sparsity=GOAL):
    most = sum(
        float(np.interp(sparsity, each.sparsities, values))
        for each, values in zip(curves, used, strict=True)
    )
    return Budget(used, most)


def used(one, curves, shares):
    return sum(
        float(np.interp(share, each.sparsities, values))
        for each, values, share in zip(curves, one.used, shares, strict=True)
    )


def loss(curves, shares):
    return sum(each.loss(share) for each, share in zip(curves, shares, strict=True))


@given(layers())
def test_the_budget_is_used_up_and_no_more(problem):
    curves, kept, _ = problem
    limit = budget(kept, curves)
    shares = shares_within(curves, GOAL, limit)
    assert used(limit, curves, shares) == pytest.approx(limit.most, rel=1e-6)
    assert used(limit, curves, shares) <= limit.most * (1 + 1e-9)


@given(layers())
def test_it_never_loses_more_than_the_same_sparsity_everywhere(problem):
    curves, _, costs = problem
    shares = shares_within(curves, GOAL, budget(costs, curves))
    assert loss(curves, shares) <= loss(curves, [GOAL] * len(curves)) + 1e-9


@given(layers())
def test_the_second_budget_holds_as_well(problem):
    curves, kept, costs = problem
    first, second = budget(costs, curves), budget(kept, curves, 0.7)
    shares = shares_within(curves, GOAL, first, second)
    assert first.holds(curves, shares)
    assert second.holds(curves, shares)


def test_the_second_budget_costs_no_more_than_it_must():
    points = np.array(grid(GOAL))
    curves = [Curve(points, points**2), Curve(points, 3 * points**2)]
    kept = [1000 * (1 - points), 9000 * (1 - points)]
    costs = [100 * kept[0], kept[1]]
    first, second = budget(costs, curves), budget(kept, curves, 0.7)
    free = shares_within(curves, GOAL, first)
    assert not second.holds(curves, free)
    held = shares_within(curves, GOAL, first, second)
    assert loss(curves, free) <= loss(curves, held) < loss(curves, [GOAL] * 2)


def test_what_is_cheap_and_minds_pruning_stays_denser():
    points = np.array(grid(GOAL))
    curves = [Curve(points, points**2), Curve(points, 5 * points**2)]
    kept = [1000 * (1 - points)] * 2
    first, second = shares_within(curves, GOAL, budget(kept, curves))
    assert first > GOAL > second
