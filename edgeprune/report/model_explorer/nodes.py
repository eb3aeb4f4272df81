"""The nodes of a graph as Model Explorer finds them: by the names of what they write."""

from __future__ import annotations

from collections import Counter
from functools import cached_property

import numpy as np

from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.reader import Reader


class Nodes:
    """Operators of a model's first subgraph that run at each inference, by their output's name.

    An operator whose output has no name, or one that another tensor has as well, is left out.
    """

    def __init__(self, model: graph.Model) -> None:
        """``model``: looked at only."""
        self._reader = Reader(model, model.subgraphs[0])
        subgraph = self._reader.subgraph
        names = Counter(graph.tensor_name(tensor) for tensor in subgraph.tensors)
        self._operators: dict[str, graph.Operator] = {}
        self.nameless = 0
        for op in subgraph.operators:
            output = next((int(out) for out in op.outputs), -1)
            if self._reader.is_static(output):  # done once, when the model is compiled
                continue
            name = self._reader.name(output) if output >= 0 else ""
            if name and names[name] == 1:
                self._operators[name] = op
            else:
                self.nameless += 1

    @property
    def model(self) -> graph.Model:
        """The model."""
        return self._reader.model

    @property
    def graph_id(self) -> str:
        """The viewer's key of the first subgraph.

        Source: model-explorer, ``direct_flatbuffer_to_json_graph_convert.cc``, GetSubgraphName.
        """
        subgraph, model = self._reader.subgraph, self._reader.model
        if subgraph.name:
            return bytes(subgraph.name).decode("utf-8", "replace")
        for signature in model.signatureDefs or ():
            if signature.subgraphIndex == 0:
                key = bytes(signature.signatureKey or b"").decode("utf-8", "replace")
                return key or "main"
        return "main"

    @property
    def kinds(self) -> dict[str, str]:
        """Each node's TFLite operator, as ``CONV_2D``."""
        return {name: graph.op_name(self._reader.model, op) for name, op in self._operators.items()}

    @cached_property
    def sparsity(self) -> dict[str, float]:
        """Share of zeros in the weights of each node that has constant ones."""
        found = {}
        for name, op in self._operators.items():
            operand = graph.FILTER_OPERANDS.get(graph.op_name(self._reader.model, op))
            if operand is None or not self._reader.is_static(int(op.inputs[operand])):
                continue
            tensor, _ = self._reader.static_root(int(op.inputs[operand]))
            size = int(np.prod(graph.shape_of(tensor), dtype=np.int64))
            nonzero = np.count_nonzero(graph.stored_values(self._reader.model, tensor))
            if size:
                found[name] = 1 - int(nonzero) / size
        return found
