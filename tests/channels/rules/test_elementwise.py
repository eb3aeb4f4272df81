import numpy as np
import pytest
from channel_models import checked, functional, shapes, sizes
from keras_nets import FLAVOURS, in_turn

both = pytest.mark.parametrize("flavour", FLAVOURS)


@in_turn("kind", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_branches_that_meet_lose_the_same_channels(flavour, kind):
    def body(layers, x):
        x = getattr(layers, kind)()([layers.Conv2D(8, 1, name=n)(x) for n in "ab"])
        return layers.Conv2D(4, 1)(x)

    pruned = checked(functional(flavour, body))
    assert [group.name for group in pruned.groups] == ["a+b"]
    gone = [tuple(one.positions) for one in pruned.removed if one.weight == "kernel"]
    assert len(set(gone)) == 1 and len(gone) == 3 and len(gone[0]) == 4


@both
def test_python_operators_and_numbers_pass(flavour):
    def body(layers, x):
        a = layers.Conv2D(8, 1, name="a")(x)
        b = layers.Conv2D(8, 1, name="b")(x)
        return layers.Conv2D(4, 1)(a * 2.0 - b / 3.0 + 1.0)

    assert sizes(checked(functional(flavour, body))) == {"a": 4, "b": 4}


@both
def test_a_constant_for_each_channel_holds_them(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="held")(x) * np.arange(8, dtype=np.float32)
        return layers.Conv2D(4, 1)(layers.Conv2D(6, 1, name="free")(x))

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"free": 3}
    assert any("held" in note and "constant of several values" in note for note in pruned.notes)


@both
def test_one_channel_spread_over_many_stays_and_the_many_may_go(flavour):
    def body(layers, x):
        gate = layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)
        x = layers.Multiply()([gate, layers.Conv2D(8, 1, name="a")(x)])
        return layers.Conv2D(4, 1)(x)

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"a": 4}
    assert any("gate" in note and "spreads this channel" in note for note in pruned.notes)


@both
def test_squeeze_and_excite_follows_what_it_scales(flavour):
    def body(layers, x):
        x = layers.Conv2D(8, 1, name="a")(x)
        y = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(x))
        y = layers.Conv2D(4, 1, activation="relu", name="squeeze")(y)
        y = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(y)
        return layers.Conv2D(3, 1)(layers.Multiply()([x, y]))

    pruned = checked(functional(flavour, body))
    assert sizes(pruned) == {"a": 4, "squeeze": 2, "excite": 4}
    assert [group.name for group in pruned.groups] == ["a+excite", "squeeze"]


@both
def test_joined_branches_are_pruned_each_for_itself(flavour):
    def body(layers, x):
        branches = [layers.Conv2D(n, 1, name=f"c{n}")(x) for n in (4, 6)]
        x = layers.Concatenate()(branches)
        x = layers.Conv2D(10, 1, name="last")(layers.BatchNormalization()(x))
        x = layers.Add()([x, layers.Concatenate()(branches)])
        return layers.Conv2D(3, 1, name="end")(x)

    pruned = checked(functional(flavour, body))
    assert [(group.name, group.units) for group in pruned.groups] == [
        ("c4+last", 4),
        ("c6+last", 6),
    ]
    assert shapes(pruned.model)["last/0"] == (1, 1, 5, 5)
    assert shapes(pruned.model)["end/0"] == (1, 1, 5, 3)


@both
def test_joining_along_another_axis_ties_channels(flavour):
    def body(layers, x):
        x = layers.Concatenate(axis=1)([layers.Conv2D(6, 1, name=n)(x) for n in "ab"])
        return layers.Conv2D(3, 1)(x)

    assert [group.name for group in checked(functional(flavour, body)).groups] == ["a+b"]
