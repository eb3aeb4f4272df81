import re
from types import SimpleNamespace

import numpy as np
import pytest
from channel_models import checked, functional, sequential, sizes
from full_range import also
from keras_nets import FLAVOURS, build, shown_in_keras, shown_in_tf_keras

from edgeprune.channels import count_macs, find_groups, masked_dense, prune_channels
from edgeprune.channels.choose import Rounding
from edgeprune.channels.criteria.base import CRITERIA
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.training.capture import Calibration

both = pytest.mark.parametrize("flavour", FLAVOURS)


def three(layers, x):
    x = layers.Conv2D(16, 3, name="a")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(20, 1, activation="relu", name="b")(x)
    x = layers.Conv2D(12, 1, name="c")(layers.BatchNormalization()(x))
    return layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(x))


@pytest.fixture(scope="module")
def model():
    return functional("keras", three)


def samples(count=40):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, 8, 8, 3)).astype(np.float32)
    return Calibration(x, rng.normal(size=(count, 3)).astype(np.float32))


SCOPES = ("local", "global", "macs")
PAIRS = [(scope, name) for name in CRITERIA.names() for scope in SCOPES]


@pytest.mark.parametrize(
    ("scope", "criterion"),
    [pair if k // 3 % 3 == k % 3 else also(*pair) for k, pair in enumerate(PAIRS)],
)
def test_every_criterion_and_scope_gives_an_exact_model(model, criterion, scope):
    pruned = checked(model, 0.4, criterion=criterion, scope=scope, samples=samples())
    gone = sum(sizes(pruned).values())
    if criterion == "bn_scale":
        assert "c: all 12 channels stay: the criterion has no score for them" in pruned.notes
        assert gone == {"local": 6 + 8, "global": 14, "macs": 18}[scope]
    elif scope == "local":
        assert sizes(pruned) == {"a": 6, "b": 8, "c": 4}
    elif scope == "global":
        assert gone == 19  # 40 % of 48
    else:
        assert 17 <= gone <= 19  # of each group whole units, rounded down
    assert (pruned.channels_before, pruned.channels_after) == (51, 51 - gone)


@pytest.mark.parametrize("criterion", ["l1", "l2", "bn_scale"])
def test_the_units_of_least_weight_go(model, criterion):
    copied = import_keras("keras").models.clone_model(model)
    copied.set_weights(model.get_weights())
    weak = [1, 5, 6, 11]
    for name in ("a", "norm", "b"):
        weight = copied.get_layer(name).weights[0]
        values = np.array(weight.numpy())
        values[(..., weak, slice(None)) if name == "b" else (..., weak)] *= 1e-3
        weight.assign(values)
    removed = prune_channels(copied, pruning_ratio=0.25, criterion=criterion).removed
    assert next(list(one.positions) for one in removed if one.layer == "a") == weak


def test_a_function_may_be_the_criterion_and_sees_the_weights_by_unit(model):
    seen = {}

    def reversed_l2(group):
        makes = next(one for one in group.members if one.role == "output")
        values = makes.per_unit(makes.variable.numpy())
        seen[group.name] = values.shape
        return -np.square(values).sum(axis=1)

    ours = checked(model, 0.25, criterion=reversed_l2)
    assert seen == {"a": (16, 27), "b": (20, 16), "c": (12, 20)}
    kernel = model.get_layer("a").kernel.numpy()
    strongest = np.sort(np.argsort(-np.square(kernel).sum(axis=(0, 1, 2)))[:4])
    assert np.array_equal(ours.removed[0].positions, strongest)


def test_scores_of_a_wrong_shape_are_refused(model):
    with pytest.raises(ModelError, match=r"group a have the shape \(3,\).*expected 16 numbers"):
        prune_channels(model, pruning_ratio=0.5, criterion=lambda group: np.zeros(3))


@pytest.mark.parametrize("round_to, left", [(1, (8, 10, 6)), (4, (8, 12, 8)), (8, (8, 16, 8))])
def test_what_is_left_is_rounded_up(model, round_to, left):
    gone = sizes(checked(model, 0.5, round_to=round_to))
    assert (16 - gone["a"], 20 - gone["b"], 12 - gone["c"]) == left


@pytest.mark.parametrize(
    "round_to, left", [(2, (8, 10, 6)), (8, (8, 16, 8)), (16, (8, 16, 8)), (64, (8, 16, 8))]
)
def test_small_groups_are_rounded_finer_where_asked(model, round_to, left):
    gone = sizes(checked(model, 0.5, round_to=round_to, finer_where_small=True))
    assert (16 - gone["a"], 20 - gone["b"], 12 - gone["c"]) == left


def test_the_smallest_group_is_rounded_to_pairs():
    rounding = Rounding(8, is_finer=True)
    steps = [rounding.step(SimpleNamespace(channels=k, width=1)) for k in (40, 16, 15, 8, 7, 3, 1)]
    assert steps == [8, 8, 4, 4, 2, 2, 2]


@pytest.mark.parametrize("scope", ["local", "global", "macs"])
@pytest.mark.parametrize("round_to", [1, 8])
def test_something_always_stays(model, scope, round_to):
    gone = sizes(checked(model, 0.999, scope=scope, round_to=round_to))
    left = [16 - gone["a"], 20 - gone["b"], 12 - gone["c"]]
    assert min(left) == round_to
    if scope == "local":
        assert left == [round_to] * 3


def test_ignored_layers_stay_and_limits_hold(model):
    pruned = checked(model, 0.5, ignored=["a"], limits={"b": 0.1})
    assert sizes(pruned) == {"b": 2, "c": 6}
    assert "a: 16 of 16 channels stay: 'a' (Conv2D) is to be ignored" in pruned.notes
    assert sizes(checked(model, 0.5, limits={"b": 0, "c": 1})) == {"a": 8, "c": 6}
    assert sizes(checked(model, 0.5, ignored=["[ab]"])) == {"c": 6}
    assert sizes(checked(model, 0.5, limits={"[ab]": 0.1})) == {"a": 1, "b": 2, "c": 6}


@pytest.mark.parametrize("option", [{"ignored": ["norn"]}, {"limits": {"norn": 0.5}}])
def test_a_name_that_matches_nothing_is_refused_with_near_names(model, option):
    with pytest.raises(ConfigError, match="no layer called 'norn'; near it: norm"):
        prune_channels(model, pruning_ratio=0.5, **option)


def test_a_name_near_nothing_is_refused_with_some_that_there_are(model):
    with pytest.raises(ConfigError, match="no layer called 'xyzzy'; there are a, b, batch"):
        prune_channels(model, pruning_ratio=0.5, ignored=["xyzzy"])


def test_taylor_without_targets_is_refused(model):
    for none in (None, Calibration(samples().x)):
        with pytest.raises(ConfigError, match="taylor needs samples with targets: give --data"):
            prune_channels(model, pruning_ratio=0.5, criterion="taylor", samples=none)


@pytest.mark.parametrize("scope", ["local", "global", "macs"])
@pytest.mark.parametrize("share", [0.75, 0.5, 0.2])
def test_a_share_of_the_macs_is_reached_and_hardly_undercut(model, scope, share):
    pruned = prune_channels(model, macs=share, scope=scope)
    assert pruned.macs_before == count_macs(model)
    assert pruned.macs_after == count_macs(pruned.model) <= share * pruned.macs_before
    less = prune_channels(model, pruning_ratio=pruned.pruning_ratio - 1 / 1024, scope=scope)
    assert less.macs_after > share * pruned.macs_before


def kept_by_macs(**options):
    """Layers of like width on maps of 64, 16 and 4 positions: the units that stay of each."""

    def body(layers, x):
        x = layers.Conv2D(32, 3, padding="same", name="large")(x)
        x = layers.Conv2D(32, 3, strides=2, padding="same", name="middle")(x)
        x = layers.Conv2D(32, 3, strides=2, padding="same", name="small")(x)
        return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))

    return prune_channels(functional("keras", body), **options)


