import pytest

from edgeprune.errors import ModelError
from edgeprune.load.keras_graph import check_layer_graph


def layer(name, *nodes, kind="Dense", **config):
    return {"class_name": kind, "config": {"name": name, **config}, "name": name,
            "inbound_nodes": list(nodes)}  # fmt: skip


def network(*layers, name="m", ends=None, kind="Functional"):
    last = layers[-1]["name"]
    ends = [[last, 0, 0]] if ends is None else ends
    config = {"name": name, "layers": list(layers), "input_layers": [[layers[0]["name"], 0, 0]],
              "output_layers": ends}  # fmt: skip
    return {"class_name": kind, "config": config, "name": name, "inbound_nodes": []}


def tensor(name, call=0):
    history = {"shape": [None, 2], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": {}}


START = layer("x", kind="InputLayer")


@pytest.mark.parametrize(
    "layers",
    [
        (START, layer("p", [["p", 0, 0, {}]])),
        (START, layer("a", [["b", 0, 0, {}]]), layer("b", [["a", 0, 0, {}]])),
        (START, layer("a", [["x", 0, 0, {"mask": ["b", 0, 0]}]]), layer("b", [["a", 0, 0, {}]])),
        (START, layer("a", [["x", 0, 0, {}]]), layer("b", [["a", 1, 0, {}]])),
        (START, layer("a", [["x", 0, 0, {}]]), layer("b", [["a", -1, 0, {}]])),
        (START, layer("a"), layer("b", [["a", 0, 0, {}]])),
        (START, layer("p", tensor("p"))),
        (START, layer("a", tensor("b")), layer("b", tensor("a"))),
    ],
)
def test_layers_that_wait_for_each_other_are_refused(layers):
    with pytest.raises(ModelError, match=r"m.h5: layer '.' waits for an output of '.' that never"):
        check_layer_graph(network(*layers), "m.h5")


def test_a_circle_inside_an_inner_network_is_found():
    inner = network(START, layer("p", [["p", 0, 0, {}]]), name="inner")
    inner["inbound_nodes"] = [[["x", 0, 0, {}]]]
    with pytest.raises(ModelError, match="waits for an output of 'p'"):
        check_layer_graph(network(START, inner, ends=[["inner", 1, 0]]), "m.h5")


@pytest.mark.parametrize(
    ("first", "call", "passes"),
    [
        (network(START, layer("d", [["x", 0, 0, {}]]), name="n"), 1, True),
        (network(START, layer("d", [["x", 0, 0, {}]]), name="n"), 0, False),
        (network(START, layer("d"), name="n", kind="Sequential"), 1, True),
        (network(layer("d"), name="n", kind="Sequential"), 0, True),
        (network(layer("d"), name="n", kind="Sequential"), 1, False),
        (network(layer("d", batch_input_shape=[None, 2]), name="n", kind="Sequential"), 1, True),
    ],
)
def test_calls_of_inner_networks_count_from_where_keras_2_counts_them(first, call, passes):
    del first["config"]["input_layers"], first["config"]["output_layers"]
    first["inbound_nodes"] = [[["x", 0, 0, {}]]]
    tree = network(START, first, layer("e", [["n", call, 0, {}]]))
    if passes:
        check_layer_graph(tree, "m.h5")
    else:
        with pytest.raises(ModelError, match="waits for an output of 'n'"):
            check_layer_graph(tree, "m.h5")


def test_what_does_not_exist_or_stands_twice_is_named():
    with pytest.raises(ModelError, match="takes the output of 'ghost', which does not exist"):
        check_layer_graph(network(START, layer("a", [["ghost", 0, 0, {}]])), "m.h5")
    with pytest.raises(ModelError, match="takes the output of 'ghost'"):
        check_layer_graph(network(START, ends=[["ghost", 0, 0]]), "m.h5")
    with pytest.raises(ModelError, match="two layers named 'x'"):
        check_layer_graph(network(START, START), "m.h5")


def test_shared_layers_and_any_order_are_fine():
    shared = layer("s", [["x", 0, 0, {}]], [["s", 0, 0, {}]])
    check_layer_graph(network(layer("e", [["s", 1, 0, {}]]), shared, START), "m.h5")


def test_networks_that_multiply_calls_are_refused():
    tree = network(START, layer("a", [["x", 0, 0, {}]]), name="n0")
    for level in range(1, 20):
        name = f"n{level - 1}"
        tree["inbound_nodes"] = [[["x", 0, 0, {}]], [[name, 1, 0, {}]], [[name, 2, 0, {}]]]
        tree = network(START, tree, name=f"n{level}", ends=[[name, 3, 0]])
    with pytest.raises(ModelError, match="takes more than 20,000 calls"):
        check_layer_graph(tree, "m.h5")


def test_a_hopeless_order_is_refused_rather_than_tried():
    chain = [layer(f"l{k}", [[f"l{k - 1}", 0, 0, {}]]) for k in range(1, 1500)]
    chain[0]["inbound_nodes"] = [[["x", 0, 0, {}]]]
    check_layer_graph(network(START, *chain), "m.h5")
    with pytest.raises(ModelError, match="an order that takes too long"):
        check_layer_graph(network(START, *chain[::-1]), "m.h5")
