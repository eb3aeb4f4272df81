import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.cli.options.data import AUGMENT
from edgeprune.data.augment import CHOICES, augmented, kinds_of

X = np.random.default_rng(0).random((64, 20, 10, 3)).astype(np.float32)


def views(kinds, x=X, seed=0, **options):
    return augmented(x, kinds, np.random.default_rng(seed), **options)


def test_some_images_are_mirrored_and_the_others_are_not():
    found = views(["flips"])
    same = [np.array_equal(a, b) for a, b in zip(found, X, strict=True)]
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(found, X, strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 10 < sum(mirrored) < 54
    assert np.array_equal(views(["flips"], always=True), X[:, :, ::-1])


def test_images_move_by_a_tenth_at_most_and_keep_their_edges():
    found = views(["shifts"])
    assert not np.array_equal(found, X)
    for view, image in zip(found, X, strict=True):
        padded = np.pad(image, ((2, 2), (1, 1), (0, 0)), mode="edge")
        places = [padded[r : r + 20, c : c + 10] for r in range(5) for c in range(3)]
        assert any(np.array_equal(view, place) for place in places)


@given(st.sampled_from([["flips"], ["shifts"], ["flips", "shifts"]]), st.integers(0, 99))
def test_layouts_do_not_matter(kinds, seed):
    last = views(kinds, seed=seed)
    first = views(kinds, np.moveaxis(X, 3, 1), seed)
    assert np.array_equal(np.moveaxis(first, 1, 3), last)
    assert np.array_equal(views(kinds, X[..., 0], seed), last[..., 0])


def test_the_same_seed_gives_the_same_views():
    kinds = ["flips", "shifts"]
    assert np.array_equal(views(kinds), views(kinds))
    assert not np.array_equal(views(kinds), views(kinds, seed=1))


@pytest.mark.parametrize("word", [word for word in CHOICES if word != "auto"])
def test_words_say_what_is_done(word):
    assert kinds_of(word) == tuple(kind for kind in ("flips", "shifts") if kind in word)


def test_the_command_line_has_the_same_words():
    assert AUGMENT == CHOICES