def test_a_share_of_the_macs_is_taken_from_where_most_are():
    pruned = kept_by_macs(macs=0.5)
    large, middle, small = pruned.units_left
    assert large < middle < small == 32
    assert pruned.units_left == kept_by_macs(macs=0.5, scope="macs").units_left
    local = kept_by_macs(macs=0.5, scope="local")
    assert len(set(local.units_left)) == 1
    assert pruned.channels_after > local.channels_after, "the same cost, and more channels"


def test_what_stays_is_in_inverse_proportion_to_the_macs_that_hang_on_it():
    # Saved with a group: what makes it and what reads it, on the map of each.
    saved = {
        "large": 64 * 27 * 32 + 16 * 9 * 32 * 32,
        "middle": 16 * 9 * 32 * 32 + 4 * 9 * 32 * 32,
        "small": 4 * 9 * 32 * 32 + 32 * 3,
    }
    pruned = kept_by_macs(pruning_ratio=0.6, scope="macs")
    left = dict(zip(saved, pruned.units_left, strict=True))
    # Of the group with most left, because what stays is rounded up to a whole unit.
    level = max((n, n * saved[name]) for name, n in left.items() if n < 32)[1]
    assert left == {name: pytest.approx(min(32, level / saved[name]), abs=1) for name in saved}
    assert sorted(left.values())[1] < 32, "a test of one group shows no proportion"
    assert pruned.channels_after == pytest.approx(3 + 0.4 * 96, abs=3)


def test_the_scope_macs_needs_a_model_whose_macs_can_be_counted():
    def body(layers, x):
        return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(x)))

    model = functional("keras", body, (None, None, 3))
    with pytest.raises(ModelError, match="give pruning_ratio with scope local or global"):
        prune_channels(model, pruning_ratio=0.5, scope="macs")


