"""The public Python functions, from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re

import docstrings

import edgeprune

LISTS = ("Args", "Options", "Raises", "Attributes")
"""Sections of a docstring that say something of one name after the other."""


def page() -> str:
    """Every public name but the version: functions first, then what they return."""
    names = [name for name in edgeprune.__all__ if not name.startswith("__")]
    names.sort(key=lambda name: (isinstance(getattr(edgeprune, name), type), name))
    return "".join(_entry(name) for name in names)


def _entry(name: str) -> str:
    thing = getattr(edgeprune, name)
    if not callable(thing):
        return f"\n## edgeprune.{name}\n"
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    if isinstance(thing, type):
        signature = signature.removesuffix(" -> None")
    if len(signature) > 70:  # one argument a line
        signature = _broken(signature)
    parts = docstrings.sections(thing)
    text = f"\n## edgeprune.{name}\n\n```python\nedgeprune.{name}{signature}\n```\n"
    text += f"\n{docstrings.markdown(parts.pop(''))}\n"
    for title, section in parts.items():
        told = docstrings.entries(section) if title in LISTS else {}
        told = {
            key: docstrings.named_values(words, thing.__module__) for key, words in told.items()
        }
        rows = "".join(f"- `{key}`: {words}\n" for key, words in told.items())
        text += f"\n**{title}**\n\n{rows or docstrings.markdown(section)}\n"
    return text


def _broken(signature: str) -> str:
    """A signature with an argument on each line."""
    depth, parts, current = 0, [], ""
    inside, _, rest = signature[1:].rpartition(")")
    for letter in inside:
        depth += letter in "([{"
        depth -= letter in ")]}"
        if letter == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += letter
    return "(\n" + "".join(f"    {part},\n" for part in [*parts, current.strip()]) + ")" + rest
