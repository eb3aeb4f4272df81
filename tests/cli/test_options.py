import os

import click
import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.cli import options
from edgeprune.cli.options import sandbox_option
from edgeprune.errors import ConfigError
from edgeprune.recipe import load_recipe, write_recipe
from edgeprune.recipe.overrides import recipe_of, timed_by
from edgeprune.recipe.prune_parts import CRITERIA, WHILE_TRAINING
from edgeprune.sandbox.switch import SANDBOX_SWITCH, is_on


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


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("10m", 600), ("1.5 h", 5400), ("2min", 120)]
)
def test_a_wait_is_a_number_with_a_unit(text, seconds):
    assert options._duration_s(None, None, text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-1s", "1d", "169h", "1e9s", "inf", "٣s", "1h30m"])
def test_a_wait_that_is_none_is_one_line(text):
    with pytest.raises(ConfigError, match="as 90s, 10m or 2h"):
        options._duration_s(None, None, text)


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


def test_no_sandbox_holds_for_its_own_command_alone(monkeypatch):
    seen = []

    @click.command()
    @sandbox_option
    def command():
        seen.append(is_on())

    monkeypatch.delenv(SANDBOX_SWITCH, raising=False)
    for argv in (["--no-sandbox"], []):
        assert CliRunner().invoke(command, argv).exit_code == 0
    assert seen == [False, True] and SANDBOX_SWITCH not in os.environ
    monkeypatch.setenv(SANDBOX_SWITCH, "off")
    CliRunner().invoke(command, ["--no-sandbox"])
    assert os.environ[SANDBOX_SWITCH] == "off"


@pytest.mark.parametrize("name", ["deploy", "compress", "explain", "run"])
def test_every_command_that_reads_a_model_can_do_without_walls(name):
    found = CliRunner().invoke(cli.edgeprune, [name, "--help"])
    assert "--no-sandbox" in found.output