def test_a_share_that_cannot_be_reached_is_refused_with_what_can(model):
    with pytest.raises(ModelError, match=r"asked for, and \d+ are left when all"):
        prune_channels(model, macs=0.5, limits={"a": 0.1, "b": 0.1, "c": 0.1})


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "either pruning_ratio or macs"),
        ({"pruning_ratio": 0.5, "macs": 0.5}, "either pruning_ratio or macs"),
        ({"pruning_ratio": 1.0}, r"pruning_ratio must be in \[0, 1\), got 1.0"),
        ({"pruning_ratio": float("nan")}, "pruning_ratio must be in"),
        ({"macs": 0.0}, r"macs must be in \(0, 1\], got 0.0"),
        ({"pruning_ratio": 0.5, "round_to": 0}, "round_to must be at least 1"),
        ({"pruning_ratio": 0.5, "scope": "all"}, "scope must be"),
        ({"pruning_ratio": 0.5, "limits": {"a": 1.5}}, "limit of layer 'a' must be in"),
        ({"pruning_ratio": 0.5, "criterion": "l3"}, "no criterion is called 'l3'; there are"),
    ],
)
def test_options_out_of_range_are_refused(model, options, message):
    with pytest.raises(ConfigError, match=message):
        prune_channels(model, **options)


@shown_in_keras
def test_a_ratio_of_zero_gives_a_copy(flavour):
    model = functional(flavour, three)
    before = [weight.copy() for weight in model.get_weights()]
    pruned = checked(model, 0.0)
    assert pruned.removed == () and pruned.macs_after == pruned.macs_before
    assert all(map(np.array_equal, pruned.model.get_weights(), before))
    assert pruned.model is not model


@shown_in_tf_keras
def test_the_model_itself_is_not_changed(flavour):
    model = functional(flavour, three)
    before = [weight.copy() for weight in model.get_weights()]
    prune_channels(model, pruning_ratio=0.5)
    assert all(map(np.array_equal, model.get_weights(), before))


@both
def test_subclassed_and_unbuilt_models_are_refused_in_one_line(flavour):
    with pytest.raises(ModelError, match="is of class Small, whose graph is hidden in Python code"):
        prune_channels(build(flavour, "subclassed"), pruning_ratio=0.5)
    keras = import_keras(flavour)
    unbuilt = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ModelError, match="is not built: give it an Input"):
        prune_channels(unbuilt, pruning_ratio=0.5)


@shown_in_keras
def test_a_model_with_nothing_to_remove_is_refused(flavour):
    layers = import_keras(flavour).layers
    with pytest.raises(
        ModelError, match="may be removed: head: 3 of 3 channels stay: it is an out"
    ):
        prune_channels(sequential(flavour, layers.Dense(3, name="head")), pruning_ratio=0.5)
    with pytest.raises(ModelError, match="it has no convolution or dense layer"):
        prune_channels(sequential(flavour, layers.Flatten()), pruning_ratio=0.5)


def test_a_mask_for_another_model_is_refused(model):
    pruned = prune_channels(model, pruning_ratio=0.5)
    with pytest.raises(ModelError, match="b: kernel has 8 entries along axis 2, the pruned"):
        masked_dense(pruned.model, pruned)


def test_a_group_prints_itself(model):
    text = find_groups(model)[0].details()
    assert text.splitlines()[0] == "group a: 16 units"
    assert re.search(r"output +a \(Conv2D\) kernel axis 3: 16 of 16", text)
    assert re.search(r"scale +norm \(BatchNormalization\) gamma axis 0: 16 of 16", text)
    assert re.search(r"input +b \(Conv2D\) kernel axis 2: 16 of 16", text)


@both
def test_macs_are_those_of_the_textbook(flavour):
    def body(layers, x):
        x = layers.Conv2D(16, 3, padding="same", strides=2)(x)
        x = layers.DepthwiseConv2D(3, padding="same")(x)
        x = layers.Conv2D(8, 3, padding="same", groups=2)(x)
        x = layers.Conv2DTranspose(4, 2, strides=2)(x)
        return layers.Dense(10)(layers.Flatten()(x))

    wanted = 16 * 27 * 16 + 16 * 9 * 16 + 16 * 9 * 8 * 8 + 16 * 8 * 4 * 4 + 256 * 10
    assert count_macs(functional(flavour, body)) == wanted


@shown_in_tf_keras
def test_open_sizes_are_pruned_but_not_counted(flavour):
    def body(layers, x):
        return layers.Conv2D(2, 1)(layers.Conv2D(8, 3)(x))

    model = functional(flavour, body, (None, None, 3))
    pruned = checked(model)
    assert pruned.macs_before is None and list(sizes(pruned).values()) == [4]
    with pytest.raises(ModelError, match="cannot be counted"):
        count_macs(model)
    with pytest.raises(ModelError, match="cannot be counted"):
        prune_channels(model, macs=0.5)
