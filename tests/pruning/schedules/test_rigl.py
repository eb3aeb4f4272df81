import numpy as np
import pytest
from full_range import also
from hypothesis import given
from hypothesis import strategies as st
from keras_nets import build, dataset, shown_in_keras, shown_in_tf_keras

from edgeprune.models.keras.weights import Weight, prunable_weights
from edgeprune.pruning.masks.masking import Masks
from edgeprune.pruning.schedules import schedule
from edgeprune.pruning.schedules.rigl import rigged
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.schedule import Moment
from edgeprune.training.step import Trainer
from edgeprune.training.training_data import known_data


class Plain:
    """A variable that is an array."""

    def __init__(self, values):
        self.shape, self._values = values.shape, values

    def numpy(self):
        return self._values


def drawn(seed, shape, sparsity):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape).astype(np.float32)
    order = np.argsort(np.abs(values), axis=None)
    kept = np.ones(values.size, np.bool_)
    kept[order[: min(int(sparsity * values.size + 0.5), values.size - 1)]] = False
    kept = kept.reshape(shape)
    gradient = rng.normal(size=shape).astype(np.float32)
    return np.where(kept, values, np.float32(0)), kept, gradient


@given(st.integers(0, 10**6), st.integers(1, 24), st.integers(1, 24), st.floats(0.3, 0.95))
def test_as_many_stay_and_the_right_ones_move(seed, rows, columns, sparsity):
    values, kept, gradient = drawn(seed, (rows, columns), sparsity)
    mask = rigged(Weight("w", Plain(values)), kept, sparsity, 0.3, gradient)
    assert mask.sum() == kept.sum()
    gone, come = kept & ~mask, mask & ~kept
    stayed = kept & mask
    if gone.any() and stayed.any():
        surely = int((1 - sparsity) * 0.7 * mask.size)  # the largest of them cannot have gone
        largest = np.sort(np.abs(values[kept]))[::-1][:surely]
        assert np.abs(values[gone]).max() <= (largest.min() if surely else np.inf)
    left_out = ~mask & ~kept
    if come.any() and left_out.any():
        assert np.abs(gradient[come]).min() >= np.abs(gradient[left_out]).max()


def test_nothing_moves_where_the_share_is_zero():
    values, kept, gradient = drawn(0, (20, 20), 0.8)
    assert np.array_equal(rigged(Weight("w", Plain(values)), kept, 0.8, 0.0, gradient), kept)


def test_kept_zeros_come_before_masked_weights():
    values, kept, gradient = drawn(0, (20, 20), 0.5)
    values[kept] = 0
    assert np.array_equal(rigged(Weight("w", Plain(values)), kept, 0.5, 0.0, gradient), kept)


@shown_in_keras
@pytest.mark.parametrize("pattern", [also("unstructured"), "2x1"])
def test_returning_weights_start_at_zero_with_an_empty_memory(flavour, pattern):
    data, model = dataset(48), build(flavour, "functional")
    x, y = data.x_train[:16], data.y_train[:16]
    weights = [
        Weight(w.name, w.variable, pattern, w.out_axis) for w in prunable_weights(model, "all")
    ]
    masks = Masks(model, weights, {weight.name: 0.5 for weight in weights}, flavour=flavour)
    plan = schedule(PruneTable(schedule="rigl", epochs=4, pattern=pattern), 40)
    with masks:
        trainer = Trainer(model, flavour, 0.01, known_data(model, x, y))
        plan.prepare(Moment(0, masks, trainer, x, y))
        for step in range(3):
            trainer.step(x, y, step / 160)
        before = {name: mask.copy() for name, mask in masks.masks.items()}
        learned = {weight.name: weight.value().copy() for weight in weights}
        plan.prepare(Moment(12, masks, trainer, x, y))
        moments = trainer._optimizer._momentums
        for weight in weights:
            now = masks.masks[weight.name]
            come, stayed = now & ~before[weight.name], now & before[weight.name]
            assert come.any() and now.sum() == before[weight.name].sum()
            assert not weight.value()[come].any()
            assert np.array_equal(weight.value()[stayed], learned[weight.name][stayed])
            slot = np.asarray(moments[trainer._index(weight.variable)].numpy())
            assert not slot[come].any() and slot[stayed].any()
        trainer.step(x, y, 0.1)
        assert all((w.value()[masks.masks[w.name] & ~before[w.name]] != 0).any() for w in weights)


@shown_in_tf_keras
def test_gradients_reach_masked_weights_and_are_those_of_the_loss(flavour):
    data, model = dataset(48), build(flavour, "sequential")
    x, y = data.x_train[:16], data.y_train[:16]
    weights = prunable_weights(model, "accelerated")[-1:]
    masks = Masks(model, weights, {weights[0].name: 0.75}, flavour=flavour)
    with masks:
        masks.update()
        trainer = Trainer(model, flavour, 0.01, known_data(model, x, y))
        [gradient] = trainer.gradients([weights[0].variable], x, y)
    assert gradient[~masks.masks[weights[0].name]].any()
    at = tuple(np.argwhere(~masks.masks[weights[0].name])[3])
    losses = []
    for change in (-1e-2, 1e-2):
        moved = weights[0].value().copy()
        moved[at] = change
        weights[0].variable.assign(moved)
        answers = np.log(trainer.answers(x)[0] + 1e-7)
        losses.append(-answers[np.arange(16), y].mean())
    assert (losses[1] - losses[0]) / 2e-2 == pytest.approx(gradient[at], rel=0.02, abs=1e-3)
