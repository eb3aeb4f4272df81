import pytest
from channel_models import checked, functional, shapes
from full_range import also
from keras_nets import FLAVOURS, shown_in_keras

CELLS = [("SimpleRNN", {}), ("LSTM", {}), ("GRU", {}), ("GRU", {"reset_after": False})]
SHOWN = [(FLAVOURS[k % 2], *cell) for k, cell in enumerate(CELLS)]
OTHERS = [also(FLAVOURS[1 - k % 2], *cell) for k, cell in enumerate(CELLS)]


@pytest.mark.parametrize(("flavour", "kind", "options"), [also(*SHOWN[0]), *SHOWN[1:], *OTHERS])
def test_units_go_out_of_every_gate(flavour, kind, options):
    def body(layers, x):
        x = layers.Conv1D(4, 3, name="in")(x)
        x = getattr(layers, kind)(8, name="cell", return_sequences=True, **options)(x)
        x = getattr(layers, kind)(6, name="last", **options)(x)
        return layers.Dense(2, name="head")(x)

    pruned = checked(functional(flavour, body, (7, 3)))
    gates = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}[kind]
    found = shapes(pruned.model)
    assert found["cell/0"] == (2, 4 * gates) and found["cell/1"] == (4, 4 * gates)
    assert found["head/0"] == (3, 2)
    assert all(group.width == 1 for group in pruned.groups)


@shown_in_keras
def test_what_a_wrapper_hides_stays_and_the_rest_is_pruned(flavour):
    def body(layers, x):
        x = layers.Bidirectional(layers.LSTM(4), name="both")(x)
        return layers.Dense(2)(layers.Dense(8, name="free")(x))

    pruned = checked(functional(flavour, body, (7, 3)))
    assert shapes(pruned.model)["free/0"] == (8, 4)
    assert "both: stays whole: there is no rule for its class" in pruned.notes
