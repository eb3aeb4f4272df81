import numpy as np
import pytest
from full_range import also
from keras_nets import build, dataset, shown_in_keras, shown_in_tf_keras

from edgeprune.models.keras.weights import prunable_weights
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.schedules import schedule
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment
from edgeprune.training.step import Trainer
from edgeprune.training.training_data import known_data


def run(flavour, steps, **options):
    """The weights before every step, and the masks, of rounds of six steps."""
    data, model = dataset(48), build(flavour, "functional")
    weights = prunable_weights(model, "all")
    masks = Masks(model, weights, {weight.name: 0.75 for weight in weights}, flavour=flavour)
    plan = schedule(PruneTable(schedule="iterative", epochs=2, rounds=2, **options), 3)
    x, y = data.x_train, data.y_train
    seen = []
    with masks:
        trainer = Trainer(model, flavour, 0.01, known_data(model, x, y))
        for step in range(steps):
            if plan.is_due(step):
                plan.prepare(Moment(step, masks, trainer, x[:16], y[:16]))
            seen.append({w.name: w.value().copy() for w in weights})
            trainer.step(x[:16], y[:16], plan.position(step))
    return seen, masks


@shown_in_keras
@pytest.mark.parametrize("k", [also(0), 2])
def test_what_is_left_returns_to_what_it_was_before_step_k(flavour, k):
    seen, masks = run(flavour, 7, rewind_step=k)
    for name, mask in masks.masks.items():
        assert mask.any() and not mask.all()
        assert np.array_equal(seen[6][name], np.where(mask, seen[k][name], 0))
        assert not np.array_equal(seen[5][name], seen[k][name])


@shown_in_tf_keras
def test_a_rewound_round_trains_as_if_it_were_the_first(flavour):
    """With the optimizer and the learning rate anew, the same masks lead to the same weights."""
    seen, masks = run(flavour, 9)
    data, model = dataset(48), build(flavour, "functional")
    fresh = Masks(model, prunable_weights(model, "all"), masks.final, flavour=flavour)
    fresh.set(masks.masks)
    with fresh:
        trainer = Trainer(model, flavour, 0.01, known_data(model, data.x_train, data.y_train))
        for step in range(2):
            trainer.step(data.x_train[:16], data.y_train[:16], step / 6)
    for weight in fresh.weights:
        np.testing.assert_allclose(weight.value(), seen[8][weight.name], atol=1e-6)


def test_learning_rate_rewinding_keeps_what_was_learned():
    seen, masks = run("tf_keras", 7, rewind="learning-rate")
    for name, mask in masks.masks.items():
        assert mask.any() and not np.array_equal(seen[6][name], np.where(mask, seen[0][name], 0))


def test_the_last_layer_loses_half_as_much_a_round():
    _, masks = run("tf_keras", 13)
    shares = {name: 1 - mask.mean() for name, mask in masks.masks.items()}
    assert shares["mix/kernel"] == pytest.approx(0.75)
    assert shares["head/kernel"] == pytest.approx(1 - 0.75**2, abs=0.02)
