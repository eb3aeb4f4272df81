"""Reads an agent's answer key by key: each of exactly its type, in its range, and no other.

A device may be broken, hacked or another program altogether; what it says is believed only where it
can be true. JSON's own kinds are kept apart: true is no number, "12" is none, and 1.0 is no count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeprune.errors import DeviceError
from edgeprune.text.untrusted import one_line

MAX_TEXT = 1024
"""Characters of any text in an answer, longer ones are refused. Source: ours; the longest names of
tensors that we have met have some 300."""

_MISSING = object()


class Answer:
    """One JSON object of an answer, from which keys are taken."""

    def __init__(self, asked: str, fields: Mapping[str, Any], path: str = "") -> None:
        """Takes nothing yet.

        Args:
            asked: The device's name and what it was asked, for messages.
            fields: The object as JSON has it.
            path: Where the object stands in the answer; empty for the answer itself.
        """
        self.asked = asked
        self._left = dict(fields)
        self._path = path

    def fault(self, key: str, value: object, expected: str) -> DeviceError:
        """The error for one key: what it holds, and what it should."""
        shown = "nothing" if value is _MISSING else one_line(repr(value), 100)
        name = one_line(f"{self._path}{key}", 60)
        return DeviceError(
            f"{self.asked}: the device's answer is wrong: {name} is {shown}, expected {expected}"
        )

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._taken(key)
        if not _is_integer(value, low, high):
            raise self.fault(key, value, _in_words(low, high))
        return int(value)

    def integer_or_none(self, key: str, low: int, high: int) -> int | None:
        """The same, or None where the answer says null."""
        if self._left.get(key, _MISSING) is None:
            del self._left[key]
            return None
        return self.integer(key, low, high)

    def integers(self, key: str, sizes: tuple[int, int], low: int, high: int) -> tuple[int, ...]:
        """A list of ``sizes[0]`` to ``sizes[1]`` whole numbers from ``low`` to ``high``."""
        values = self._list(key, sizes, "whole numbers")
        wrong = next((k for k, v in enumerate(values) if not _is_integer(v, low, high)), None)
        if wrong is not None:
            raise self.fault(f"{key}[{wrong}]", values[wrong], _in_words(low, high))
        return tuple(values)

    def flag(self, key: str, default: bool) -> bool:
        """True or false; ``default`` where the answer lacks the key."""
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise self.fault(key, value, "true or false")
        return value

    def text(self, key: str, max_characters: int = MAX_TEXT) -> str:
        """A text, as it was sent."""
        value = self._taken(key)
        if not isinstance(value, str) or len(value) > max_characters:
            raise self.fault(key, value, f"a text of at most {max_characters:,} characters")
        return value

    def texts(self, key: str, max_items: int, max_characters: int = MAX_TEXT) -> tuple[str, ...]:
        """A list of at most ``max_items`` texts, as they were sent."""
        values = self._list(key, (0, max_items), "texts")
        for k, value in enumerate(values):
            if not isinstance(value, str) or len(value) > max_characters:
                expected = f"a text of at most {max_characters:,} characters"
                raise self.fault(f"{key}[{k}]", value, expected)
        return tuple(values)

    def objects(self, key: str, max_items: int) -> list[Answer]:
        """A list of at most ``max_items`` objects, each to be read in the same way."""
        values = self._list(key, (0, max_items), "objects")
        for k, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.fault(f"{key}[{k}]", value, "an object")
        return [
            Answer(self.asked, value, f"{self._path}{key}[{k}].") for k, value in enumerate(values)
        ]

    def lists(self, key: str, sizes: tuple[int, int], max_items: int) -> list[list[Any]]:
        """A list of ``sizes[0]`` to ``sizes[1]`` lists of at most ``max_items`` items each."""
        values = self._list(key, sizes, "lists")
        for k, value in enumerate(values):
            if not isinstance(value, list):
                raise self.fault(f"{key}[{k}]", value, "a list")
            if len(value) > max_items:
                raise self.fault(
                    f"{key}[{k}]",
                    Shown(f"a list of {len(value):,} items"),
                    f"at most {max_items:,} items",
                )
        return values

    def end(self) -> None:
        """Refuses keys that nobody asked for."""
        for key, value in self._left.items():
            raise self.fault(key, value, "no such key")

    def _taken(self, key: str) -> Any:
        return self._left.pop(key, _MISSING)

    def _list(self, key: str, sizes: tuple[int, int], of_what: str) -> list[Any]:
        value = self._taken(key)
        low, high = sizes
        if not isinstance(value, list):
            raise self.fault(key, value, f"a list of {of_what}")
        if not low <= len(value) <= high:
            expected = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            raise self.fault(
                key, Shown(f"a list of {len(value):,} items"), f"{expected} of them, as was asked"
            )
        return value


class Shown:
    """What stands in a message in the place of a value that is too long for it."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __repr__(self) -> str:
        return self._words


def _in_words(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"a whole number from {low:,} to {high:,}"


def _is_integer(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
