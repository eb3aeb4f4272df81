"""What reads what in a Keras model: sequential, functional, or nested ones of these."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any


class Flow:
    """The layers that read each layer's output; nothing is known of subclassed models' layers.

    Args:
        model: A built model of either Keras.
    """

    def __init__(self, model: Any) -> None:
        self._readers: dict[int, list[Any]] = defaultdict(list)
        self._calls: Counter[int] = Counter()
        self._outputs: set[int] = set()
        self._read(model, set())

    def readers(self, layer: Any) -> list[Any]:
        """The layers that read its output, one entry a use; empty for outputs of a model.

        A layer that is called several times, or not known, has none either.
        """
        is_plain = self._calls[id(layer)] == 1 and id(layer) not in self._outputs
        return self._readers[id(layer)] if is_plain else []

    def sole_reader(self, layer: Any) -> Any:
        """The layer that alone reads its output, and is itself called once; or None."""
        readers = self.readers(layer)
        return readers[0] if len(readers) == 1 and self._calls[id(readers[0])] == 1 else None

    def _read(self, model: Any, seen: set[int]) -> None:
        # Keras 3 keeps the graph of a sequential model in a functional one inside it.
        graph = getattr(model, "_functional", None) or model
        for nodes in getattr(graph, "_nodes_by_depth", {}).values():
            for node in nodes:
                self._calls[id(_layer(node))] += 1
                for parent in node.parent_nodes:
                    self._readers[id(_layer(parent))].append(_layer(node))
        for tensor in getattr(graph, "outputs", None) or ():
            self._outputs.add(id(tensor._keras_history[0]))
        for layer in model.layers:
            if hasattr(layer, "layers") and id(layer) not in seen:
                seen.add(id(layer))
                self._read(layer, seen)


def _layer(node: Any) -> Any:
    """The layer of a node; Keras 3 calls it an operation."""
    return node.operation if hasattr(node, "operation") else node.layer
