"""Results in a notebook: small tables that need no network, with every word escaped."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

_COLOURS = {"good": "#2e7d32", "mixed": "#b26a00", "warning": "#b26a00", "bad": "#c62828"}
_CELL = Markup(' style="text-align:{}; padding:2px 8px"')


def heading(text: str, mood: str = "") -> Markup:
    """The sentence to read first, in its colour."""
    colour = _COLOURS.get(mood, "inherit")
    return Markup('<p style="font-weight:bold; color:{}">{}</p>').format(colour, text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table whose first column says what each row is."""
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    return Markup("<table>{}</table>").format(Markup("").join(lines))


def _row(tag: str, cells: Sequence[str]) -> Markup:
    row = [
        Markup("<{0}{1}>{2}</{0}>").format(
            Markup(tag), _CELL.format("right" if k else "left"), escape(cell)
        )
        for k, cell in enumerate(cells)
    ]
    return Markup("<tr>{}</tr>").format(Markup("").join(row))


def lines(texts: Sequence[str]) -> Markup:
    """Sentences, a line each; nothing where there are none."""
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts)
    return Markup("<ul>{}</ul>").format(items) if texts else Markup("")
