import dataclasses

import numpy as np
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.pruning.allocation import ALLOCATIONS, Candidate, allocate
from edgeprune.pruning.allocation.cost_aware import MIN_CLUSTER_SPARSITY
from edgeprune.pruning.budget.curve import Curve
from edgeprune.pruning.budget.sensitivity import grid
from edgeprune.recipe.prune_parts import ALLOCATIONS as NAMES

each_allocation = pytest.mark.parametrize("name", NAMES)
each_of_fixed_sparsity = pytest.mark.parametrize("name", sorted({*NAMES} - {"cost_aware"}))
each_that_measures = pytest.mark.parametrize(
    "name", [row.name for row in NAMES.values() if row.measures_loss]
)


def candidate(name, shape, scale=1.0, seed=0, pixels=64.0):
    """Pruning hurts the more, the larger the scale; ``pixels`` None: no sparse kernel runs it."""
    values = np.random.default_rng(seed).normal(size=(shape[-1], int(np.prod(shape[:-1]))))
    points = np.array(grid(0.8))
    costs = None if pixels is None else pixels * values.size * (1 - points)
    curve = Curve(points, scale * points**2, costs)
    return Candidate(name, shape, np.abs(scale * values).astype(np.float32), curve)


@st.composite
def networks(draw):
    side = st.integers(1, 24)
    shapes = draw(st.lists(st.tuples(st.sampled_from([1, 3]), side, side), min_size=1, max_size=6))
    return [
        candidate(f"l{k}", (taps, taps, i, o), draw(st.floats(0.01, 100)), k)
        for k, (taps, i, o) in enumerate(shapes)
    ]


def total(candidates, shares):
    sizes = [one.scores.size for one in candidates]
    return sum(shares[c.name] * n for c, n in zip(candidates, sizes, strict=True)) / sum(sizes)


def test_each_allocation_may_stand_in_a_recipe():
    assert set(NAMES) == set(ALLOCATIONS.names())


@each_of_fixed_sparsity
@given(networks(), st.floats(0, 0.95))
def test_together_the_layers_have_the_recipes_sparsity(name, candidates, sparsity):
    shares = allocate(name, candidates, sparsity, {})
    assert list(shares) == [one.name for one in candidates]
    assert all(0 <= share < 1 for share in shares.values())
    size = sum(one.scores.size for one in candidates)
    assert total(candidates, shares) == pytest.approx(sparsity, abs=0.51 / size + 1e-6)


@each_of_fixed_sparsity
@given(networks(), st.floats(0.1, 0.8), st.floats(0, 0.9))
def test_limits_hold_and_the_others_make_up_for_it(name, candidates, sparsity, limit):
    first = candidates[0]
    size = sum(one.scores.size for one in candidates)
    room = size - first.scores.size + limit * first.scores.size
    if sparsity * size > 0.97 * room:
        return
    shares = allocate(name, candidates, sparsity, {first.name: limit})
    assert shares[first.name] <= limit + 1e-9
    assert total(candidates, shares) == pytest.approx(sparsity, abs=0.51 / size + 1e-6)


@each_allocation
def test_limits_that_leave_no_room_are_an_error(name):
    candidates = [candidate("a", (8, 8)), candidate("b", (8, 8))]
    with pytest.raises(ModelError, match=r"90.0% cannot be reached: the limits of a"):
        allocate(name, candidates, 0.9, {"a": 0.1})


def test_global_takes_from_the_layer_of_small_weights():
    candidates = [candidate("small", (40, 40), 0.1), candidate("large", (40, 40), 1.0)]
    shares = allocate("global", candidates, 0.5, {})
    assert shares["small"] > 0.8 and shares["large"] < 0.2


def test_erk_is_that_of_the_paper():
    candidates = [candidate("a", (3, 3, 16, 32)), candidate("b", (3, 3, 64, 64))]
    shares = allocate("erk", candidates, 0.8, {})
    densities = {name: 1 - share for name, share in shares.items()}
    wanted = ((3 + 3 + 16 + 32) / (9 * 16 * 32)) / ((3 + 3 + 64 + 64) / (9 * 64 * 64))
    assert densities["a"] / densities["b"] == pytest.approx(wanted)


def test_erk_keeps_what_would_be_more_than_dense_dense():
    candidates = [candidate("a", (4, 4)), candidate("b", (200, 200))]
    assert allocate("erk", candidates, 0.9, {})["a"] == 0


@each_that_measures
def test_without_measured_curves_the_line_says_what_is_needed(name):
    bare = Candidate("a", (4, 4), np.ones((4, 4), np.float32))
    with pytest.raises(ModelError, match=rf"the allocation {name} .* training data \(--data\)"):
        allocate(name, [bare], 0.8, {})


def cost(candidates, shares):
    return sum(one.curve.cost(shares[one.name]) for one in candidates)


@settings(max_examples=examples(12, 100))
@given(networks(), st.lists(st.sampled_from([4.0, 64.0, 1024.0]), min_size=6, max_size=6))
def test_cost_aware_costs_what_uniform_does_and_loses_no_more(candidates, pixels):
    priced = [
        dataclasses.replace(one, curve=dataclasses.replace(one.curve, costs=size * one.curve.costs))
        for one, size in zip(candidates, pixels, strict=False)
    ]
    shares = allocate("cost_aware", priced, 0.8, {})
    uniform = allocate("uniform", priced, 0.8, {})
    assert cost(priced, shares) <= cost(priced, uniform) * (1 + 1e-9)
    lost = [sum(one.curve.loss(s[one.name]) for one in priced) for s in (shares, uniform)]
    assert lost[0] <= lost[1] * (1 + 1e-9) + 1e-12
    assert total(priced, shares) >= MIN_CLUSTER_SPARSITY - 1e-9


def test_cost_aware_keeps_what_hardly_costs_denser():
    candidates = [
        candidate("few pixels", (32, 32), pixels=16.0),
        candidate("many pixels", (32, 32), pixels=1024.0),
    ]
    shares = allocate("cost_aware", candidates, 0.9, {})
    assert shares["few pixels"] < 0.9 - 0.1
    assert shares["many pixels"] > 0.9


def test_cost_aware_leaves_enough_zeros_to_run_sparse_at_all():
    large = candidate("few pixels", (100, 100), scale=10.0, pixels=1.0)
    candidates = [large, candidate("many pixels", (20, 20), pixels=10000.0)]
    shares = allocate("cost_aware", candidates, 0.7, {})
    assert total(candidates, shares) >= MIN_CLUSTER_SPARSITY - 1e-9


def test_layers_that_no_sparse_kernel_runs_take_the_recipes_sparsity():
    candidates = [candidate("conv", (32, 32)), candidate("head", (32, 10), 100.0, pixels=None)]
    assert allocate("cost_aware", candidates, 0.8, {})["head"] == 0.8


def test_limits_on_all_layers_that_run_sparse_leave_the_rest_to_the_others():
    candidates = [candidate("conv", (32, 32)), candidate("head", (64, 64), pixels=None)]
    shares = allocate("cost_aware", candidates, 0.8, {"conv": 0.5})
    assert shares["conv"] == 0.5
    assert total(candidates, shares) == pytest.approx(0.8)


def test_too_few_zeros_to_run_sparse_go_where_they_hurt_least():
    candidates = [candidate("a", (32, 32)), candidate("b", (32, 32), 9.0, pixels=1024.0)]
    assert allocate("cost_aware", candidates, 0.5, {}) == pytest.approx(
        allocate("sensitivity", candidates, 0.5, {})
    )
