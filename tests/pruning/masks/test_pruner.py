import itertools

import numpy as np
import pytest
from full_range import TIMES, also
from keras_nets import build, dataset, loaded, nested_in_keras, shown_in_keras, shown_in_tf_keras

import edgeprune
from edgeprune.api.pruning import prune as prune_model
from edgeprune.artifacts.dataset import Dataset
from edgeprune.errors import ModelError
from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning import prune
from edgeprune.recipe.prune_parts import CRITERIA, WHILE_TRAINING
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def known(model, n=96):
    """Samples whose labels are the model's own answers."""
    data = dataset(n)
    x = data.x_train * 3
    y = np.asarray(model(x, training=False)).argmax(axis=1).astype(np.int64)
    return Dataset(x, y, x[:8], y[:8], "made up")


def same(a, b):
    return all(np.array_equal(one, two) for one, two in zip(a, b, strict=True))


@nested_in_keras
def test_one_shot_with_0_epochs_trains_nothing_and_leaves_the_model_as_it_was(flavour, kind):
    model = build(flavour, kind)
    before = model.get_weights()
    lines = []
    done = prune_model(
        model,
        known(model),
        lines.append,
        criterion="second_order",
        schedule="one_shot",
        epochs=0,
        sparsity=0.5,
    )
    assert same(before, model.get_weights())
    assert not any(line.startswith("epoch") for line in lines)
    assert not done.fine_tuned and not done.profiling_only and done.control is None
    assert done.notes[0] == (
        "pruned at once by second_order, batch norm and bias corrected, with 96 calibration "
        "samples; nothing was trained"
    )
    assert all(t.zeros == (t.weights + 1) // 2 for t in done.tensors)
    kept = prunable_weights(done.keras, "accelerated")
    assert not same(
        [w.value() for w in kept], [w.value() for w in prunable_weights(model, "accelerated")]
    )


BY_WHAT = {"second_order"}
"""It looks at inputs, and changes the weights that stay; gradients are looked at while training."""


@pytest.mark.parametrize("criterion", [c if c in BY_WHAT else also(c) for c in CRITERIA])
def test_every_criterion_prunes_at_once_and_then_trains_under_its_masks(criterion):
    model = build("keras", "sequential")
    options = {"criterion": criterion, "schedule": "one_shot", "sparsity": 0.5, "control": False}
    at_once = prune_model(model, known(model), epochs=0, **options)
    trained = prune_model(model, known(model), epochs=1, batch_size=16, **options)
    assert trained.fine_tuned
    assert same(at_once.masks.values(), trained.masks.values())
    assert not same(at_once.keras.get_weights(), trained.keras.get_weights())


SCHEDULES = ("gradual", "iterative")
ALL = list(itertools.product(WHILE_TRAINING, SCHEDULES))
"""Of which the suite has two criteria, each with another schedule."""
SHOWN = [("random", "gradual"), ("taylor", "iterative")]


@shown_in_tf_keras
@pytest.mark.parametrize(
    ("criterion", "schedule"),
    [pair if pair in SHOWN else also(*pair) for pair in ALL],
)
def test_criteria_that_choose_while_training_reach_the_sparsity(flavour, criterion, schedule):
    model = build(flavour, "nested")
    done = prune_model(
        model,
        known(model),
        criterion=criterion,
        schedule=schedule,
        rounds=2,
        epochs=2,
        batch_size=16,
        sparsity=0.5,
        control=False,
    )
    share = sum(t.zeros for t in done.tensors) / sum(t.weights for t in done.tensors)
    assert share == pytest.approx(0.5, abs=0.05 if schedule == "iterative" else 0.01)


def test_masks_by_taylor_and_by_chance_only_grow_and_differ_from_those_of_magnitude():
    found = {}
    for criterion in ("magnitude", "taylor", "random"):
        model = build("tf_keras", "sequential")
        data = known(model)
        masks = edgeprune.masks(model, data, criterion=criterion, sparsity=0.6)
        masks.update(0.5)
        half = {name: mask.copy() for name, mask in masks.masks.items()}
        masks.update()
        assert all((masks.masks[name] <= mask).all() for name, mask in half.items())
        found[criterion] = masks.masks
    for criterion in ("taylor", "random"):
        assert not same(found["magnitude"].values(), found[criterion].values())


def test_masks_of_ones_own_loop_can_be_made_in_one_shot():
    model = build("keras", "sequential")
    data = known(model)
    options = {"criterion": "second_order", "schedule": "one_shot", "sparsity": 0.5}
    with edgeprune.masks(model, (data.x_train, data.y_train), **options) as masks:
        masks.update()
    done = prune_model(build("keras", "sequential"), data, epochs=0, **options)
    assert same(masks.masks.values(), done.masks.values())


def test_the_allocation_global_ranks_by_the_criterion():
    criteria = ("wanda", "magnitude", *(("taylor", "second_order") if TIMES else ()))
    shares = {}
    for criterion in criteria:
        model = build("keras", "sequential")
        done = prune_model(
            model,
            known(model),
            criterion=criterion,
            schedule="one_shot",
            allocation="global",
            epochs=0,
            sparsity=0.5,
            layers="all",
        )
        assert sum(t.zeros for t in done.tensors) == pytest.approx(
            0.5 * sum(t.weights for t in done.tensors), abs=3
        )
        shares[criterion] = tuple(t.zeros for t in done.tensors)
    assert len(set(shares.values())) == len(criteria)


def test_an_accepted_drop_is_measured_from_the_dense_model():
    """With one_shot the model is pruned inside the training, after the dense one was scored."""
    model = build("keras", "functional")
    done = prune_model(
        model,
        known(model, 600),
        max_accuracy_drop=0.02,
        criterion="random",
        schedule="one_shot",
        recovery=(),
        epochs=1,
        learning_rate=1e-9,
        sparsity=0.95,
        control=False,
    )
    assert any("no epoch kept the accepted drop of 2%" in note for note in done.notes)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"criterion": "size"}, "criterion must be one of magnitude, l2, random, taylor"),
        (
            {"criterion": "second_order"},
            r"second_order prunes at once: set schedule to one_shot \(the schedule gradual takes",
        ),
        ({"criterion": "wanda", "schedule": "iterative"}, "wanda prunes at once"),
        ({"criterion": "l2", "schedule": "rigl"}, "the schedule rigl drops by magnitude"),
        ({"recovery": ("luck",)}, "recovery 'luck' must be one of batch_norm, bias"),
        ({"calibration_samples": 0}, "calibration_samples must be >= 1, got 0"),
        ({"epochs": 0}, "epochs must be >= 1 with the schedule gradual"),
        ({"schedule": "one_shot", "epochs": -1}, "epochs must be >= 0, got -1"),
        ({"criterion": "taylor"}, "the criterion taylor looks at training samples, and got no"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, line):
    with pytest.raises(ModelError, match=line):
        prune_model(build("keras", "sequential"), None, **options)


