"""Checks how the layers of a description hang together, before a framework builds them.

Keras 2 builds a network by calling each layer once all that it waits for is there. A layer that
waits for itself keeps it waiting for ever, and networks that hold networks multiply the calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from edgeprune.errors import ModelError

MAX_CALLS = 20_000
"""Most objects and calls of layers that building a network may take, those inside inner networks
included: the largest networks of keras.applications come to 6,000."""

_NETWORKS = ("Functional", "Model", "Sequential")
_CONSTANT = "_CONSTANT_VALUE"


MAX_ATTEMPTS = 200_000
"""Most attempts at calls in one network: more only where layers stand in a hopeless order."""


@dataclass(frozen=True)
class _Reference:
    """An input of a call: what the call number ``call`` of ``layer`` returned.

    Keras 3 counts the making of an inner network as its first call in some places, not in others;
    its loader finds out, and ends where it does not, so ``is_loose`` leaves one call of play.
    """

    layer: str
    call: int
    is_loose: bool = False


def check_layer_graph(tree: Any, where: str) -> None:
    """Checks every network in a description.

    Args:
        tree: A description that ``check_description`` let pass.
        where: The file, for messages.

    Raises:
        ModelError: Layers wait for each other or for one that does not exist, a name stands
            twice, or building would take more than 20,000 calls.
    """
    calls = _calls(tree, where)
    if calls > MAX_CALLS:
        raise ModelError(
            f"{where}: building the network takes more than {MAX_CALLS:,} calls of layers"
        )
    for kind, network in _networks(tree):
        _check_network(kind, network, where)


def _networks(tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Class and configuration of all networks whose layers name their inputs."""
    if isinstance(tree, dict):
        config = tree.get("config")
        if tree.get("class_name") in _NETWORKS and isinstance(config, dict):
            ends = "input_layers" in config or "output_layers" in config
            if ends or tree["class_name"] != "Sequential":
                yield tree["class_name"], config
        for value in tree.values():
            yield from _networks(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _networks(value)


def _check_network(kind: str, network: Mapping[str, Any], where: str) -> None:
    layers = network.get("layers")
    name = str(network.get("name"))[:60]
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise ModelError(f"{where}: network {name!r} has no list of layers")
    waiting: dict[str, list[list[_Reference]]] = {}
    first: dict[str, int] = {}
    for layer in layers:
        label = _name(layer)
        if label in waiting:
            raise ModelError(f"{where}: network {name!r} has two layers named {label[:60]!r}")
        waiting[label] = [list(_references(node, where)) for node in _nodes(layer, where)]
        if layer.get("class_name") != "InputLayer" and not all(waiting[label]):
            raise ModelError(
                f"{where}: layer {label[:60]!r} is called on no output of another layer: damaged, "
                "for Keras saves no such network"
            )
        first[label] = _first_call(layer)
    _check_references(waiting, network, where)
    inputs = {_name(layer) for layer in layers if layer.get("class_name") == "InputLayer"}
    _check_order(waiting, first, inputs, where)
    if kind != "Sequential" and not inputs:
        raise ModelError(f"{where}: network {name!r} has no inputs")


def _name(layer: Mapping[str, Any]) -> str:
    config = layer.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(layer.get("name") or inner)


def _nodes(layer: Mapping[str, Any], where: str) -> Sequence[Any]:
    nodes = layer.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise ModelError(f"{where}: layer {_name(layer)[:60]!r} has inbound_nodes that are no list")
    return nodes


def _references(node: Any, where: str) -> Iterator[_Reference]:
    """Outputs of other calls in the description of a call, in whatever lists they lie.

    Each Keras looks for its own form of them; either may be given a file with both.

    Raises:
        ModelError: The number of a call is no whole number.
    """
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        config = node.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if not _is_history(history) or type(history[1]) is not int:
            raise ModelError(f"{where}: an input of a layer says not where it is from")
        yield _Reference(history[0], history[1], is_loose=True)
    elif isinstance(node, dict):
        for value in node.values():
            yield from _references(value, where)
    elif _is_history(node):
        if node[0] != _CONSTANT:
            if type(node[1]) is not int:
                raise ModelError(f"{where}: a call of layer {node[0][:60]!r} has no number")
            yield _Reference(node[0], node[1])
        yield from _references(node[3:], where)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value, where)


