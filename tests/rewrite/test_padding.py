import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from edgeprune.rewrite.padding import Window, same

windows = st.builds(
    Window,
    size=st.integers(1, 20),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 3),
    lead=st.integers(0, 3),
    trail=st.integers(0, 3),
)


def convolved(window, rows, weights):
    """Plain one-dimensional convolution; a negative padding crops."""
    padded = np.concatenate([np.zeros(max(window.lead, 0)), rows, np.zeros(max(window.trail, 0))])
    padded = padded[max(-window.lead, 0) :]
    starts = range(0, window.count * window.stride, window.stride)
    return np.array([padded[s : s + window.kernel] @ weights for s in starts])


@given(windows, st.integers(0, 99))
def test_a_turned_window_computes_the_same_on_the_reversed_map(window, seed):
    assume(window.size + window.lead + window.trail >= window.kernel)
    rng = np.random.default_rng(seed)
    rows, weights = rng.normal(size=window.size), rng.normal(size=window.kernel)
    turned = window.turned()
    assert turned.count == window.count
    np.testing.assert_allclose(
        convolved(turned, rows[::-1], weights[::-1]),
        convolved(window, rows, weights)[::-1],
    )


@given(windows, st.integers(0, 99))
def test_a_grown_window_computes_the_same(window, seed):
    assume(window.size + window.lead + window.trail >= window.kernel)
    rng = np.random.default_rng(seed)
    rows, weights = rng.normal(size=window.size), rng.normal(size=window.kernel)
    np.testing.assert_allclose(
        convolved(window.grown(), rows, weights), convolved(window, rows, weights)
    )


@given(st.integers(3, 40), st.sampled_from([3, 5]))
def test_same_with_stride_2_is_eligible_once_turned_whatever_the_size(size, kernel):
    window = Window(size, kernel, 2, *same(size, kernel, 2))
    assert window.turned().grown().is_eligible
    assert window.grown().is_eligible == bool(size % 2)


def test_same_pads_the_odd_zero_behind():
    assert same(224, 3, 2) == (0, 1)
    assert same(224, 5, 2) == (1, 2)
    assert same(225, 3, 2) == (1, 1)
    assert same(49, 10, 1) == (4, 5)
