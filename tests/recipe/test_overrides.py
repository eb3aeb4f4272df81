import pytest

from edgeprune.errors import ConfigError
from edgeprune.recipe import load_recipe, write_recipe
from edgeprune.recipe.overrides import recipe_of, timed_by
from edgeprune.recipe.prune_parts import CRITERIA, WHILE_TRAINING


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_criterion_that_prunes_at_once_brings_its_schedule_with_it(criterion):
    table = recipe_of("auto", None, None, None, criterion).prune
    assert table.criterion == criterion
    assert table.schedule == ("gradual" if criterion in WHILE_TRAINING else "one_shot")


def test_a_schedule_that_a_recipe_names_is_not_changed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[prune]\nschedule = "iterative"\n')
    assert recipe_of(str(path), None, None, None, "l2").prune.schedule == "iterative"
    with pytest.raises(ConfigError, match="the criterion wanda prunes at once: set schedule to"):
        recipe_of(str(path), None, None, None, "wanda")


def test_layers_take_the_place_of_the_recipes():
    assert recipe_of("auto", None, None, None).prune.layers == "accelerated"
    assert recipe_of("auto", None, None, None, layers="all").prune.layers == "all"


def test_an_effort_and_numbers_beside_it_take_the_place_of_the_recipes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[run]\neffort = "full"\nsessions = 6\n')
    recipe = recipe_of(str(path), None, None, None)
    assert (recipe.run.effort, recipe.run.planned_sessions()) == ("full", 6)
    assert timed_by(recipe, {"effort": "standard"}).run.amount().timed_s == 10 / 6
    assert timed_by(recipe, {"runs": 4}).run.amount().runs == 4
    assert timed_by(recipe, {}) == recipe
    assert timed_by(recipe, {"governor": "keep"}).run.governor == "keep"
    with pytest.raises(ConfigError, match="governor must be one of auto, performance, keep"):
        timed_by(recipe, {"governor": "ondemand"})
    with pytest.raises(ConfigError, match=r"\[run\] sessions must be >= 1, got 0"):
        timed_by(recipe, {"sessions": 0})


def test_a_recipe_in_force_is_read_back_with_what_was_not_set_left_out(tmp_path):
    recipe = timed_by(load_recipe("as-is"), {"effort": "soak", "runs": 9})
    write_recipe(recipe, tmp_path / "r.toml")
    again = load_recipe(str(tmp_path / "r.toml"))
    assert again.run == recipe.run and again.run.timed_s is None
