"""The recipe's list ``[[steps]]``."""

import re

import pytest

from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe, checked, load_recipe, recipe_table, with_channels, write_recipe
from edgeprune.recipe.channels_table import ChannelLimit, ChannelsTable
from edgeprune.recipe.prune_table import Limit, PruneTable
from edgeprune.recipe.steps import Step
from edgeprune.recipe.tune_table import TuneTable

STEPS = (
    Step(tune=TuneTable(8, distillation=0.5)),
    Step(channels=ChannelsTable(macs=0.7, ignored=("stem",), limits=(ChannelLimit("b*", 0.5),))),
    Step(tune=TuneTable(1)),
    Step(prune=PruneTable(0.5, "2x1", limits=(Limit("head", 0.3),))),
    Step(prune=PruneTable(0.7)),
)


def read(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    return load_recipe(str(file))


def test_steps_read_back_exactly_and_in_their_order(tmp_path):
    recipe = Recipe(name=str(tmp_path / "recipe.toml"), steps=STEPS, prune=PruneTable(0.8))
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert load_recipe(recipe.name) == recipe
    assert (tmp_path / "recipe.toml").read_text().count("[[steps]]") == len(STEPS)
    assert [list(one) for one in recipe_table(recipe)["steps"]] == [list(s.names) for s in STEPS]


def test_a_recipe_without_steps_says_nothing_of_them(tmp_path):
    write_recipe(Recipe(), tmp_path / "recipe.toml")
    assert "steps" not in (tmp_path / "recipe.toml").read_text()


def test_what_a_file_leaves_out_is_the_default_of_the_same_table_elsewhere(tmp_path):
    found = read(
        tmp_path,
        "[[steps]]\n[steps.tune]\n"
        '[[steps]]\n[steps.prune]\npattern = "channel"\n'
        '[[steps]]\n[steps.prune]\npattern = "2x1"\n'
        "[[steps]]\n[steps.prune]\nsparsity = 0.3\n",
    )
    assert found.prune.sparsity == 0  # who writes steps has not asked for more zeros
    sparsities = [step.prune.sparsity for step in found.steps if step.prune is not None]
    assert sparsities == [0.5, PruneTable().sparsity, 0.3]
    assert found.steps[0] == Step(tune=TuneTable())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[[steps]]\n",
            "[[steps]] 1 must have exactly one of [steps.tune], [steps.channels] and "
            "[steps.prune], got none",
        ),
        (
            "[[steps]]\n[steps.tune]\n[[steps]]\n[steps.tune]\n[steps.prune]\nsparsity = 0.5\n",
            "[[steps]] 2 must have exactly one of [steps.tune], [steps.channels] and "
            "[steps.prune], got tune and prune",
        ),
        ("[steps]\n", "steps must be a list"),
        ("steps = [3]\n", "steps[0] must be a table"),
        ("[[steps]]\n[steps.quantize]\n", "unknown key 'steps[0].quantize'"),
        (
            "[[steps]]\n[steps.tune]\nepoch = 3\n",
            "unknown key 'steps[0].tune.epoch' (did you mean 'steps[0].tune.epochs'?)",
        ),
        ("[[steps]]\n[steps.tune]\nepochs = -1\n", "[[steps]] 1 [tune] epochs must be >= 0"),
        (
            "[[steps]]\n[steps.tune]\n[[steps]]\n[steps.prune]\nsparsity = 1.5\n",
            "[[steps]] 2 [prune] sparsity must be in [0, 1), got 1.5",
        ),
        (
            "[[steps]]\n[steps.channels]\nmacs = 0.5\npruning_ratio = 0.5\n",
            "[[steps]] 1 [channels] either pruning_ratio or macs may be given",
        ),
        (
            "[[steps]]\n[steps.prune]\n[[steps]]\n[steps.tune]\n[[steps]]\n[steps.channels]\n"
            "macs = 0.5\n",
            "[[steps]] 3 [channels] removes channels after [[steps]] 1 [prune] pruned weights, and "
            "zeros cannot be followed through that: put it before [[steps]] 1 [prune]",
        ),
        (
            '[[steps]]\n[steps.prune]\n[[steps]]\n[steps.prune]\npattern = "channel"\n',
            "[[steps]] 2 [prune] removes channels after [[steps]] 1 [prune]",
        ),
        (
            "[[steps]]\n[steps.prune]\n[channels]\nmacs = 0.5\n",
            "[channels] removes channels after [[steps]] 1 [prune]",
        ),
        (
            '[[steps]]\n[steps.prune]\n[prune]\npattern = "channel"\n',
            '[prune] pattern = "channel" removes channels after [[steps]] 1 [prune]',
        ),
    ],
)
def test_steps_that_cannot_be_are_refused_by_their_number(tmp_path, text, line):
    with pytest.raises(ConfigError, match=re.escape(line)):
        read(tmp_path, text)


def test_channels_and_tuning_may_stand_where_nothing_is_pruned_yet():
    checked(Recipe(steps=STEPS))
    none = Step(prune=PruneTable(0.0))
    checked(Recipe(steps=(none, *STEPS)))
    checked(Recipe(steps=(Step(prune=PruneTable(0.5, "channel")), *STEPS)))


def test_the_pattern_channel_is_written_out_in_a_step_as_well():
    table = PruneTable(0.4, "channel", ignored=("stem",), epochs=3, distillation=0.5)
    [step] = with_channels(Recipe(steps=(Step(prune=table),))).steps
    expected = ChannelsTable(0.4, ignored=("stem",), epochs=3, distillation=0.5)
    assert step == Step(channels=expected)
