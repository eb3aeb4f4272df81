import itertools
import sys

import numpy as np
import pytest
from full_range import also
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.pruning.one_shot.block_shape import (
    block_shape,
    blocks_to_remove,
    lowest_removed,
    row_parts,
)
from edgeprune.pruning.one_shot.exact_obs import exact_mask, removal_trace
from edgeprune.pruning.one_shot.second_order import DAMPING, output_error, refit, second_order
from edgeprune.pruning.one_shot.sparse_gpt import sweep

PATTERNS = ("unstructured", "2x1", "4x1", "1x2", "1x4", "2:4", "1:3")
each_pattern = pytest.mark.parametrize("pattern", PATTERNS)


def problem(seed, rows, columns, samples=None):
    """Weights and inputs whose features are correlated; ``(W, X)``."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(columns) + rng.normal(size=(columns, columns)) / np.sqrt(columns)
    inputs = mixing @ rng.normal(size=(columns, samples or 4 * columns))
    return rng.normal(size=(rows, columns)).astype(np.float32), inputs


def hessian_of(inputs):
    return 2 * inputs @ inputs.T / inputs.shape[1]


def damped(hessian):
    return hessian + np.eye(len(hessian)) * DAMPING * np.diagonal(hessian).mean()


def best_error(weights, hessian, mask):
    """What the kept weights can reach, by a plain least-squares solver, row by row."""
    root = np.linalg.cholesky(hessian).T
    total = 0.0
    for row, kept in zip(weights.astype(float), mask, strict=True):
        wanted = root @ row
        found = np.linalg.lstsq(root[:, kept], wanted, rcond=None)[0]
        total += 0.5 * float(((wanted - root[:, kept] @ found) ** 2).sum())
    return total


def share(pattern, wanted=0.5):
    shape = block_shape(pattern)
    return 1 - shape.keep / shape.group if shape.group else wanted


@given(st.integers(0, 10**6), st.integers(2, 7))
def test_the_first_removal_is_the_best_single_one(seed, columns):
    weights, inputs = problem(seed, 1, columns)
    hessian = damped(hessian_of(inputs))
    trace = removal_trace(
        weights[None].astype(float), np.linalg.inv(hessian), block_shape("unstructured")
    )
    masks = ~np.eye(columns, dtype=bool)
    errors = [best_error(weights, hessian, mask[None]) for mask in masks]
    assert trace.order[0, 0] == np.argmin(errors)
    assert trace.losses[0, 0] == pytest.approx(min(errors))


@given(st.integers(0, 10**6), st.integers(0, 6), st.sampled_from(["unstructured", "1x2", "2x1"]))
def test_the_losses_of_a_trace_add_up_to_the_least_squares_error(seed, steps, pattern):
    shape = block_shape(pattern)
    weights, inputs = problem(seed, shape.rows, 12)
    hessian = damped(hessian_of(inputs))
    trace = removal_trace(weights[None].astype(float), np.linalg.inv(hessian), shape)
    mask = np.ones(12 // shape.columns, bool)
    mask[trace.order[0, :steps]] = False
    mask = np.tile(mask.repeat(shape.columns), (shape.rows, 1))
    assert trace.losses[0, :steps].sum() == pytest.approx(best_error(weights, hessian, mask))


@each_pattern
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(4, 13), st.floats(0, 0.9))
def test_the_update_is_the_least_squares_solution_on_the_kept_weights(
    pattern, seed, rows, columns, sparsity
):
    weights, inputs = problem(seed, rows, columns)
    hessian = damped(hessian_of(inputs))
    values, mask = second_order(
        weights, hessian_of(inputs), block_shape(pattern), share(pattern, sparsity)
    )
    assert not values[~mask].any()
    found = output_error(values.astype(float) - weights, hessian)
    assert found == pytest.approx(best_error(weights, hessian, mask), rel=1e-4, abs=1e-8)


@each_pattern
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 13), st.floats(0, 0.95))
def test_counts_and_shapes_are_exact(pattern, seed, rows, columns, sparsity):
    shape = block_shape(pattern)
    sparsity = share(pattern, sparsity)
    weights, inputs = problem(seed, rows, columns)
    masks = [
        second_order(weights, hessian_of(inputs), shape, sparsity).mask,
        lowest_removed(np.abs(weights), shape, sparsity),
    ]
    for mask in masks:
        if shape.group:
            end = columns // shape.group * shape.group
            kept = mask[:, :end].reshape(rows, -1, shape.group).sum(axis=2)
            assert (kept == shape.keep).all() and mask[:, end:].all()
            continue
        for part in row_parts(rows, shape.rows):
            height = min(shape.rows, part.stop - part.start)
            blocks = mask[part].reshape(-1, height, columns)
            assert (blocks == blocks[:, :1]).all()
            first = blocks[:, 0, :: shape.columns]
            assert (first.repeat(shape.columns, axis=1)[:, :columns] == blocks[:, 0]).all()
            own = block_shape(f"{height}x{shape.columns}")
            wanted = blocks_to_remove(part.stop - part.start, columns, own, sparsity)
            assert (~first).sum() == wanted


def errors(seed, rows, columns, sparsity):
    """Of second order, of its mask without the update, and of magnitude."""
    weights, inputs = problem(seed, rows, columns)
    hessian = damped(hessian_of(inputs))
    shape = block_shape("unstructured")
    done = second_order(weights, hessian_of(inputs), shape, sparsity)
    kept = lowest_removed(np.abs(weights), shape, sparsity)
    found = done.values, np.where(done.mask, weights, 0), np.where(kept, weights, 0)
    return [output_error(one - weights.astype(float), hessian) for one in found]


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(2, 24), st.floats(0, 0.9))
def test_the_update_is_never_worse_than_zeroing_the_same_weights(seed, rows, columns, sparsity):
    updated, zeroed, _ = errors(seed, rows, columns, sparsity)
    assert updated <= zeroed + 1e-6


def test_the_error_is_far_below_that_of_magnitude():
    """Not always, as the choice of weights is greedy: by the median of many matrices."""
    ratios = []
    for seed in range(40):
        updated, _, magnitude = errors(seed, 4, 24, 0.6)
        ratios.append(updated / magnitude)
    assert np.median(ratios) < 0.5 and np.mean(np.array(ratios) <= 1) > 0.95


def test_masks_of_a_small_row_are_close_to_the_best_of_all():
    ratios = []
    for seed in range(20):
        weights, inputs = problem(seed, 1, 8)
        hessian = damped(hessian_of(inputs))
        mask = exact_mask(
            weights.astype(float), np.linalg.inv(hessian), block_shape("unstructured"), 0.5
        )
        every = itertools.combinations(range(8), 4)
        best = min(best_error(weights, hessian, np.isin(np.arange(8), k)[None]) for k in every)
        ratios.append(best_error(weights, hessian, mask) / best)
    assert min(ratios) >= 1 - 1e-9 and np.mean(ratios) < 1.1


@pytest.mark.parametrize(
    "pattern", [p if p in ("unstructured", "2:4") else also(p) for p in PATTERNS]
)
def test_the_sweep_over_a_wide_layer_keeps_count_and_beats_magnitude(pattern, monkeypatch):
    shape = block_shape(pattern)
    weights, inputs = problem(3, 12, 300)
    hessian = hessian_of(inputs)
    sparsity = share(pattern, 0.6)
    mask, values = sweep(weights.astype(float), np.linalg.inv(damped(hessian)), shape, sparsity)
    wanted = lowest_removed(np.abs(weights), shape, sparsity)
    assert mask.sum() == wanted.sum()
    assert not values[~mask].any()
    swept = output_error(values - weights, hessian)
    plain = output_error(np.where(wanted, weights, 0).astype(float) - weights, hessian)
    module = sys.modules[second_order.__module__]
    monkeypatch.setattr(module, "EXACT_COST", 0)
    refitted = second_order(weights, hessian, shape, sparsity)
    monkeypatch.setattr(module, "REFIT_COST", 0)
    kept = second_order(weights, hessian, shape, sparsity)
    np.testing.assert_allclose(kept.values, values, rtol=1e-4, atol=1e-5)
    assert output_error(refitted.values - weights.astype(float), hessian) < swept < plain


def test_with_other_inputs_than_the_dense_model_had_the_target_is_the_dense_output():
    weights, dense = problem(0, 5, 10)
    inputs = dense + np.random.default_rng(1).normal(size=dense.shape) * 0.5 + 0.2
    cross = 2 * dense @ inputs.T / inputs.shape[1]
    hessian = hessian_of(inputs)
    shape = block_shape("unstructured")

    def error(values):
        return float(((weights @ dense - values @ inputs) ** 2).sum())

    own = second_order(weights, hessian, shape, 0.5).values
    towards_dense = second_order(weights, hessian, shape, 0.5, cross).values
    assert error(towards_dense) < error(own)
    same = second_order(weights, hessian, shape, 0.5, hessian)
    np.testing.assert_allclose(same.values, own, rtol=1e-4, atol=1e-5)


def test_more_inputs_than_samples_and_equal_ones_are_no_trouble():
    weights, inputs = problem(0, 6, 40, samples=5)
    inputs[7] = inputs[8]
    values, mask = second_order(weights, hessian_of(inputs), block_shape("unstructured"), 0.8)
    assert np.isfinite(values).all() and (~mask).sum() == 192
    ratio = ((values @ inputs - weights @ inputs) ** 2).sum() / ((weights @ inputs) ** 2).sum()
    assert ratio < 0.01


def test_inputs_that_are_always_zero_go_first_and_else_keep_their_weights():
    weights, inputs = problem(0, 6, 20)
    inputs[::4] = 0
    weights[:, ::4] = 100
    _, mask = second_order(weights, hessian_of(inputs), block_shape("unstructured"), 0.25)
    assert not mask[:, ::4].any()
    values, mask = second_order(weights, hessian_of(inputs), block_shape("unstructured"), 0.1)
    assert (values[:, ::4][mask[:, ::4]] == 100).all()
    nothing = second_order(weights, np.zeros((20, 20)), block_shape("unstructured"), 0.5)
    assert (nothing.values[nothing.mask] == weights[nothing.mask]).all()


def test_blocks_of_channels_stay_full_where_a_weight_comes_out_as_zero():
    weights = np.zeros((4, 6), np.float32)
    weights[0] = 1  # the others come out as zero
    values, mask = second_order(weights, np.eye(6), block_shape("4x1"), 0.5)
    assert (values != 0).tolist() == mask.tolist() and mask.sum() == 12


def test_refitting_shared_masks_solves_once_for_all_rows_of_a_block():
    weights, inputs = problem(0, 4, 9)
    hessian = damped(hessian_of(inputs))
    mask = np.repeat(np.random.default_rng(0).random((2, 9)) > 0.4, 2, axis=0)
    one_by_one = refit(weights.astype(float), hessian, mask)
    np.testing.assert_allclose(refit(weights.astype(float), hessian, mask, 2), one_by_one)


@pytest.mark.parametrize(
    ("pattern", "sparsity", "line"),
    [
        ("unstructured", 1.0, r"sparsity must be in \[0, 1\), got 1"),
        ("2:4", 0.6, "the pattern 2:4 has a sparsity of 0.5: asked for 0.6"),
        ("2x0", 0.5, "pattern '2x0' is no shape of blocks"),
        ("4:2", 0.5, "pattern '4:2' is no shape of blocks"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(pattern, sparsity, line):
    with pytest.raises(ModelError, match=line):
        second_order(np.ones((4, 4), np.float32), np.eye(4), block_shape(pattern), sparsity)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ModelError, match="inf or nan"):
        second_order(
            np.full((2, 2), np.inf, np.float32), np.eye(2), block_shape("unstructured"), 0.5
        )
