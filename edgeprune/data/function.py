"""``package.module:function`` of the user's own, which returns ``tf.data.Dataset``s."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.errors import ModelError


def read_function(spec: str, shape: tuple[int, ...]) -> dict[str, Array]:
    """Calls the function and collects what it returns. This runs the user's own code.

    Args:
        spec: ``package.module:function``; the current folder is searched as well.
        shape: Of one input: it tells batched datasets from those that are not.

    Raises:
        ModelError: No such function, or it returns no pair or dictionary of datasets.
    """
    made = _function(spec)()
    if isinstance(made, dict):
        made = (made.get("train"), made.get("test"))
    if not isinstance(made, (tuple, list)) or len(made) != 2 or made[1] is None:
        raise ModelError(
            f"{spec}: expected (train, test) or {{'train': ..., 'test': ...}} of tf.data.Dataset"
        )
    arrays: dict[str, Array] = {}
    for part, dataset in zip(("train", "test"), made, strict=True):
        if dataset is not None:
            arrays.update(_collected(spec, dataset, part, shape))
    return arrays


def _function(spec: str) -> Callable[[], Any]:
    module, _, name = spec.partition(":")
    kept = list(sys.path)
    sys.path.insert(0, "")  # the user's own module lies where they stand
    try:
        function: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ModelError(f"{spec}: {error}") from error
    finally:
        sys.path[:] = kept
    if not callable(function):
        raise ModelError(f"{spec}: is no function")
    made: Callable[[], Any] = function
    return made


def _collected(
    spec: str, dataset: Iterable[Any], part: str, shape: tuple[int, ...]
) -> dict[str, Array]:
    """All elements of a dataset end to end."""
    xs, ys = [], []
    try:
        for element in dataset:
            x, y = element if isinstance(element, (tuple, list)) else (element, None)
            x = np.asarray(x)
            is_single = x.shape == shape or (*x.shape, 1) == shape
            xs.append(x[None] if is_single else x)
            if y is not None:
                ys.append(np.asarray(y)[None] if is_single else np.asarray(y))
        found = {f"x_{part}": np.concatenate(xs)}
        if ys:
            found[f"y_{part}"] = np.concatenate(ys)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{spec}: {part} gives no (input, label) pairs: {reason}") from error
    return found