def _is_history(node: Any) -> TypeGuard[list[Any]]:
    """As ``["dense", 0, 0]`` or ``["dense", 0, 0, {}]``."""
    return isinstance(node, list) and len(node) in (3, 4) and isinstance(node[0], str)


def _first_call(layer: Mapping[str, Any]) -> int:
    """Number of a layer's first call: networks that have inputs count their making as 0."""
    config = layer.get("config")
    name = layer.get("class_name")
    if name not in _NETWORKS:
        return 0
    if name != "Sequential":
        return 1
    shape = config.get("build_input_shape") if isinstance(config, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else config
    head = layers[0] if isinstance(layers, list) and layers else None
    if shape is not None or not isinstance(head, dict):
        return int(shape is not None)
    inner = head.get("config")
    has_shape = isinstance(inner, dict) and (
        inner.get("batch_input_shape") is not None or inner.get("batch_shape") is not None
    )
    return 1 if has_shape or head.get("class_name") == "InputLayer" else _first_call(head)


def _check_references(
    waiting: Mapping[str, list[list[_Reference]]], network: Mapping[str, Any], where: str
) -> None:
    ends = [*_references([network.get("input_layers"), network.get("output_layers")], where)]
    inner = [one for nodes in waiting.values() for node in nodes for one in node]
    for reference in (*inner, *ends):
        if reference.layer not in waiting:
            raise ModelError(
                f"{where}: a layer takes the output of {reference.layer[:60]!r}, which does not "
                "exist"
            )


def _check_order(
    waiting: Mapping[str, list[list[_Reference]]],
    first: Mapping[str, int],
    inputs: set[str],
    where: str,
) -> None:
    """Makes the calls in the order of the loader, round after round, until nothing moves."""
    calls_made = dict.fromkeys(waiting, 0)

    def is_there(reference: _Reference) -> bool:
        label = reference.layer
        start = 0 if reference.is_loose else first[label]
        ahead = calls_made[label] + (first[label] if reference.is_loose else 0)
        return label in inputs or 0 <= reference.call - start < ahead

    rest = {label: list(nodes) for label, nodes in waiting.items() if nodes}
    attempts, moved = 0, True
    while rest and moved and attempts <= MAX_ATTEMPTS:
        moved = False
        for label, nodes in list(rest.items()):
            attempts += 1
            while nodes and all(is_there(reference) for reference in nodes[0]):
                nodes.pop(0)
                calls_made[label] += 1
                attempts += 1
                moved = True
            if not nodes:
                del rest[label]
    if not rest:
        return
    if attempts > MAX_ATTEMPTS:
        raise ModelError(f"{where}: its layers stand in an order that takes too long to build")
    label, nodes = next(iter(rest.items()))
    waits = next(reference for reference in nodes[0] if not is_there(reference))
    raise ModelError(
        f"{where}: layer {label[:60]!r} waits for an output of {waits.layer[:60]!r} that never "
        "comes: the layers wait in a circle"
    )


def _calls(tree: Any, where: str) -> int:
    """Calls of layers that building an object takes.

    Raises:
        ModelError: More than ``MAX_CALLS`` already in a part.
    """
    if isinstance(tree, list):
        return sum(_calls(value, where) for value in tree)
    if not isinstance(tree, dict):
        return 0
    config = tree.get("config")
    inner = sum(_calls(value, where) for key, value in tree.items() if key != "inbound_nodes")
    if "class_name" not in tree:
        return inner
    nodes = tree.get("inbound_nodes")
    turns = len(nodes) if isinstance(nodes, list) else 0
    is_network = tree.get("class_name") in _NETWORKS and isinstance(config, dict)
    # A network is built once and then goes through all its layers again at each call.
    calls = inner * (1 + turns) + turns + 1 if is_network else inner + turns + 1
    if calls > MAX_CALLS:
        raise ModelError(
            f"{where}: building the network takes more than {MAX_CALLS:,} calls of layers"
        )
    return calls
