import dataclasses

import numpy as np
import pytest
from full_range import also
from keras_nets import build, dataset, each_kind, shown_in_keras, shown_in_tf_keras

from edgeprune.errors import ModelError, UnknownPart
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.keras.weights import prunable_weights, walk
from edgeprune.pruning.calibration.evidence import ModelEvidence
from edgeprune.pruning.criteria.base import CRITERIA
from edgeprune.pruning.one_shot import dense_scores, one_shot
from edgeprune.pruning.patterns import pattern as by_name
from edgeprune.training.capture import Calibration

METHODS = (*CRITERIA.names(), "second_order")
SHAPES = ("2x1", "1x2", "2x2", "2:4")


def calibration(n=64):
    data = dataset(n)
    return Calibration(data.x_train, data.y_train)


def pruned(model, criterion, pattern="unstructured", sparsity=0.5, **rest):
    weights = [
        dataclasses.replace(w, pattern=pattern)
        for w in prunable_weights(model, "all")
        if pattern != "2:4" or w.in_channels % 4 == 0
    ]
    return weights, one_shot(
        model, weights, calibration(), criterion=criterion, sparsity=sparsity, **rest
    )


def answers(model):
    return np.asarray(model(calibration().x, training=False))


@each_kind
def test_every_kind_of_model_is_pruned_to_second_order(flavour, kind):
    model = build(flavour, kind)
    before = [np.array(w.value()) for w in prunable_weights(model, "all")]
    weights, masks = pruned(model, "second_order")
    for weight, old in zip(weights, before, strict=True):
        mask = masks[weight.name]
        assert mask.shape == old.shape and (~mask).sum() == (old.size + 1) // 2
        assert not weight.value()[~mask].any()
        assert not np.allclose(weight.value()[mask], old[mask])
    assert np.isfinite(answers(model)).all()
    assert all("call" not in layer.__dict__ for _, layer in walk(model))


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        *((method, "unstructured") for method in METHODS),
        *((METHODS[-1], pattern) for pattern in SHAPES),
        *((METHODS[-2], pattern) for pattern in SHAPES[2:]),
        *(also(METHODS[-2], pattern) for pattern in SHAPES[:2]),
    ],
)
def test_every_method_and_every_shape_prunes_the_asked_share(method, pattern):
    model = build("tf_keras", "functional")
    weights, masks = pruned(model, method, pattern)
    for weight in weights:
        matrix = weight.as_matrix(masks[weight.name])
        if method == "second_order" and "x" in pattern:
            rows, columns = map(int, pattern.split("x"))
            blocks = matrix[::rows, ::columns]
            assert (~blocks).sum() == np.floor(blocks.size / 2 + 0.5)
            wide = blocks.repeat(rows, axis=0).repeat(columns, axis=1)
            assert np.array_equal(wide[: len(matrix), : matrix.shape[1]], matrix)
            continue
        made = by_name(pattern)
        rows = int(pattern[0]) if "x" in pattern else 1
        step = rows if method == "wanda" else len(matrix)  # which compares within rows only
        for first in range(0, len(matrix), step):
            part = matrix[first : first + step]
            # What a pattern leaves alone is what it would remove again.
            again = made.mask(part.astype(np.float32), made.share(0.5), weight.in_channels)
            assert np.array_equal(again, part)
        assert not weight.value()[~masks[weight.name]].any()


@pytest.mark.parametrize("method", ["magnitude", "second_order"])
def test_blocks_never_reach_over_the_taps_of_a_convolution(method):
    model = build("keras", "sequential")
    stem = [dataclasses.replace(prunable_weights(model, "all")[0], pattern="2x2")]
    assert stem[0].in_channels == 3
    masks = one_shot(model, stem, calibration(), criterion=method, sparsity=0.5)
    taps = stem[0].as_matrix(masks["stem/kernel"]).reshape(3, 2, 9, 3)
    assert (taps[:, :1] == taps[:, 1:]).all()
    assert (taps[..., 0] == taps[..., 1]).all()
    assert (taps[..., 1] != taps[..., 2]).any()


def test_groups_that_do_not_fit_a_weight_are_refused():
    model = build("keras", "sequential")
    stem = [dataclasses.replace(prunable_weights(model, "all")[0], pattern="2:4")]
    with pytest.raises(ModelError, match="stem/kernel: 2:4 does not fit 3 input channels"):
        one_shot(model, stem, calibration(), criterion="second_order", sparsity=0.5)


def test_second_order_changes_the_answers_less_than_magnitude_does():
    dense = answers(build("keras", "sequential"))
    changes = {}
    for method in ("magnitude", "second_order"):
        model = build("keras", "sequential")
        pruned(model, method, sparsity=0.6, recovery=())
        changes[method] = np.abs(answers(model) - dense).mean()
    assert changes["second_order"] < 0.7 * changes["magnitude"]


def test_each_tensor_can_have_its_own_sparsity():
    model = build("keras", "sequential")
    names = [weight.name for weight in prunable_weights(model, "all")]
    wanted = dict(zip(names, (0.0, 0.25, 0.75), strict=True))
    _, masks = pruned(model, "second_order", sparsity=wanted)
    for name, share in wanted.items():
        assert (~masks[name]).sum() == np.floor(share * masks[name].size + 0.5)
    with pytest.raises(ModelError, match="no sparsity is given for mix/kernel"):
        pruned(model, "second_order", sparsity={"stem/kernel": 0.5})


