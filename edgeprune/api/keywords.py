"""Keyword arguments that are typed in one place and seen by ``help()`` and by editors."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

Function = TypeVar("Function", bound=Callable[..., Any])


def with_options(
    options: type, *texts: type, defaults: Mapping[str, Any] | None = None
) -> Callable[[Function], Function]:
    """Writes out ``**options`` of a function in its signature and its documentation.

    Editors read the keys from ``Unpack[options]``; ``help()`` reads what is written here.

    Args:
        options: A TypedDict of the keys.
        texts: Classes whose section ``Attributes`` says what each key means, the first that has
            it; dataclasses among them give the defaults as well.
        defaults: Of other keys; None where nothing is said.
    """
    known = dict(defaults or {})
    meanings: dict[str, str] = {}
    for text in (options, *texts):
        meanings = _attributes(text.__doc__ or "") | meanings
        if dataclasses.is_dataclass(text):
            known = _defaults(text) | known

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [
            p.replace(annotation=_spelt(p.annotation))
            for p in signature.parameters.values()
            if p.kind is not p.VAR_KEYWORD
        ]
        keys = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, default=known.get(key), annotation=_spelt(hint)
            )
            for key, hint in _annotations(options).items()
        ]
        wanted: Any = function
        wanted.__signature__ = signature.replace(
            parameters=[*own, *keys], return_annotation=_spelt(signature.return_annotation)
        )
        wanted.__doc__ = _documented(function.__doc__ or "", options, meanings)
        return function

    return decorate


def _annotations(options: type) -> dict[str, Any]:
    """Of a TypedDict and of those that it is made of."""
    return {key: options.__annotations__[key] for key in get_type_hints(options)}


class _Spelt(str):
    """An annotation as it is written in the source, which ``help()`` shows without quotes."""

    def __repr__(self) -> str:
        return str(self)


def _spelt(hint: Any) -> Any:
    text = getattr(hint, "__forward_arg__", hint)
    return _Spelt(text) if isinstance(text, str) else text


def _defaults(table: Any) -> dict[str, Any]:
    return {
        field.name: field.default
        for field in dataclasses.fields(table)
        if field.default is not dataclasses.MISSING
    }


def _attributes(text: str) -> dict[str, str]:
    """What the section ``Attributes`` of a docstring says of each name."""
    section = re.search(r"^Attributes:\n((?:    .*\n|\n)*)", inspect.cleandoc(text) + "\n", re.M)
    meanings: dict[str, str] = {}
    name = ""
    for line in textwrap.dedent(section[1]).splitlines() if section else ():
        if head := re.match(r"(\w+): (.*)", line):
            name = head[1]
            meanings[name] = head[2]
        elif name and line.strip():
            meanings[name] += " " + line.strip()
    return meanings


def _documented(text: str, options: type, meanings: Mapping[str, str]) -> str:
    """The docstring with a line a key behind it."""
    lines = [inspect.cleandoc(text).rstrip(), "", "Options:"]
    for key in get_type_hints(options):
        meaning = re.sub(r":\w+:`~?([^`]*)`", r"``\1``", meanings.get(key, ""))
        lines.append(
            textwrap.fill(
                f"{key}: {meaning}".rstrip(": "),
                96,
                initial_indent="    ",
                subsequent_indent="        ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return "\n".join(lines) + "\n"
