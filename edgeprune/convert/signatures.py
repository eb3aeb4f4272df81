"""The signature by which the runtime calls a file's first subgraph.

LiteRT's native interface calls a model by its first signature, and makes one up from the tensors'
names where a file has none. It ends the process where two of these are the same, and refuses a
signature that leaves a tensor out. The host's interpreter takes subgraph 0, whatever they say.
"""

from __future__ import annotations

from typing import Any

from edgeprune.models.tflite import graph


def with_main_signature(tflite: bytes) -> bytes:
    """A model whose first signature is subgraph 0's, and names each of its tensors once.

    Returns:
        The file; ``tflite`` itself where it is so already, or needs no signature.

    Raises:
        ModelError: The file is damaged.
    """
    model = graph.read(tflite)
    signatures = list(model.signatureDefs or ())
    good = [one for one in signatures if _is_whole(model, one)]
    if good and good[0] is signatures[0]:
        return tflite
    if good:
        model.signatureDefs = [good[0], *(one for one in signatures if one is not good[0])]
        return graph.write(model)
    tensors = model.subgraphs[0].tensors
    inputs, outputs = graph.io_tensors(model)
    names = [[graph.tensor_name(tensors[i]) for i in indices] for indices in (inputs, outputs)]
    if not signatures and all(all(each) and len({*each}) == len(each) for each in names):
        return tflite
    graph.add_signature(
        model,
        [f"input_{k}" for k in range(len(inputs))],
        [f"output_{k}" for k in range(len(outputs))],
    )
    return graph.write(model)


def _is_whole(model: graph.Model, signature: Any) -> bool:
    """Whether a signature names every input and output of subgraph 0, each by a name of its own."""
    subgraph = model.subgraphs[0]
    if signature.subgraphIndex != 0:
        return False
    for entries, indices in (
        (signature.inputs or (), subgraph.inputs),
        (signature.outputs or (), subgraph.outputs),
    ):
        named = {entry.name: int(entry.tensorIndex) for entry in entries}
        if len(named) != len(indices) or {*named.values()} != {int(i) for i in indices}:
            return False
    return True
