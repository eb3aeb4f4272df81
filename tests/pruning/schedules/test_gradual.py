from hypothesis import given
from hypothesis import strategies as st

from edgeprune.pruning.masks.ramp import cubic_sparsity, ramp_steps, update_steps


@given(st.integers(1, 5000), st.floats(0.01, 0.99))
def test_sparsity_never_falls_and_ends_exactly_at_the_final_one(total, final):
    steps = update_steps(total)
    shares = [cubic_sparsity(step, ramp_steps(total), final) for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == final
    assert all(0 <= step < total for step in steps)


def test_masks_are_frozen_for_the_second_half():
    assert max(update_steps(1000)) == 500
