"""A result as one HTML page that needs no network: it opens from a USB stick, and prints.

The page may do nothing but show itself: its content security policy allows no request, and of
scripts only ours. Names out of model files are escaped by the template engine.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from edgeprune import history
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.history import Run
from edgeprune.history.result import Result, Variant, known
from edgeprune.report.figures import figures
from edgeprune.report.flattened import flattened
from edgeprune.report.page.distribution import distribution
from edgeprune.report.page.exports import exports
from edgeprune.report.page.headline import headline
from edgeprune.report.page.layers import has_cost, kernel_strips, layer_rows
from edgeprune.report.page.pareto import pareto
from edgeprune.report.pinning import pinning_rows
from edgeprune.report.sessions import session_table
from edgeprune.report.verdict import remarks
from edgeprune.text.untrusted import printable

FILE_NAME = "report.html"

_HEAD_CHARACTERS = 64 << 10
"""In which a page's title stands, behind a model's name of any length."""

_MOST_ROWS = 4000
"""Of the table of layers; a browser lays out more slowly. layers.csv has all. Source: ours."""


@dataclass(frozen=True)
class Frame:
    """What stands around a result that is one of many, as in a site.

    Attributes:
        head: Elements for the page's head.
        above: What comes before everything else.
        section: What comes before the figures.
    """

    head: Markup = field(default_factory=Markup)
    above: Markup = field(default_factory=Markup)
    section: Markup = field(default_factory=Markup)


def render(
    result: Result,
    earlier: Sequence[Run] = (),
    remark: str = "",
    frame: Frame | None = None,
    *,
    has_copies: bool = True,
) -> str:
    """The page's text.

    Args:
        result: A valid result.
        earlier: Runs of the same model on the same device, for the Pareto picture.
        remark: A further line for it, as that the history cannot be read.
        frame: What stands around it, or None.
        has_copies: The page ends with the whole result as text to copy, most of its bytes.
    """
    choice = pareto(result, earlier)
    shown, missing = figures(result)
    profiled = [variant for variant in result.variants if variant.layers]
    beside = [v for v in profiled if v.name in ("dense", "deployed")] or profiled[:1]
    rows = layer_rows(beside) if beside else []
    is_valid = result.validity.verdict == "valid"
    lines = remarks(result, known(result.notes) or ())
    session_headings, session_rows = session_table(result)
    script = _file("page.js")
    page: str = _template().render(
        result=result,
        headline=headline(result),
        names=[variant.name for variant in result.variants],
        figures=[(heading.strip(), cells) for heading, cells in shown],
        missing=missing,
        cost_title="Instructions" if result.is_emulated else "Distribution of times",
        chart=distribution(result),
        pareto=choice,
        pareto_remarks=[line for line in (*choice.remarks, remark) if line],
        beside=beside,
        strips=kernel_strips(beside) if beside else None,
        rows=rows[:_MOST_ROWS],
        hidden_rows=max(0, len(rows) - _MOST_ROWS),
        has_cost=has_cost(beside),
        remarks=lines if is_valid else lines[1:],  # the first repeats the reasons
        session_headings=session_headings,
        session_rows=session_rows,
        reasons=known(result.reasons) or (),
        provenance=_provenance(result),
        recipe=list(flattened(result.recipe)),
        frame=frame or Frame(),
        exports=exports(result, choice.points) if has_copies else [],
        style=style(),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page


def write_page_of(result: Result, file: Path) -> None:
    """Writes a result's page, with earlier runs of the model beside it where they can be read.

    Args:
        result: A valid result.
        file: Where.

    Raises:
        ConfigError: As :func:`write_page`.
    """
    try:
        earlier, remark = history.alike(result), ""
    except ConfigError as error:
        earlier, remark = [], f"earlier runs are not shown: {error}"
    write_page(render(result, earlier, remark), file)


def write_page(page: str, file: Path) -> None:
    """Writes the page, in place of an earlier page only.

    Raises:
        ConfigError: The file is something else, or cannot be written.
    """
    if not _may_be_written(file):
        raise ConfigError(
            f"{shown(file)}: exists already and is no page of edgeprune; name another file with "
            "--html, or remove it"
        )
    try:
        write_whole(file, page, replace=True)
    except ConfigError as error:
        raise ConfigError(f"{error}; name another file with --html") from error


def _may_be_written(file: Path) -> bool:
    """Whether there is no file, an empty one, or an earlier page."""
    try:
        if not file.is_file() or file.stat().st_size == 0:
            return True
        with file.open(encoding="utf-8", errors="replace") as text:
            head = text.read(_HEAD_CHARACTERS)
    except OSError:  # writing it says why
        return True
    return head.startswith("<!DOCTYPE html>") and " - edgeprune</title>" in head


def _provenance(result: Result) -> list[tuple[str, object]]:
    """What ran where, as name and value."""
    model, device, origin = result.model, result.device, known(result.made)
    rows: list[tuple[str, object]] = [
        ("model", model.path),
        ("format", model.format),
        ("SHA-256", model.sha256),
        ("board", result.board),
        ("device", device.id),
        ("CPU", device.cpu),
        ("operating system", device.os),
        ("runtime", device.runtime_version),
        ("agent", device.agent_version),
        *pinning_rows(known(result.pinning)),
        ("made", origin.time_utc if origin else "not recorded"),
        ("edgeprune", origin.edgeprune_version if origin else "not recorded"),
    ]
    return rows + [row for variant in result.variants for row in _variant_rows(variant)]


def _variant_rows(variant: Variant) -> list[tuple[str, object]]:
    """Where a variant's figures come from, as name and value."""
    rows: list[tuple[str, object]] = [("file", variant.file)]
    if variant.instructions is not None:
        rows.append(("counted by", variant.instructions.source))
    if (estimate := known(variant.estimated)) is not None:
        rows += flattened(msgspec.to_builtins(estimate), "estimated")
    if variant.energy_uj is not None:
        rows += flattened(msgspec.to_builtins(variant.energy_uj), "energy")
    if variant.parity is not None:
        parity = variant.parity
        rows.append(("outputs compared with", parity.reference))
        rows.append(("compared on", f"{parity.samples} inputs, {parity.where}"))
    return [(f"{variant.name}: {name}", value) for name, value in rows]


def style() -> str:
    """The style sheet of every page of ours."""
    return _file("page.css")


@functools.cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def environment(loader: Any = None) -> Any:
    """What makes pages of templates: every value is escaped, and a name that is missing an error.

    Args:
        loader: Finds templates by name, or None.
    """
    import jinja2  # only needed where a page is made

    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["p"] = printable
    return made


@functools.cache
def _template() -> Any:
    return environment().from_string(_file("page.html.j2"))
