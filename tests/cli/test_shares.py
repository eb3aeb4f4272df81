"""A share is written alike wherever one is asked for: 1%, 0.01, 50 %."""

import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.cli.compare import compare
from edgeprune.cli.numbers import ShareOption
from edgeprune.errors import ConfigError
from edgeprune.recipe import load_recipe
from edgeprune.tasks import parse_limit
from edgeprune.text.share import parse_share

SAME = [("1%", 0.01), ("0.01", 0.01), ("50 %", 0.5), (" 50%", 0.5), (".5", 0.5), ("1e-2", 0.01)]


@pytest.mark.parametrize(("text", "share"), SAME)
def test_options_and_keys_understand_the_same_words(text, share, tmp_path):
    assert parse_share(text) == share
    assert ShareOption().convert(text, None, None) == share
    assert parse_limit(text) == share
    (tmp_path / "r.toml").write_text(
        f'[prune]\nsparsity = "{text}"\ndistillation = "{text}"\n'
        f'limits = [{{layer = "x", sparsity = "{text}"}}]\n'
    )
    table = load_recipe(str(tmp_path / "r.toml")).prune
    assert (table.sparsity, table.distillation, table.limits[0].sparsity) == (share,) * 3
    (tmp_path / "c.toml").write_text(f'[channels]\nmacs = "{text}"\n')
    assert load_recipe(str(tmp_path / "c.toml")).channels.macs == share


@pytest.mark.parametrize("text", ["", "%", "x", "1%%", "nan", "inf", "1,5%", "٣%", "0x1", "1 000%"])
def test_what_is_no_share_says_what_one_is(text):
    with pytest.raises(ValueError, match="expected a percentage such as 1%, or a share below 1"):
        parse_share(text)


@pytest.mark.parametrize("text", ["1", "1.0", "90", "100", "100.5"])
def test_a_number_from_1_on_needs_its_percent_sign(text):
    with pytest.raises(ValueError, match="percent"):
        parse_share(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("90", 'sparsity must be in [0, 1), got 90; write "90%" or 0.9 for 90 percent'),
        ('"90"', "prune.sparsity '90': a number without a percent sign is a share"),
        ('"100%"', "sparsity must be in [0, 1), got 1"),
        ('"much"', "prune.sparsity 'much': expected a percentage"),
        ("[1]", "prune.sparsity must be float"),
    ],
)
def test_a_recipes_wrong_share_is_named_with_its_key(value, message, tmp_path):
    (tmp_path / "r.toml").write_text(f"[prune]\nsparsity = {value}\n")
    with pytest.raises(ConfigError) as wrong:
        load_recipe(str(tmp_path / "r.toml"))
    assert message in str(wrong.value)


def test_other_keys_take_no_percentage(tmp_path):
    (tmp_path / "r.toml").write_text('[prune]\nlearning_rate = "1%"\n')
    with pytest.raises(ConfigError, match=r"prune\.learning_rate must be float"):
        load_recipe(str(tmp_path / "r.toml"))


@pytest.mark.parametrize(("text", "percent"), [("5%", 5), ("0.05", 5), ("7%", 7), ("150%", 150)])
def test_a_regression_is_a_share_and_counted_in_percent(text, percent):
    context = compare.make_context("compare", ["1", "2", "--max-regression", text])
    assert context.params["max_regression"] == percent


@pytest.mark.parametrize("text", ["5", "-1%", "x"])
def test_a_regression_that_is_none_is_wrong_usage(text):
    found = CliRunner().invoke(cli.edgeprune, ["compare", "1", "2", "--max-regression", text])
    assert found.exit_code != 0 and "max-regression" in f"{found.output}{found.exception}"
