from hypothesis import given
from hypothesis import strategies as st

from edgeprune.pruning.masks.ramp import cubic_sparsity, ramp_steps, update_steps
from edgeprune.pruning.schedules import schedule
from edgeprune.recipe.prune_table import PruneTable


@given(st.integers(1, 5000), st.floats(0.01, 0.99))
def test_sparsity_never_falls_and_ends_exactly_at_the_final_one(total, final):
    steps = update_steps(total)
    shares = [cubic_sparsity(step, ramp_steps(total), final) for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == final
    assert all(0 <= step < total for step in steps)


def test_masks_are_frozen_for_the_second_half():
    assert max(update_steps(1000)) == 500


def test_the_learning_rate_begins_to_fall_when_the_sparsity_is_reached():
    made = schedule(PruneTable(schedule="gradual", epochs=4), 10)
    assert [made.position(step) for step in (0, 10, 20, 30, 39)] == [0, 0, 0, 0.5, 0.95]


@given(st.integers(1, 5), st.integers(1, 7))
def test_the_shortest_trainings_have_a_learning_rate(epochs, steps):
    made = schedule(PruneTable(schedule="gradual", epochs=epochs), steps)
    positions = [made.position(step) for step in range(epochs * steps)]
    assert positions == sorted(positions) and positions[0] == 0 and positions[-1] < 1
