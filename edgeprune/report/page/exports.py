"""The result as text to copy: JSON as it is, and tables as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgeprune.history.result import Result, known
from edgeprune.history.result_file import plain
from edgeprune.report.flattened import flattened
from edgeprune.report.page.pareto import Point
from edgeprune.text.untrusted import printable

MOST_CHARACTERS = 1_000_000
"""A longer text is not copied into the page, which names the file instead. Source: ours."""


@dataclass(frozen=True)
class Export:
    """A text to copy.

    Attributes:
        name: File name.
        title: What it is.
        text: The text; empty where it is too long.
    """

    name: str
    title: str
    text: str


def exports(result: Result, points: Sequence[Point]) -> list[Export]:
    """Everything the page shows, to be copied.

    Args:
        result: A valid result.
        points: The table of the Pareto picture.
    """
    whole = json.dumps(plain(result), indent=None, separators=(",", ":"))
    texts = [
        Export("result.json", "The whole result, as JSON", whole),
        Export("figures.csv", "Every figure and setting, in full precision", _figures(result)),
        Export("variants.csv", "The variants to choose between", _choice(points)),
    ]
    if any(variant.layers for variant in result.variants):
        texts.append(Export("layers.csv", "Kernels of every variant", _layers(result)))
    if any(variant.processes for variant in result.variants):
        texts.append(Export("samples.csv", "Every timed inference", _samples(result)))
        texts.append(Export("sessions.csv", "Every process and its readings", _sessions(result)))
    return [
        export if len(export.text) <= MOST_CHARACTERS else Export(export.name, export.title, "")
        for export in texts
    ]


def _figures(result: Result) -> str:
    document = plain(result)
    variants = document.pop("variants")
    document["variants"] = [
        {key: value for key, value in variant.items() if key not in ("layers", "sessions")}
        for variant in variants
    ]
    return _csv(["key", "value"], flattened(document))


def _choice(points: Sequence[Point]) -> str:
    heading = ["variant", "cost", "bytes", "accuracy", "on the front"]
    return _csv(heading, ((p.label, p.cost, p.bytes, p.accuracy, p.front) for p in points))


def _layers(result: Result) -> str:
    keys = ["name", "op", "kernel", "sparse", "latency_us", "instructions", "cycles"]
    rows = (
        [variant.name, *(known(getattr(layer, key)) for key in keys)]
        for variant in result.variants
        for layer in variant.layers
    )
    return _csv(["variant", *keys], rows)


def _samples(result: Result) -> str:
    rows = (
        [variant.name, number, run, sample]
        for variant in result.variants
        for number, session in enumerate(variant.processes, start=1)
        for run, sample in enumerate(session.latency_ns, start=1)
    )
    return _csv(["variant", "session", "run", "latency_ns"], rows)


def _sessions(result: Result) -> str:
    rows = (
        [variant.name, number, key, value]
        for variant in result.variants
        for number, session in enumerate(variant.processes, start=1)
        for key, value in flattened(msgspec.to_builtins(session))
        if not key.startswith("latency_ns")
    )
    return _csv(["variant", "session", "key", "value"], rows)


def _csv(heading: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows([_value(value) for value in row] for row in rows)
    return text.getvalue()


def _value(value: Any) -> Any:
    """An empty cell for what was not measured; a text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    safe = printable(value)
    return f"'{safe}" if safe.startswith(("=", "+", "-", "@")) else safe
