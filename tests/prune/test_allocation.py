import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.prune.allocation import ALLOCATIONS, Candidate, allocate
from edgeprune.recipe import ALLOCATIONS as NAMES

each_allocation = pytest.mark.parametrize("name", NAMES)


def candidate(name, shape, scale=1.0, seed=0):
    values = np.random.default_rng(seed).normal(size=(shape[-1], int(np.prod(shape[:-1]))))
    return Candidate(name, shape, np.abs(scale * values).astype(np.float32))


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


@each_allocation
@given(networks(), st.floats(0, 0.95))
def test_together_the_layers_have_the_wished_sparsity(name, candidates, sparsity):
    shares = allocate(name, candidates, sparsity, {})
    assert list(shares) == [one.name for one in candidates]
    assert all(0 <= share < 1 for share in shares.values())
    size = sum(one.scores.size for one in candidates)
    assert total(candidates, shares) == pytest.approx(sparsity, abs=0.51 / size + 1e-6)


@each_allocation
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
