"""The dense model that a pruned one must agree with."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from edgeprune.channels.graph_view import is_model
from edgeprune.channels.rebuild import rebuild
from edgeprune.channels.removal import ChannelRemoval
from edgeprune.errors import ModelError


def masked_dense(model: Any, pruned: ChannelRemoval) -> Any:
    """A copy of the dense model in which no weight reads a channel that was removed.

    Args:
        model: The model that was pruned; not changed.
        pruned: What came of it.

    Returns:
        A model of the dense one's shapes: weights along removed inputs of a kernel are zero.

    Raises:
        ModelError: ``model`` is not the one that was pruned.
    """
    masked = rebuild(model, {}, {})
    for one in pruned.removed:
        if one.role != "input":
            continue
        variable = attrgetter(one.weight)(_layer(masked, one.layer))
        values = np.array(variable.numpy())
        if values.shape[one.axis] != one.size:
            raise ModelError(
                f"{one.layer}: {one.weight} has {values.shape[one.axis]} entries along axis "
                f"{one.axis}, the pruned model was made from one with {one.size}"
            )
        np.moveaxis(values, one.axis, 0)[one.positions] = 0
        variable.assign(values)
    return masked


def _layer(model: Any, path: str) -> Any:
    """The layer of that path; names may hold slashes themselves."""
    for layer in getattr(model, "operations", None) or model.layers:
        if layer.name == path:
            return layer
        if is_model(layer) and path.startswith(f"{layer.name}/"):
            try:
                return _layer(layer, path.removeprefix(f"{layer.name}/"))
            except ModelError:
                continue
    raise ModelError(f"the model has no layer {path!r}: it is not the one that was pruned")
