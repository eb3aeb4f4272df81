"""Builds the clusters of a placement: gates where maps change their layout, and walls."""

from __future__ import annotations

from edgeprune.artifacts.stored import RewriteNote
from edgeprune.models.tflite import edit, graph
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.gates import gate
from edgeprune.rewrite.gates.channel_groups import Groups
from edgeprune.rewrite.gates.placement import Placement


def apply(model: graph.Model, placement: Placement) -> list[RewriteNote]:
    """Puts gates and walls into the first subgraph.

    Args:
        model: Changed in place.
        placement: A placement for this very model.
    """
    subgraph = model.subgraphs[0]
    reader = Reader(model, subgraph)
    inside = placement.inside | _fused_pads(reader, placement.inside)
    notes = []
    for tensor, staying in placement.leaving:
        last = gate.leave(model, tensor)
        for op, operand in reader.consumers[tensor]:
            if id(_beyond_padding(reader, op)) in staying:
                edit.set_operand(op, operand, int(last.inputs[0]))
        inside.add(id(last))
        notes.append(_note(reader, tensor, "a cluster ends here, by a gate"))
    for tensor in placement.walled:
        gate.wall(model, tensor)
        notes.append(_note(reader, tensor, "a RESHAPE keeps the next operator out of the cluster"))
    for tensor in placement.entering:
        parts = gate.enter(model, tensor, is_walled=tensor in placement.exposed)
        Groups(reader, parts, tensor, inside).carry()
        count = f"{len(parts)} entry convolution" + "s" * (len(parts) > 1)
        notes.append(_note(reader, tensor, f"a cluster begins here, by a gate of {count}"))
    edit.sort(subgraph)
    edit.sweep(subgraph)
    return notes


def _fused_pads(reader: Reader, inside: set[int]) -> set[int]:
    """Paddings in front of the operators of a cluster; XNNPACK takes the two as one."""
    pads = set()
    for op in reader.subgraph.operators:
        if id(op) in inside and op.inputs is not None and len(op.inputs):
            maker = reader.producers.get(int(op.inputs[0]))
            if maker is not None and graph.op_name(reader.model, maker) == "PAD":
                pads.add(id(maker))
    return pads


def _beyond_padding(reader: Reader, op: graph.Operator) -> graph.Operator:
    """The convolution that a fused padding belongs to; any other operator itself."""
    following = reader.consumers[int(op.outputs[0])]
    is_pad = graph.op_name(reader.model, op) == "PAD" and len(following) == 1
    return following[0][0] if is_pad else op


def _note(reader: Reader, tensor: int, detail: str) -> RewriteNote:
    return RewriteNote("gate", reader.name(tensor), True, detail)
