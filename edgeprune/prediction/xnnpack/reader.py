"""Looking things up in a subgraph."""

from __future__ import annotations

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import graph
from edgeprune.prediction.xnnpack.releases import LATEST, Release
from edgeprune.prediction.xnnpack.releases import release as find_release

STATIC = ("DENSIFY", "DEQUANTIZE")
"""Operators that, on constants, are done when the model is compiled."""


class Reader:
    """Looks things up in one subgraph.

    Args:
        model: The model.
        subgraph: One of its subgraphs.
        release: The runtime's release, of :mod:`releases`.
    """

    def __init__(self, model: graph.Model, subgraph: graph.Subgraph, release: str = LATEST) -> None:
        self.model = model
        self.release: Release = find_release(release)
        self.subgraph = subgraph
        self.producers = graph.producers(subgraph)
        self.consumers = graph.consumers(subgraph)

    def of_part(self, index: int) -> Reader:
        """A reader of another subgraph of the model."""
        part = Reader(self.model, self.model.subgraphs[index])
        part.release = self.release
        return part

    def is_static(self, tensor: int) -> bool:
        """Whether a tensor is known before the first inference."""
        if tensor < 0:
            return False
        producer = self.producers.get(tensor)
        if producer is not None:
            return (
                graph.op_name(self.model, producer) in STATIC
                and len(producer.inputs) == 1
                and self.is_static(int(producer.inputs[0]))
            )
        found = self.subgraph.tensors[tensor]
        data = self.model.buffers[found.buffer].data
        return found.sparsity is not None or (data is not None and len(data) > 0)

    def static_root(self, tensor: int) -> tuple[graph.Tensor, bool]:
        """The constant behind a static tensor, and whether a DENSIFY lies between.

        A tensor that is not static is its own root.
        """
        is_sparse = False
        while self.is_static(tensor) and (producer := self.producers.get(tensor)) is not None:
            is_sparse |= graph.op_name(self.model, producer) == "DENSIFY"
            tensor = int(producer.inputs[0])
        return self.subgraph.tensors[tensor], is_sparse

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of a tensor."""
        return graph.shape_of(self.subgraph.tensors[tensor])

    def values(self, tensor: int) -> Array | None:
        """Data of a constant that is stored dense."""
        return graph.constant(self.model, self.subgraph.tensors[tensor])

    def name(self, tensor: int) -> str:
        """Name of a tensor."""
        return graph.tensor_name(self.subgraph.tensors[tensor])
