import dataclasses
import re

import pytest

from edgeprune.errors import ConfigError
from edgeprune.recipe import Recipe, checked, load_recipe, recipe_names, with_channels, write_recipe
from edgeprune.recipe.channels_table import ChannelLimit, ChannelsTable
from edgeprune.recipe.cluster_table import ClusterCount, ClusterTable
from edgeprune.recipe.prune_table import Limit, PruneTable
from edgeprune.recipe.quantize_table import LayerMode, QuantizeTable
from edgeprune.recipe.run_table import RunTable


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_keeps_its_name(name):
    assert load_recipe(name).name == name


def test_an_unknown_recipe_lists_those_that_exist():
    with pytest.raises(ConfigError, match="no recipe is called 'fast'; there are: as-is, auto"):
        load_recipe("fast")


@pytest.mark.parametrize("sparsity", [1.0, 1.5, -0.1, float("nan")])
def test_a_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(ConfigError, match=r"sparsity must be in \[0, 1\), got"):
        checked(Recipe(prune=PruneTable(sparsity=sparsity)))


def test_all_faults_are_named_at_once():
    recipe = Recipe(prune=PruneTable(layers="none"), run=RunTable(sessions=0, max_s=0.0))
    with pytest.raises(
        ConfigError, match=r"\[prune\] layers must be.*'none'.*\[run\] sessions.*\[run\] max_s"
    ):
        checked(recipe)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (PruneTable(criterion="wanda"), "the criterion wanda prunes at once: set schedule to one"),
        (PruneTable(criterion="size"), r"\[prune\] criterion must be one of magnitude, l2, random"),
        (PruneTable(recovery=("luck",)), "recovery 'luck' must be one of batch_norm, bias"),
        (PruneTable(calibration_samples=0), r"\[prune\] calibration_samples must be >= 1, got 0"),
        (PruneTable(epochs=0), r"\[prune\] epochs must be >= 1 with the schedule gradual, got 0"),
        (PruneTable(schedule="rigl", criterion="taylor"), "rigl drops by magnitude"),
    ],
)
def test_a_criterion_that_cannot_be_is_refused(table, line):
    with pytest.raises(ConfigError, match=line):
        checked(Recipe(prune=table))
    checked(Recipe(prune=PruneTable(criterion="wanda", schedule="one_shot", epochs=0)))


def test_a_misspelt_key_is_named_with_a_suggestion(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[prune]\nsparcity = 0.5\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown key 'prune\.sparcity'.*sparsity"):
        load_recipe(str(file))


def test_the_recipe_in_force_reads_back_as_it_was(tmp_path):
    recipe = Recipe(
        name="auto", why='a "quoted" reason', prune=PruneTable(sparsity=0.9, epochs=7, recovery=())
    )
    write_recipe(recipe, tmp_path / "recipe.toml")
    found = load_recipe(str(tmp_path / "recipe.toml"))
    assert dataclasses.replace(found, name="auto") == recipe


def test_a_table_for_clusters_reads_back_as_it_was(tmp_path):
    table = ClusterTable(16, counts=(ClusterCount("head", 32), ClusterCount("conv*", 0)))
    write_recipe(Recipe(cluster=table), tmp_path / "recipe.toml")
    assert load_recipe(str(tmp_path / "recipe.toml")).cluster == table


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (ClusterTable(-1), r"\[cluster\] clusters must be >= 0, got -1"),
        (ClusterTable(init="best"), r"\[cluster\] init must be one of linear"),
        (ClusterTable(layers="none"), r"\[cluster\] layers must be one of accelerated"),
        (ClusterTable(counts=(ClusterCount("x", -2),)), "counts: that of x must be >= 0, got -2"),
        (
            ClusterTable(learning_rate=float("inf")),
            r"\[cluster\] learning_rate must be > 0 and finite",
        ),
    ],
)
def test_clusters_out_of_range_are_refused(table, line):
    with pytest.raises(ConfigError, match=line):
        checked(Recipe(cluster=table))


