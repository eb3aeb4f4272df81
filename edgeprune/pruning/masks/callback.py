"""Prunes a model while its own ``fit`` trains it."""

from __future__ import annotations

from typing import Any

from edgeprune.artifacts.model import Flavour
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pruning.masks.ramp import cubic_sparsity, ramp_steps, update_steps
from edgeprune.training.schedule import GrowingMasks


class _Growth:
    """What the callback does; Keras calls it.

    Attributes:
        params: Settings of the training, as Keras gives them.
    """

    params: dict[str, Any]

    def __init__(self, masks: GrowingMasks) -> None:
        super().__init__()
        self._masks = masks
        self._step = 0
        self._total = 0
        self._updates: set[int] = set()

    def on_train_begin(self, logs: Any = None) -> None:
        """Attaches the masks."""
        steps = self.params.get("steps")
        if not steps:
            raise ModelError("the number of steps an epoch is not known: give fit steps_per_epoch")
        self._step = 0
        self._total = int(steps) * int(self.params["epochs"])
        self._updates = set(update_steps(self._total))
        self._masks.__enter__()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes the masks anew where that is due."""
        if self._step in self._updates:
            self._masks.update(cubic_sparsity(self._step, ramp_steps(self._total), 1.0))
        self._step += 1

    def on_train_end(self, logs: Any = None) -> None:
        """Detaches the masks; their zeros stay."""
        self._masks.__exit__(None, None, None)


def callback(masks: GrowingMasks, flavour: Flavour) -> Any:
    """A Keras callback that grows masks to their final sparsity during one ``fit``.

    They grow over the first half of the training, most of it early (:func:`cubic_sparsity`), and
    stay as they are for the rest of it.

    Args:
        masks: Masks of the model that is trained; not held yet.
        flavour: Which Keras the model belongs to.

    Returns:
        A ``keras.callbacks.Callback``. ``fit`` must know how many steps an epoch has; ModelError is
        raised there otherwise.
    """
    base = import_keras(flavour).callbacks.Callback
    return type("PruneWhileTraining", (_Growth, base), {})(masks)