@shown_in_keras
def test_samples_of_the_wrong_range_are_refused_before_anything_is_done(flavour):
    model = build(flavour, "sequential")
    data = known(model)
    for x in (data.x_train * 0, data.x_train * np.float32(np.nan)):
        with pytest.raises(ModelError, match="calibration samples"):
            prune(
                loaded(model, flavour),
                PruneTable(criterion="wanda", schedule="one_shot", epochs=0),
                StageContext(Dataset(x, data.y_train, x[:8], data.y_train[:8], "d.npz")),
            )


def test_a_model_with_two_inputs_is_refused_by_what_looks_at_inputs():
    from edgeprune.models.keras.flavours import import_keras

    keras = import_keras("keras")
    layers = keras.layers
    one, two = layers.Input((3,)), layers.Input((5,))
    joined = layers.Concatenate()([layers.Dense(4)(one), two])
    model = keras.Model([one, two], layers.Dense(2)(joined))
    options = {"schedule": "one_shot", "epochs": 0, "sparsity": 0.5}
    with pytest.raises(ModelError, match="calibration needs a model with one input"):
        prune_model(model, (np.zeros((60, 3)), np.zeros(60, int)), criterion="wanda", **options)
    done = prune_model(model, criterion="magnitude", **options)
    assert sum(t.zeros for t in done.tensors) == 15
