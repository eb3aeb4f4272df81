import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.training.kmeans import INITIALISATIONS, codebook, nearest

NUMBERS = st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=40)


def error(values, centroids):
    return float(np.square(values - centroids[nearest(values, centroids)], dtype=np.float64).sum())


@given(NUMBERS, st.integers(1, 8), st.sampled_from(sorted(INITIALISATIONS)))
@settings(deadline=None)
def test_every_centroid_is_the_mean_of_what_is_nearest_to_it(numbers, clusters, init):
    values = np.array(numbers, np.float32)
    found = codebook(values, clusters, init)
    assert 1 <= found.size <= clusters and found.dtype == np.float32
    codes = nearest(values, found)
    assert np.array_equal(codes, np.abs(values[:, None] - found).argmin(1)) or np.allclose(
        np.abs(values - found[codes]), np.abs(values[:, None] - found).min(1), atol=1e-6
    )
    for k in range(found.size):
        if (codes == k).any():
            assert values[codes == k].mean() == pytest.approx(found[k], rel=1e-4, abs=1e-5)


@given(st.lists(st.integers(-20, 20), min_size=3, max_size=9, unique=True))
@settings(deadline=None)
def test_more_clusters_than_values_lose_nothing(numbers):
    values = np.array(numbers, np.float32)
    assert error(values, codebook(values, len(numbers), "linear")) == 0


def test_separated_groups_are_found_as_brute_force_finds_them():
    values = np.array([-5, -4.9, -5.1, 0.2, 0.3, 7, 7.2], np.float32)
    best = min(
        sum(
            float(np.square(part - part.mean()).sum())
            for part in np.split(np.sort(values), list(cuts))
        )
        for cuts in itertools.combinations(range(1, 7), 2)
    )
    for init in ("linear", "density", "kmeans++"):
        assert error(values, codebook(values, 3, init)) == pytest.approx(best, rel=1e-4)


def test_a_million_weights_take_a_codebook_and_the_largest_stay_large():
    values = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    linear = codebook(values, 32, "linear")
    assert linear.size == 32 and linear.max() > 3
    assert error(values, codebook(values, 32, "density")) < error(
        values, codebook(values, 8, "density")
    )


@pytest.mark.parametrize(("clusters", "init"), [(0, "linear"), (4, "best")])
def test_what_is_out_of_range_is_refused(clusters, init):
    with pytest.raises(ModelError, match="at least 1 cluster and one of linear, density"):
        codebook(np.ones(3, np.float32), clusters, init)


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(ModelError, match="not finite"):
        codebook(np.array([1, np.nan], np.float32), 2, "linear")