@shown_in_tf_keras
def test_grouped_convolutions_are_pruned_group_by_group(flavour):
    keras = import_keras(flavour)
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((6, 6, 3)), layers.Conv2D(4, 1), layers.Conv2D(6, 3, groups=2)]
    )
    for method in ("wanda", "second_order"):
        weights, masks = pruned(model, method)
        assert (~masks[weights[1].name]).mean() == 0.5


@shown_in_keras
def test_recovery_brings_mean_outputs_back(flavour):
    dense = answers(build(flavour, "subclassed"))  # ends in logits with a bias
    off = {}
    for recovery in ((), ("bias",), ("batch_norm", "bias")):
        model = build(flavour, "subclassed")
        moving = np.asarray(model.norm.moving_mean.numpy()).copy()
        pruned(model, "magnitude", sparsity=0.7, recovery=recovery)
        off[recovery] = np.abs(answers(model).mean(axis=0) - dense.mean(axis=0)).max()
        moved = not np.array_equal(moving, np.asarray(model.norm.moving_mean.numpy()))
        assert moved == ("batch_norm" in recovery)
    assert off[("bias",)] < 1e-4 < off[()]
    assert off[("batch_norm", "bias")] < 1e-4


def closeness(found, wanted):
    """Cosine of answers, each sample's less their mean."""
    found, wanted = (one - one.mean(axis=1, keepdims=True) for one in (found, wanted))
    return (found * wanted).sum() / np.sqrt(np.square(found).sum() * np.square(wanted).sum())


def test_a_bias_that_would_take_the_answers_further_away_is_left_as_it_was():
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    wide = [layers.Dense(64, "relu", bias_initializer="random_normal") for _ in range(4)]
    model = keras.Sequential([layers.Input((6, 6, 3)), layers.Flatten(), *wide, layers.Dense(5)])
    dense, trained = answers(model), model.get_weights()
    close = {}
    for criterion in ("magnitude", "taylor"):  # all corrections but taylor's do good here
        for recovery in ((), ("bias",)):
            model.set_weights(trained)
            pruned(model, criterion, sparsity=0.8, recovery=recovery)
            close[criterion, *recovery] = closeness(answers(model), dense)
    assert close["magnitude", "bias"] > close["magnitude",] + 0.1
    assert close["taylor", "bias"] > close["taylor",] - 1e-5


def test_the_same_seed_gives_the_same_random_masks():
    masks = [pruned(build("keras", "sequential"), "random", seed=k)[1] for k in (1, 1, 2)]
    assert all(np.array_equal(masks[0][name], masks[1][name]) for name in masks[0])
    assert not all(np.array_equal(masks[0][name], masks[2][name]) for name in masks[0])


@pytest.mark.parametrize(
    ("rest", "error", "line"),
    [
        ({"criterion": "size"}, UnknownPart, "no criterion is called 'size'"),
        ({"criterion": "l2", "recovery": ("luck",)}, ModelError, "no recovery is called 'luck'"),
        ({"criterion": "l2", "sparsity": 1.0}, ModelError, r"sparsity must be in \[0, 1\)"),
        ({"criterion": "l2", "pattern": "kernel"}, ModelError, "no pattern is called 'kernel'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_changed(rest, error, line):
    model = build("keras", "sequential")
    before = model.get_weights()
    with pytest.raises(error, match=line):
        pruned(model, **rest)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_without_calibration_data_criteria_that_need_none_work_and_others_say_so():
    for method in METHODS:
        model = build("tf_keras", "functional")
        weights = prunable_weights(model, "all")
        rest = {"criterion": method, "sparsity": 0.5, "recovery": ()}
        if method in ("taylor", "wanda", "second_order"):
            with pytest.raises(ModelError, match="needs calibration data, and got none"):
                one_shot(model, weights, None, **rest)
        else:
            masks = one_shot(model, weights, None, **rest)
            assert all((~mask).mean() == 0.5 for mask in masks.values())


@shown_in_tf_keras
def test_a_transposed_convolution_is_named_by_what_cannot_look_at_its_inputs(flavour):
    def model():
        keras = import_keras(flavour)
        keras.utils.set_random_seed(0)
        layers = keras.layers
        return keras.Sequential(
            [layers.Input((6, 6, 3)), layers.Conv2DTranspose(4, 2, name="up"), layers.Conv2D(4, 1)]
        )

    for method in ("wanda", "second_order"):
        with pytest.raises(ModelError, match=r"layer 'up' of class Conv2DTranspose.*in ignored"):
            pruned(model(), method)
    y = np.zeros((64, 7, 7, 4), np.float32)
    for method in ("magnitude", "taylor"):
        made = model()
        rest = {"criterion": method, "sparsity": 0.5}
        masks = one_shot(
            made, prunable_weights(made, "all"), Calibration(calibration().x, y), **rest
        )
        assert [(~mask).mean() for mask in masks.values()] == [0.5, 0.5]


@shown_in_keras
def test_scores_of_the_dense_model_cover_every_weight_and_change_nothing(flavour):
    model = build(flavour, "nested")
    before = model.get_weights()
    weights = prunable_weights(model, "all")
    for method in METHODS:
        found = dense_scores(ModelEvidence(model, weights, calibration()), method)
        assert all(found[w.name].values.shape == w.matrix().shape for w in weights)
        assert all((found[w.name].values >= 0).all() for w in weights)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_of_another_model_are_refused():
    with pytest.raises(ModelError, match="stem/kernel belongs to no layer of the model"):
        one_shot(
            build("keras", "sequential"),
            prunable_weights(build("keras", "sequential"), "all"),
            calibration(),
            criterion="l2",
            sparsity=0.5,
        )
