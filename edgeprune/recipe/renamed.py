"""Words of a recipe that have another name today: who writes the old one is told the new one."""

from __future__ import annotations

_WORDS = {("layers", "paying"): "accelerated", ("criterion", "l1"): "magnitude"}
"""Key and its old value, and the value that means the same today."""

_TRAINING = ("epochs", "batch_size", "learning_rate", "distillation", "temperature")

RENAMED_KEYS = {f"quantize.qat_{key}": f"qat.{key}" for key in _TRAINING}
"""Dotted key of a table, and the one that means the same today."""


def renamed_word(key: str, value: object) -> str:
    """What is wrong with a value that has another name today; empty for any other.

    >>> renamed_word("layers", "paying")
    "'paying' is called 'accelerated' now"
    """
    new = _WORDS.get((key, value)) if isinstance(value, str) else None
    return f"{value!r} is called {new!r} now" if new else ""
