import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu

from edgeprune.significance.rank_test import fisher, hodges_lehmann, mann_whitney

# Few distinct values, so that ties are common.
SIDES = st.lists(st.integers(1, 6), min_size=2, max_size=5)


def by_all_choices(first, second):
    """The definition: of all ways to deal the values out, the share at least as uneven."""
    values = [*first, *second]
    ranks = [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]
    middle = sum(ranks) * len(first) / len(ranks)
    seen = abs(sum(ranks[: len(first)]) - middle)
    sums = [sum(choice) for choice in itertools.combinations(ranks, len(first))]
    return sum(abs(one - middle) >= seen - 1e-9 for one in sums) / len(sums)


@given(SIDES, SIDES)
def test_the_p_value_is_that_of_its_definition_with_ties_too(first, second):
    assert mann_whitney(first, second) == pytest.approx(by_all_choices(first, second))
    assert mann_whitney(second, first) == pytest.approx(mann_whitney(first, second))


def test_five_sessions_can_show_a_difference_and_three_never():
    assert mann_whitney(range(5), range(10, 15)) == pytest.approx(2 / 252)
    assert mann_whitney(range(3), range(10, 13)) == pytest.approx(0.1)


@given(st.floats(0.1, 10), st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_a_factor_is_found_exactly_where_one_side_is_a_multiple(factor, base, new, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.lognormal(0, 0.02, base), rng.lognormal(0, 0.02, new)
    found = hodges_lehmann(first, second)
    assert hodges_lehmann(first, factor * second) == pytest.approx(factor * found)
    assert hodges_lehmann(second, first) == pytest.approx(1 / found)
    assert hodges_lehmann(first, factor * first) == pytest.approx(factor)


def test_two_copies_are_told_apart_in_5_of_100_at_most():
    rng = np.random.default_rng(2)
    sides = rng.lognormal(3, 0.02, (1000, 2, 10))
    assert sum(mann_whitney(*pair) <= 0.05 for pair in sides) <= 65


def test_fisher_is_that_of_a_published_table():
    # Fisher 1935, ch. 2: the lady who tastes 4 of 4 cups right; two-sided 2/70.
    assert fisher((4, 0), (4, 4)) == pytest.approx(2 / 70)
    assert fisher((3, 1), (4, 4)) == pytest.approx(34 / 70)


@given(st.integers(0, 500), st.integers(0, 500))
def test_fisher_is_a_probability_and_symmetric(first, second):
    value = fisher((first, second), (500, 500))
    assert 0 <= value <= 1
    assert value == pytest.approx(fisher((second, first), (500, 500)), abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(40, 60), st.integers(40, 60))
def test_fisher_is_that_of_scipy_for_sides_of_different_sizes(first, second, base, new):
    table = [[first, second], [base - first, new - second]]
    assert fisher((first, second), (base, new)) == pytest.approx(fisher_exact(table).pvalue)


@pytest.mark.parametrize("samples", list(itertools.product(range(1, 4), repeat=2)))
def test_fisher_is_that_of_scipy_for_the_smallest_sides(samples):
    base, new = samples
    for first, second in itertools.product(range(base + 1), range(new + 1)):
        table = [[first, second], [base - first, new - second]]
        assert fisher((first, second), samples) == pytest.approx(fisher_exact(table).pvalue)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6))
def test_the_p_value_is_that_of_scipy_where_nothing_is_equal(base, new, seed):
    values = np.random.default_rng(seed).permutation(base + new).astype(float)
    first, second = values[:base], values[base:]
    expected = mannwhitneyu(first, second, method="exact").pvalue
    assert mann_whitney(first, second) == pytest.approx(expected)


def test_the_factor_is_the_median_of_all_ratios():
    # 15/10, 16/10, 30/10, 15/20, 16/20, 30/20, 15/50, 16/50, 30/50
    assert hodges_lehmann([10, 20, 50], [15, 16, 30]) == 0.8
