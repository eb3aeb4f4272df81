"""The public Python functions, from their signatures and docstrings."""

from __future__ import annotations

import inspect

import docstrings

import edgeprune

_NAMES_FIRST = ("Args", "Options", "Raises", "Attributes")


def page() -> str:
    """Every public name but the version."""
    names = [name for name in edgeprune.__all__ if not name.startswith("__")]
    return "".join(_entry(name) for name in names)


def _entry(name: str) -> str:
    thing = getattr(edgeprune, name)
    if not callable(thing):
        return f"\n## edgeprune.{name}\n"
    signature = str(inspect.signature(thing))
    if len(signature) > 70:  # one argument a line
        signature = _broken(signature)
    parts = docstrings.sections(thing)
    text = f"\n## edgeprune.{name}\n\n```python\nedgeprune.{name}{signature}\n```\n"
    text += f"\n{docstrings.markdown(parts.pop(''))}\n"
    for title, section in parts.items():
        told = docstrings.entries(section) if title in _NAMES_FIRST else {}
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
