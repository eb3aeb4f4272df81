"""How sparse a network for a microcontroller becomes: what is trained, and from what."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.pruned import ChannelPruned, Pruned
from edgeprune.auto.growth import MIN_GAIN, SPARSITIES, Judged, grow, table_for, worthwhile
from edgeprune.firmware.planned import Forecast
from edgeprune.recipe import Recipe
from edgeprune.recipe.overrides import recipe_of

LIMIT = 0.01


@dataclass(frozen=True)
class Figures:
    """What a plan takes, without one."""

    instructions: int
    flash_bytes: int = 0


def forecast(sparsity, instructions=None, excess=""):
    figures = Figures(round(1e6 * (1 - sparsity)) if instructions is None else instructions)
    return Forecast(sparsity, "kernel", figures, excess)


EVERY = tuple(forecast(sparsity) for sparsity in SPARSITIES)


def grown(forecasts, losses):
    """What came of it, the models that trainings began with, and what was told."""
    started, told = [], []

    def train(model, sparsity):
        started.append(model.model)
        return Pruned(sparsity, {}, (), fine_tuned=True, profiling_only=False)

    def judge(model):
        return Judged(losses[model], Figures(1), holds=losses[model] <= LIMIT)

    found = grow(ChannelPruned("dense", "dense"), forecasts, train, judge, told.append)
    assert tuple(told) == found.attempts
    return found, started


def tried(found):
    return [attempt.sparsity for attempt in found.attempts]


def test_what_holds_is_trained_sparser_from_where_it_stands():
    found, started = grown(EVERY, dict.fromkeys(SPARSITIES, 0.0))
    assert tried(found) == [0.75, 0.85, 0.9, 0.95]
    assert started == ["dense", 0.75, 0.85, 0.9]
    assert found.chosen.sparsity == 0.95


def test_what_is_lost_is_trained_less_sparse_from_the_last_that_held():
    losses = {sparsity: 0.0 if sparsity <= 0.6 else 0.3 for sparsity in SPARSITIES}
    found, started = grown(EVERY, losses)
    assert tried(found) == [0.75, 0.5, 0.6, 0.7]
    assert started == ["dense", "dense", 0.5, 0.6]
    assert found.chosen.sparsity == 0.6
    assert [found.trainings(attempt) for attempt in found.attempts] == [1, 1, 2, 3]


def test_where_nothing_holds_nothing_is_chosen_and_the_closest_is_known():
    losses = {sparsity: sparsity for sparsity in SPARSITIES}
    found, _ = grown(EVERY, losses)
    assert found.chosen is None and found.closest.sparsity == min(tried(found)) == 0.3


@given(st.sets(st.sampled_from(SPARSITIES)), st.floats(0, 1))
def test_the_sparsest_that_holds_is_found_in_at_most_four_trainings(sparsities, edge):
    forecasts = [forecast(sparsity) for sparsity in sorted(sparsities)]
    losses = {sparsity: 0.0 if sparsity <= edge else 1.0 for sparsity in SPARSITIES}
    found, _ = grown(forecasts, losses)
    holding = [sparsity for sparsity in sorted(sparsities) if sparsity <= edge]
    assert len(found.attempts) <= 4
    assert (found.chosen.sparsity if found.chosen else None) == (holding[-1] if holding else None)


def test_a_step_that_saves_too_little_is_not_worth_a_training():
    dense = forecast(0, 1000)
    little = forecast(0.6, round(900 * (1 - MIN_GAIN / 2)))
    rows = [forecast(0.5, 900), little, forecast(0.7, 700), forecast(0.8, 700)]
    assert [one.sparsity for one in worthwhile(rows, dense)] == [0.5, 0.7]
    assert worthwhile([forecast(0.5, 1200)], dense) == ()


def test_what_does_not_fit_is_never_trained_and_where_dense_does_not_fit_speed_is_no_condition():
    dense = forecast(0, 1000, "too large")
    rows = [forecast(0.5, 900, "too large"), forecast(0.6, 1100), forecast(0.7, 800)]
    assert [one.sparsity for one in worthwhile(rows, dense)] == [0.6, 0.7]
    assert worthwhile([forecast(0.5, 900, "too large")], dense) == ()


@pytest.mark.parametrize(
    ("samples", "epochs"), [(64, 40), (640, 30), (1438, 14), (6400, 4), (20_000, 4), (10, 40)]
)
def test_few_data_are_passed_over_more_often(samples, epochs):
    assert table_for(Recipe(), samples).epochs == epochs


def test_the_users_own_pattern_stays():
    asked = recipe_of("auto", sparsity=None, pattern="unstructured", quantize=None)
    assert table_for(asked, 1000).pattern == "unstructured"
    assert table_for(Recipe(), 1000).pattern == "kernel"
