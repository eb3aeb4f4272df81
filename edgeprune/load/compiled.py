"""What a Keras model was compiled with: names of losses and metrics, as text.

Nothing is made of them: what is not a word that edgeprune knows is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edgeprune.artifacts.model import Compiled
from edgeprune.tasks import LOSSES, TASK_METRICS, plain_loss, plain_metric

_LOSSES = {word for words in LOSSES.values() for word in words}
_METRICS = {word for words in TASK_METRICS.values() for word in words}
_MOST = 100
"""Heads and metrics that are looked at."""


def compiled_with(config: Any) -> Compiled:
    """Losses and metrics by head, from a description that is not trusted.

    Args:
        config: ``compile_config`` of a ``.keras`` file, or ``training_config`` of an HDF5 file.
    """
    if not isinstance(config, Mapping):
        return Compiled()
    losses = {
        head: plain_loss(name)
        for head, given in _by_head(config.get("loss"))
        if (name := _name(given)) and plain_loss(name) in _LOSSES
    }
    metrics: dict[str, tuple[str, ...]] = {}
    for head, given in _by_head(config.get("metrics")):
        names = [_name(one) for one in (given if isinstance(given, list) else [given])[:_MOST]]
        known = tuple(name for name in names if plain_metric(name) in _METRICS)
        if known:
            metrics[head] = known
    return Compiled(losses, metrics)


def _by_head(given: Any) -> list[tuple[str, Any]]:
    """What was given for each head, by name; for all of them under an empty name."""
    if isinstance(given, Mapping) and "class_name" not in given:
        return [(str(head)[:200], one) for head, one in list(given.items())[:_MOST]]
    if isinstance(given, list) and given and all(isinstance(one, list) for one in given):
        # Keras 2 keeps metrics of several heads in lists without names: those say nothing.
        given = given[0] if len(given) == 1 else None
    return [] if given is None else [("", given)]


def _name(given: Any) -> str:
    """The name of a loss or metric, as functions have it; empty where there is none.

    >>> _name({"class_name": "MeanAbsoluteError", "config": {}}), _name("mse"), _name(3)
    ('mean_absolute_error', 'mse', '')
    """
    if isinstance(given, Mapping):
        inner = given.get("config")
        is_function = given.get("class_name") == "function" or isinstance(inner, str)
        wrapped = inner.get("fn") if isinstance(inner, Mapping) else None
        given = inner if is_function else wrapped or given.get("class_name")
    if not isinstance(given, str) or not re.fullmatch(r"(?:\w+[.>])*\w{1,60}", given, re.ASCII):
        return ""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.split(r"[.>]", given)[-1]).lower()
