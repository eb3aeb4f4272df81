"""A request's JSON, as narrow as PROTOCOL.md has it."""

from __future__ import annotations

import json
from typing import Any

from edgeprune_agent.refusal import Refusal

_KEYS_LIMIT = 16
_ITEMS_LIMIT = 1024  # of all lists together
_INTEGER_LIMIT = 1 << 59
_DIGITS_LIMIT = 18  # of any integer below 2^59


def parse(text: bytes) -> dict[str, Any]:
    """A flat object of integers, booleans, strings and lists of integers.

    Raises:
        Refusal: It is anything else.
    """
    try:
        found = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_integer,
            parse_constant=_no_integer,
        )
    except UnicodeDecodeError as error:
        raise Refusal("a string holds bytes that are not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(f"the request is not a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise Refusal("the request is not a JSON object")
    items = 0
    for key, value in found.items():
        items += len(value) if isinstance(value, list) else 0
        _check(key, value)
    if items > _ITEMS_LIMIT:
        raise Refusal("lists have too many items")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _KEYS_LIMIT:
        raise Refusal("the object has too many keys")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refusal("a key appears twice")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _DIGITS_LIMIT or abs(int(digits)) >= _INTEGER_LIMIT:
        raise Refusal("a number is too large")
    return int(digits)


def _no_integer(digits: str) -> int:
    raise Refusal(f"a number is not an integer: {digits[:20]}")


def _check(key: str, value: Any) -> None:
    for text in (key, value):
        if isinstance(text, str) and ("\0" in text or not _is_unicode(text)):
            raise Refusal("a string holds a bad escape")
    is_list = isinstance(value, list) and all(type(item) is int for item in value)
    if not (isinstance(value, (bool, int, str)) or is_list):
        raise Refusal("a value is neither an integer, a boolean, a string nor a list of integers")


def _is_unicode(text: str) -> bool:
    """Whether a string holds no lone half of a surrogate pair, which JSON's escapes may."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