@pytest.mark.parametrize("key", ["energy_window_s", "energy_idle_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, 240.5, float("inf"), float("nan")])
def test_a_stretch_of_energy_that_no_agent_outlasts_is_refused(key, value):
    checked(Recipe(run=RunTable(**{key: 240.0})))
    with pytest.raises(ConfigError, match=rf"\[run\] {key} must be in \(0, 240\], got {value:g}"):
        checked(Recipe(run=RunTable(**{key: value})))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            '[prune]\nlayers = "paying"\n',
            "[prune] layers 'paying' is called 'accelerated' now",
        ),
        (
            '[cluster]\nlayers = "paying"\n',
            "[cluster] layers 'paying' is called 'accelerated' now",
        ),
        (
            '[prune]\ncriterion = "l1"\n',
            "[prune] criterion 'l1' is called 'magnitude' now",
        ),
        (
            "[quantize]\nqat_epochs = 2\nqat_temperature = 3.0\n",
            "'quantize.qat_epochs' is called 'qat.epochs' now; "
            "'quantize.qat_temperature' is called 'qat.temperature' now",
        ),
    ],
)
def test_a_recipe_in_old_words_is_refused_with_the_new_ones(tmp_path, text, line):
    (tmp_path / "old.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(line)):
        load_recipe(str(tmp_path / "old.toml"))


@pytest.mark.parametrize(
    ("text", "sparsity"),
    [
        ("[channels]\nmacs = 0.5\n", 0.0),
        ("[channels]\nmacs = 0.5\n[prune]\nepochs = 2\n", 0.0),
        ("[channels]\nmacs = 0.5\n[prune]\nsparsity = 0.3\n", 0.3),
        ('[prune]\npattern = "channel"\n', 0.5),
        ('[prune]\npattern = "2x1"\n', PruneTable().sparsity),
        ("[run]\nruns = 5\n", PruneTable().sparsity),
    ],
)
def test_a_file_that_says_no_sparsity_has_the_one_that_fits_its_tables(tmp_path, text, sparsity):
    (tmp_path / "mine.toml").write_text(text)
    assert load_recipe(str(tmp_path / "mine.toml")).prune.sparsity == sparsity


def test_a_table_for_channels_reads_back_as_it_was(tmp_path):
    table = ChannelsTable(0.25, round_to=8, ignored=("a",), limits=(ChannelLimit("b*", 0.5),))
    write_recipe(Recipe(channels=table), tmp_path / "recipe.toml")
    assert load_recipe(str(tmp_path / "recipe.toml")).channels == table


def test_the_pattern_channel_is_short_for_a_table():
    prune = PruneTable(0.3, "channel", ignored=("a",), limits=(Limit("b", 0.1),), epochs=7)
    recipe = Recipe(prune=prune, channels=ChannelsTable(criterion="l1", round_to=4))
    found = with_channels(recipe)
    assert found.channels == ChannelsTable(
        0.3, 1.0, "l1", "", 4, ("a",), (ChannelLimit("b", 0.1),), 7
    )
    assert (found.prune.sparsity, found.prune.pattern) == (0.0, "unstructured")
    assert set(found.fixed) == {"sparsity", "pattern"}, "the recipe auto leaves them alone"
    by_macs = with_channels(dataclasses.replace(recipe, channels=ChannelsTable(macs=0.5)))
    assert (by_macs.channels.pruning_ratio, by_macs.channels.macs) == (0.0, 0.5)
    faster = dataclasses.replace(recipe, prune=dataclasses.replace(prune, learning_rate=0.1))
    assert with_channels(faster).channels.learning_rate == 0.1
    other = Recipe(channels=ChannelsTable(0.5))
    assert with_channels(other) is other


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (ChannelsTable(1.0), r"\[channels\] pruning_ratio must be in \[0, 1\), got 1"),
        (ChannelsTable(macs=0.0), r"\[channels\] macs must be in \(0, 1\], got 0"),
        (ChannelsTable(0.5, 0.5), "either pruning_ratio or macs may be given"),
        (ChannelsTable(scope="all"), "scope must be one of local, global, macs, got 'all'"),
        (ChannelsTable(round_to=0), r"\[channels\] round_to must be >= 1, got 0"),
        (ChannelsTable(limits=(ChannelLimit("x", 2),)), "limits: that of x must be in"),
        (
            ChannelsTable(learning_rate=0.0),
            r"\[channels\] learning_rate must be > 0 and finite, got 0",
        ),
    ],
)
def test_channels_out_of_range_are_refused(table, line):
    with pytest.raises(ConfigError, match=line):
        checked(Recipe(channels=table))


def test_channels_that_are_given_twice_are_refused():
    recipe = Recipe(channels=ChannelsTable(0.5), prune=PruneTable(pattern="channel"))
    with pytest.raises(ConfigError, match=r"pattern = 'channel' takes sparsity, ignored and"):
        checked(recipe)


def test_layers_with_a_mode_of_their_own_are_read_in_their_order_and_written_again(tmp_path):
    file = tmp_path / "mine.toml"
    entries = [("b*", "none"), ("b/x y", "fp16"), ("b*", "int16x8")]
    lines = [f'[[quantize.layers]]\nlayer = "{one}"\nmode = "{mode}"\n' for one, mode in entries]
    file.write_text('[quantize]\nmode = "int8"\n' + "".join(lines))
    recipe = load_recipe(str(file))
    assert recipe.quantize.layers == tuple(LayerMode(*entry) for entry in entries)
    assert recipe.quantize.modes == {"int8", "none", "fp16", "int16x8"}
    write_recipe(recipe, tmp_path / "again.toml")
    assert load_recipe(str(tmp_path / "again.toml")).quantize == recipe.quantize


def test_a_mode_of_a_layer_that_does_not_exist_is_refused():
    table = QuantizeTable("int8", layers=(LayerMode("a", "none"), LayerMode("b", "int9")))
    with pytest.raises(ConfigError, match=r"\[quantize\] layers: that of b must be one of none"):
        checked(Recipe(quantize=table))
