"""Recurrent layers: a unit goes out of every gate, and out of the state that is fed back."""

from __future__ import annotations

import numpy as np

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.activations import is_elementwise
from edgeprune.channels.rules.base import LayerCall, rule

_GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


@rule("SimpleRNN", "GRU", "LSTM")
def recurrent(call: LayerCall) -> list[Ids]:
    """Kernels ``(in_channels, gates * units)`` and ``(units, gates * units)``, gate after gate."""
    cell, layer = call.layer.cell, call.layer
    steps = call.node.input_shapes[0][1]
    call.work("cell.kernel", steps)
    call.work("cell.recurrent_kernel", steps)
    if len(call.inputs) > 1 or len(call.node.output_shapes) > 1 or layer.return_state:
        return call.fixed_outputs("is given or returns its state")
    used = (cell.activation, getattr(cell, "recurrent_activation", None))
    if not all(map(is_elementwise, used)):
        return call.fixed_outputs("has an activation that may mix channels")
    outputs = call.new(layer.units)
    gates = np.tile(outputs, _GATES[call.kind])
    call.bind("cell.kernel", 0, call.inputs[0], "input")
    call.bind("cell.kernel", 1, gates, "output", width=1)
    call.bind("cell.recurrent_kernel", 0, outputs, "input")
    call.bind("cell.recurrent_kernel", 1, gates, "output", width=1)
    call.bind("cell.bias", -1, gates, "other")
    call.resize("units", outputs)
    return [outputs]
