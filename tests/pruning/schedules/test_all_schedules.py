import math

import numpy as np
import pytest
from full_range import also
from keras_nets import build, dataset, loaded, shown_in_tf_keras

from edgeprune.errors import ModelError
from edgeprune.pruning import prune
from edgeprune.pruning.schedules import SCHEDULES, schedule
from edgeprune.recipe.prune_parts import SCHEDULES as NAMES
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext


def test_each_schedule_may_stand_in_a_recipe():
    assert set(NAMES) == set(SCHEDULES.names())


KINDS = ("functional", "subclassed")
SHOWN = [(name, KINDS[k % 2]) for k, name in enumerate(NAMES)]
OTHERS = [also(name, KINDS[1 - k % 2]) for k, name in enumerate(NAMES)]


@shown_in_tf_keras
@pytest.mark.parametrize(("name", "kind"), [also(*SHOWN[0]), *SHOWN[1:], *OTHERS])
def test_every_schedule_ends_with_its_zeros_and_moves_the_rest(flavour, name, kind):
    lines = []
    spec = PruneTable(
        sparsity=0.6, schedule=name, epochs=2, rounds=2, batch_size=16, control=False, pattern="2x1"
    )
    model = build(flavour, kind)
    done = prune(loaded(model, flavour), spec, StageContext(dataset(), lines.append))
    last = "head/kernel"
    for tensor in done.tensors:
        if name == "iterative" and tensor.name == last:
            goal = 1 - ((1 + 0.4**0.5) / 2) ** 2
        else:
            goal = 0.6
        assert tensor.zeros / tensor.weights == pytest.approx(goal, abs=0.06)
        assert (~done.masks[tensor.name]).sum() == tensor.zeros
    epochs = 6 if name == "iterative" else 2
    lines = [line for line in lines if line.startswith("epoch")]
    assert [line.split(":")[0] for line in lines] == [
        f"epoch {k + 1}/{epochs}" for k in range(epochs)
    ]
    assert all("held-out top1" in line for line in lines)
    before, after = model.get_weights(), done.keras.get_weights()
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_learning_rate_ends_near_its_end_and_never_leaves_its_range(name):
    made = schedule(PruneTable(schedule=name, epochs=3, rounds=2, rewind_step=4), 10)
    positions = [made.position(step) for step in range(made.epochs * 10)]
    assert positions[0] == 0 and positions[-1] > 0.9
    assert all(0 <= position < 1 for position in positions)


@pytest.mark.parametrize("name", NAMES)
def test_a_settled_sparsity_does_not_change_before_the_schedule_says_so(name):
    made = schedule(PruneTable(schedule=name, epochs=3, rounds=2), 10)
    for epoch in range(1, made.epochs + 1):
        until = made.settled_until(epoch * 10)
        if until is None or name == "rigl":  # moves weights, and keeps their number
            continue
        assert not any(made.is_due(step) for step in range(epoch * 10, until))
    assert made.settled_until(made.epochs * 10) == made.epochs * 10


def test_gradual_is_not_judged_while_it_grows():
    made = schedule(PruneTable(schedule="gradual", epochs=4), 10)
    assert [made.settled_until(10 * k) for k in (1, 2, 3, 4)] == [None, None, 40, 40]


@pytest.mark.parametrize(
    "options, line",
    [
        ({"schedule": "rigl", "pattern": "2:4"}, "the pattern 2:4 fixes how many each group has"),
        ({"schedule": "iterative", "rewind_step": 30}, "rewind_step is 30, and a round has 30"),
    ],
)
def test_what_a_schedule_cannot_do_is_refused_in_one_line(options, line):
    with pytest.raises(ModelError, match=line) as caught:
        schedule(PruneTable(epochs=3, **options), 10)
    assert "\n" not in str(caught.value)


def test_learning_rate_rewinding_says_nothing_about_a_step():
    spec = PruneTable(schedule="iterative", rewind="learning-rate", rewind_step=10**6, epochs=2)
    assert math.isclose(schedule(spec, 10).position(20), 0.0)
