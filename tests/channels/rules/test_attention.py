import pytest
from channel_models import checked, functional, sizes
from keras_nets import FLAVOURS

both = pytest.mark.parametrize("flavour", FLAVOURS)


@both
def test_heads_go_as_a_whole_and_inputs_and_outputs_channel_by_channel(flavour):
    def body(layers, x):
        x = layers.Dense(8, name="in")(x)
        y = layers.MultiHeadAttention(4, 3, value_dim=5, name="attention")(x, x)
        return layers.Dense(2)(layers.Add()([x, layers.Dense(8, name="out")(y)]))

    pruned = checked(functional(flavour, body, (6, 3)))
    attention = pruned.model.get_layer("attention")
    assert attention.get_config()["num_heads"] == 2
    assert tuple(attention._output_dense.kernel.shape) == (2, 5, 4)
    assert tuple(attention._query_dense.kernel.shape) == (4, 2, 3)
    assert sizes(pruned)["in"] == sizes(pruned)["out"] == 4


@both
def test_attention_to_another_sequence_reads_both(flavour):
    def body(layers, x, memory):
        x, memory = layers.Dense(8, name="q")(x), layers.Dense(6, name="kv")(memory)
        x = layers.MultiHeadAttention(4, 3, use_bias=False, name="attention")(x, memory)
        return layers.Dense(2)(x)

    assert {"q": 4, "kv": 3}.items() <= sizes(
        checked(functional(flavour, body, (6, 3), (4, 3)))
    ).items()


@both
def test_a_mask_holds_attention_as_it_is(flavour):
    def body(layers, x, mask):
        x = layers.Dense(8, name="in")(x)
        x = layers.MultiHeadAttention(4, 3)(x, x, attention_mask=mask)
        return layers.Dense(2)(layers.Dense(4, name="free")(x))

    pruned = checked(functional(flavour, body, (6, 3), (6, 6)))
    assert sizes(pruned) == {"free": 2}


def test_tensors_by_name_are_not_mixed_up():
    def body(layers, x, memory):
        x, memory = layers.Dense(8, name="q")(x), layers.Dense(6, name="kv")(memory)
        x = layers.MultiHeadAttention(4, 3)(query=x, value=memory, key=memory)
        x = layers.MultiHeadAttention(4, 3, name="clear")(x, memory, key=memory)
        return layers.Dense(2)(x)

    pruned = checked(functional("keras", body, (6, 3), (4, 3)))
    assert pruned.model.get_layer("clear").get_config()["num_heads"] == 2
    assert "q" not in sizes(pruned)
