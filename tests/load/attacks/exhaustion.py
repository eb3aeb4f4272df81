"""Attacks on time and memory through the description of the layers, in every format."""

from __future__ import annotations

from load.attacks.files import dense, in_every_format, layer, network


def constant_call(t):
    """A call on numbers alone is not noted down for later: it is computed at once."""
    numbers = {"args": [0, 3_000_000_000], "kwargs": {"step": 1}}
    module = "keras.src.ops.numpy"
    made = layer("Arange", module, nodes=[numbers], dtype="float32")
    return network({**made, "registered_name": "Arange"})


def constant_call_of_tensorflow(t):
    node = [[["_CONSTANT_VALUE", -1, [60_000, 60_000], {}]]]
    return network(layer("TFOpLambda", function="zeros", nodes=node))


def waits_for_itself(t):
    return network(layer("Dense", units=2, nodes=[[["odd", 0, 0, {}]]]))


def wait_for_each_other(t):
    a = layer("Dense", name="a", units=2, nodes=[[["b", 0, 0, {}]]])
    b = layer("Dense", name="b", units=2, nodes=[[["a", 0, 0, {}]]])
    return network(a, b, last="a")


def waits_in_arguments(t):
    made = layer("Attention", nodes=[[["x", 0, 0, {"mask": ["odd", 5, 0]}]]])
    return network(made)


def waits_for_a_layer_without_calls(t):
    idle = layer("Dense", name="idle", units=2, nodes=[])
    return network(idle, layer("Dense", units=2, nodes=[[["idle", 0, 0, {}]]]))


def waits_in_the_form_of_the_other_keras(t):
    """Keras 2 also looks into what Keras 3 calls the arguments."""
    node = [{"args": [["odd", 5, 0, {}]], "kwargs": {}}]
    return network(layer("Dense", units=2, nodes=node))


def waits_for_a_call_without_number(t):
    return network(layer("Dense", units=2, nodes=[[["x", 0, 0, {}], ["odd", "first", 0, {}]]]))


def waits_in_a_network_without_ends(t):
    inner = waits_for_itself(t)
    del inner["config"]["input_layers"], inner["config"]["output_layers"]
    return network({**inner, "name": "inner", "inbound_nodes": []}, last="inner")


def multiplying_networks(t):
    tree = network(layer("Activation", activation="relu"))
    for level in range(30):
        inner = {**tree, "name": f"n{level}"}
        inner["config"] = {**tree["config"], "name": f"n{level}"}
        inner["inbound_nodes"] = [[["x", 0, 0, {}]], [[f"n{level}", 1, 0, {}]]]
        tree = network(inner, last=f"n{level}")
        tree["config"]["output_layers"] = [[f"n{level}", 2, 0]]
    return tree


def huge_dense(t):
    return network(dense(), layer("Dense", units=2_000_000_000))


def size_beyond_all_types(t):
    return network(dense(), layer("Dense", units=10**400))


def huge_chain(t):
    a = layer("Dense", name="a", units=2_000_000)
    return network(a, layer("Dense", units=2_000_000, nodes=[[["a", 0, 0, {}]]]))


def huge_embedding(t):
    return network(layer("Embedding", input_dim=4_000_000, output_dim=1_000))


def huge_input(t):
    made = network(dense(), last="dense")
    made["config"]["layers"][0]["config"]["batch_shape"] = [1, 60_000, 60_000, 3]
    return made


def huge_upsampling(t):
    return network(layer("UpSampling2D", size=[100_000_000, 100_000_000]))


def endless_unrolling(t):
    made = network(layer("LSTM", units=2, unroll=True))
    made["config"]["layers"][0]["config"]["batch_shape"] = [None, 10_000_000, 2]
    return made


def unrolling_by_the_way(t):
    """Its length stands in no input: the layers before it make it."""
    grown = [layer("Reshape", name="r", target_shape=[4, 1])]
    for k in range(5):
        node = [[[grown[-1]["name"], 0, 0, {}]]]
        grown.append(layer("UpSampling1D", name=f"u{k}", size=10, nodes=node))
    unrolled = layer("SimpleRNN", units=2, unroll=True, nodes=[[["u4", 0, 0, {}]]])
    return network(*grown, unrolled)


def repeated_one_by_one(t):
    """Keras 2 cuts the tensor into its steps to repeat each; with Keras 3 it is only large."""
    grown = [layer("Reshape", name="r", target_shape=[4, 1])]
    for k in range(9):
        node = [[[grown[-1]["name"], 0, 0, {}]]]
        grown.append(layer("UpSampling1D", name=f"u{k}", size=10, nodes=node))
    made = network(*grown, dense(), last="dense")
    made["config"]["output_layers"].append(["u8", 0, 0])
    return made


def groups(t):
    made = network(layer("Conv1D", filters=1 << 20, kernel_size=[1], groups=1 << 20))
    made["config"]["layers"][0]["config"]["batch_shape"] = [None, 4, 1 << 20]
    return made


def many_cells(t):
    cells = [layer("LSTMCell", name=f"c{k}", units=1) for k in range(15_000)]
    return network(layer("RNN", cell=layer("StackedRNNCells", cells=cells)))


def many_calls(t):
    nodes = [[["x", 0, 0, {}]], *([["odd", k, 0, {}]] for k in range(60_000))]
    return network(layer("Activation", activation="relu", nodes=nodes))


def filter_bank(t):
    return network(dense(), layer("MelSpectrogram", "keras.layers", num_mel_bins=10**6,
                                  fft_length=10**6))  # fmt: skip


def endless_iterations(t):
    inner = layer("Dense", units=2)
    return network(layer("SpectralNormalization", layer=inner, power_iterations=10**12))


def many_parts(t):
    node = [[["x", 0, 0, {"num_or_size_splits": 10**8}]]]
    return network(layer("TFOpLambda", function="split", nodes=node))


_SOURCES = {
    constant_call: "issue 12: a call on numbers alone asks for 12 GB at once",
    constant_call_of_tensorflow: "issue 12: a function called on a constant",
    waits_for_itself: "case 22: a node that waits for itself",
    wait_for_each_other: "case 22: two that wait for each other",
    waits_in_arguments: "case 22: a wait in a call's arguments",
    waits_for_a_layer_without_calls: "case 22: a wait for a layer that nothing calls",
    waits_in_the_form_of_the_other_keras: "case 22: a wait in the other Keras' form",
    waits_for_a_call_without_number: "case 22: a wait for a call that has no number",
    waits_in_a_network_without_ends: "case 22: a wait in a network without ends",
    multiplying_networks: "networks in networks, each called twice",
    huge_dense: "issue 12: a small file asks for 16 GB",
    size_beyond_all_types: "a size of 400 digits",
    huge_chain: "issue 12: two sizes multiply",
    huge_embedding: "issue 12: an embedding",
    huge_input: "an input of 40 GB",
    huge_upsampling: "an activation of any size",
    endless_unrolling: "ten million steps unrolled",
    unrolling_by_the_way: "400,000 steps unrolled, as the layers before make them",
    repeated_one_by_one: "four million steps repeated one by one",
    groups: "a convolution of a million groups",
    many_cells: "15,000 recurrent cells in a stack",
    many_calls: "60,000 calls of one layer",
    filter_bank: "a bank of filters of 4 TB",
    endless_iterations: "a million million iterations",
    many_parts: "a hundred million outputs",
}


ATTACKS = in_every_format(_SOURCES)
