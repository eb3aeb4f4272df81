import re
from pathlib import Path

import numpy as np
import pytest

from edgeprune.errors import UnknownPart
from edgeprune.pruning.criteria.base import CRITERIA
from edgeprune.recipe.prune_parts import CRITERIA as ROWS

each_criterion = pytest.mark.parametrize("name", CRITERIA.names())
WEIGHTS = np.array([[1, -2, 3], [-4, 0.5, 6]], np.float32)


class Made:
    """Evidence made up by hand."""

    def __init__(self, scale=None, seed=0):
        self.scale, self.seed = scale, seed

    def mean_squared_inputs(self):
        return np.tile(np.array([[4.0, 1.0, 0.0]]), (2, 1))

    def squared_gradients(self):
        return np.array([[1.0, 1.0, 0.0], [0.0, 4.0, 1.0]])

    def batch_norm_scale(self):
        return self.scale

    def random(self):
        return np.random.default_rng(self.seed)


@each_criterion
def test_scores_have_the_weights_shape_and_are_not_negative(name):
    before = WEIGHTS.copy()
    scores = CRITERIA.get(name)(WEIGHTS, Made(np.array([0.5, -2.0], np.float32)))
    assert scores.values.shape == WEIGHTS.shape
    assert (scores.values >= 0).all() and np.isfinite(scores.values).all()
    assert scores.per_row == (name == "wanda")
    np.testing.assert_array_equal(WEIGHTS, before)


@each_criterion
def test_zero_weights_are_no_trouble(name):
    evidence = Made(np.zeros(2, np.float32))
    assert np.isfinite(CRITERIA.get(name)(np.zeros((2, 3), np.float32), evidence).values).all()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("magnitude", [[1, 2, 3], [4, 0.5, 6]]),
        ("l2", [[1, 4, 9], [16, 0.25, 36]]),
        ("wanda", [[2, 2, 0], [8, 0.5, 0]]),
        ("taylor", [[1, 4, 0], [0, 1, 36]]),
    ],
)
def test_scores_follow_their_formula(name, wanted):
    np.testing.assert_allclose(CRITERIA.get(name)(WEIGHTS, Made()).values, wanted)


def test_channels_of_small_gamma_go_first_and_within_them_small_weights():
    scores = CRITERIA.get("batch_norm_scale")(WEIGHTS, Made(np.array([2.0, -0.5]))).values
    assert np.argsort(scores, axis=None).tolist() == [4, 3, 5, 0, 1, 2]
    without = CRITERIA.get("batch_norm_scale")(WEIGHTS, Made()).values
    assert np.argsort(without, axis=None).tolist() == [4, 0, 1, 2, 3, 5]


def test_every_criterion_that_scores_has_a_row_and_every_row_a_file():
    assert CRITERIA.names() == sorted(row.name for row in ROWS.values() if not row.moves_weights)


def test_the_documentation_says_of_each_criterion_what_its_row_says():
    text = (Path(__file__).parents[2] / "docs" / "pruning.md").read_text()
    rows = re.findall(
        r"^\| `(\w+)` \| .* \| (.*) \| (.*) \|$", text.split("`criterion` |")[1], re.M
    )
    looks_at = {"nothing": "nothing", "samples": "samples", "samples and labels": "labels"}
    said = {name: (looks_at[what], schedules != "`one_shot`") for name, what, schedules in rows}
    assert said == {name: (row.looks_at, row.while_training) for name, row in ROWS.items()}


class Watched(Made):
    """Notes what a criterion looks at."""

    def __init__(self):
        super().__init__()
        self.seen = "nothing"

    def mean_squared_inputs(self):
        self.seen = "samples"
        return super().mean_squared_inputs()

    def squared_gradients(self):
        self.seen = "labels"
        return super().squared_gradients()


@each_criterion
def test_a_row_says_what_its_criterion_looks_at(name):
    evidence = Watched()
    CRITERIA.get(name)(WEIGHTS, evidence)
    row = ROWS[name]
    assert row.looks_at == evidence.seen
    assert row.in_order == (evidence.seen == "samples")


def test_chance_repeats_with_its_seed():
    score = CRITERIA.get("random")
    one, two, other = (score(WEIGHTS, Made(seed=k)).values for k in (3, 3, 4))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


def test_an_unknown_criterion_is_refused_with_those_that_exist():
    with pytest.raises(UnknownPart, match=r"no criterion is called 'size'.*magnitude"):
        CRITERIA.get("size")
