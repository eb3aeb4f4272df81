"""Logs of lab meters: which column is what, by the units in the header, and the rows as numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from edgeprune.devices.device import MeterTable
from edgeprune.energy.power_trace import Series
from edgeprune.errors import ConfigError

_PREFIXES = {"": 1.0, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "k": 1e3}
_UNITS = {"A": "current", "V": "voltage", "W": "power", "J": "energy", "Wh": "energy"}
_TIMES_S = {
    "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6,
    "ns": 1e-9, "min": 60.0, "h": 3600.0,
}  # fmt: skip
_EPOCHS_S = ((1e9, 1.0), (1e12, 1e-3), (1e15, 1e-6), (1e18, 1e-9))
"""Unix times since 2001 are at least this large in s, ms, us and ns."""

_TIME_NAME = re.compile(r"\b(time|timestamp|date|datetime)\b", re.IGNORECASE)
_BRACKETED = re.compile(r"[(\[]\s*([^)\]]+?)\s*[)\]]\s*$")
_BEHIND = re.compile(r"([/_ ])([^/_ ]+)$")
_QUANTITY = re.compile(r"time|curr|volt|pow|energ|amp|watt", re.IGNORECASE)
"""A unit behind a space counts only behind one of these words: "Channel A" is no current."""

_AGREEMENT = 1.5
"""Power and voltage times current may differ by this factor in the log's first rows."""


@dataclass(frozen=True)
class Column:
    """One column that can be used.

    Attributes:
        index: Its place in a row.
        name: Its heading.
        kind: ``time``, ``current``, ``voltage``, ``power`` or ``energy``.
        scale: Factor to seconds, amperes, volts, watts or joules; 0 where times are dates.
    """

    index: int
    name: str
    kind: str
    scale: float


@dataclass(frozen=True)
class Layout:
    """How to read the rows of one log.

    Attributes:
        where: The file, for messages.
        delimiter: Between cells.
        time: The column of times.
        factors: Columns whose product is the power, or the energy.
        voltage_v: Constant voltage to multiply by, or None.
        zero_s: Unix seconds of time 0; 0 where times are Unix times or dates themselves.
    """

    where: str
    delimiter: str
    time: Column
    factors: tuple[Column, ...]
    voltage_v: float | None
    zero_s: float

    @property
    def counts_energy(self) -> bool:
        """Whether values are joules that grow, instead of watts."""
        return self.factors[0].kind == "energy"

    @property
    def columns(self) -> str:
        """What the figures are from, for the report."""
        names = [column.name for column in self.factors]
        return " x ".join(names + ([f"{self.voltage_v:g} V"] if self.voltage_v else []))


def layout_of(head: str, table: MeterTable, where: str) -> Layout:
    """Finds out what the columns are.

    Args:
        head: The beginning of the log.
        table: What the user says about it.
        where: The file, for messages.

    Raises:
        ConfigError: A column or a unit is missing or there are several; the message says what to
            write.
    """
    for line in head.splitlines():
        for delimiter in (";", "\t", ","):
            cells = _cells(line.lstrip("#"), delimiter)
            columns = _columns(cells)
            if len(cells) > 1 and any(column.kind == "time" for column in columns):
                if len(columns) == 1:
                    break
                return _layout(head, columns, delimiter, table, where)
    raise ConfigError(
        f"{where}: no header with a time and with units was found: the first line must be such as "
        "'Time (s),Current (mA),Voltage (V)'; units are s, A, V, W, J, Wh and their thousandths"
    )


def _layout(
    head: str, columns: list[Column], delimiter: str, table: MeterTable, where: str
) -> Layout:
    rails = table.rails
    kept = [c for c in columns if c.kind == "time" or not rails or c.name in rails]
    times = [column for column in kept if column.kind == "time"]
    by_kind = {kind: [c for c in kept if c.kind == kind] for kind in ("time", *_UNITS.values())}
    for kind, same in by_kind.items():
        if len(same) > 1 and kind != "time":
            names = ", ".join(column.name for column in same)
            raise ConfigError(
                f"{where}: several columns of {kind}: {names}; name those to use: rails = [...] in "
                "the device's meter table of bench.toml"
            )
    factors = _factors(by_kind, table, where)
    constant_v = table.voltage_v if [c.kind for c in factors] == ["current"] else None
    layout = Layout(where, delimiter, times[0], factors, constant_v, 0.0)
    return _with_zero(_checked_units(layout, by_kind, head), head, table)


def _factors(by_kind: dict[str, list[Column]], table: MeterTable, where: str) -> tuple[Column, ...]:
    """Power goes before voltage times current, and both before an energy counter."""
    if by_kind["power"]:
        return tuple(by_kind["power"])
    if by_kind["current"] and by_kind["voltage"]:
        return (by_kind["voltage"][0], by_kind["current"][0])
    if by_kind["energy"]:
        return tuple(by_kind["energy"])
    if by_kind["current"] and table.voltage_v:
        return tuple(by_kind["current"])
    if by_kind["current"]:
        raise ConfigError(
            f"{where}: it has currents without voltages: give voltage_v in the device's meter "
            "table of bench.toml"
        )
    raise ConfigError(f"{where}: it has neither power, nor current, nor energy with a unit")


def _with_zero(layout: Layout, head: str, table: MeterTable) -> Layout:
    """Tells Unix times from seconds since some start."""
    rows = parse_rows(head, layout)
    if len(rows) == 0 or layout.time.scale == 0 or rows[0, 0] >= _EPOCHS_S[0][0]:
        return layout
    if table.zero is None:
        raise ConfigError(
            f"{layout.where}: its times begin at {rows[0, 0]:g} s and are no dates: let the meter "
            "write Unix times or dates, or give the moment of time 0: zero = "
            '"2025-01-31T12:00:00.000" in the device\'s meter table of bench.toml'
        )
    zero_s = _date_s(table.zero) or _number(table.zero, ".")
    if zero_s is None:
        raise ConfigError(f"{layout.where}: zero must be a date or Unix seconds: {table.zero!r}")
    return Layout(
        layout.where, layout.delimiter, layout.time, layout.factors, layout.voltage_v, zero_s
    )


def _checked_units(layout: Layout, by_kind: dict[str, list[Column]], head: str) -> Layout:
    """Refuses a log whose power contradicts its voltage and current.

    Raises:
        ConfigError: It does.
    """
    if not (by_kind["power"] and by_kind["voltage"] and by_kind["current"]):
        return layout
    product = (by_kind["voltage"][0], by_kind["current"][0])
    other = Layout(layout.where, layout.delimiter, layout.time, product, None, 0.0)
    watts, by_product_w = (np.abs(parse_rows(head, one)[:, 1]).sum() for one in (layout, other))
    if watts and by_product_w and not 1 / _AGREEMENT < watts / by_product_w < _AGREEMENT:
        raise ConfigError(
            f"{layout.where}: {layout.columns} is {watts / by_product_w:.3g} times "
            f"{other.columns}: a unit in the header is wrong"
        )
    return layout


def moment_s(times_s: Series, layout: Layout) -> Series:
    """Unix seconds of a log's times."""
    return times_s + layout.zero_s


def parse_rows(text: str, layout: Layout) -> Series:
    """The rows of a log, without those that lack a number (an overload, a header).

    Returns:
        Seconds, and watts or joules, shape ``(rows, 2)``.
    """
    cells = [_cells(line, layout.delimiter) for line in text.splitlines()]
    columns = (layout.time, *layout.factors)
    width = max(column.index for column in columns)
    used = [[row[column.index] for column in columns] for row in cells if len(row) > width]
    decimal = _decimal([row[1:] if layout.time.scale == 0 else row for row in used])
    rows = []
    for row in used:
        time_s = _time_s(row[0], layout.time.scale, decimal)
        factors = [_number(cell, decimal) for cell in row[1:]]
        numbers = [factor for factor in factors if factor is not None]
        if time_s is None or len(numbers) < len(factors):
            continue
        scales = [column.scale for column in layout.factors]
        value = float(np.prod(numbers) * np.prod(scales)) * (layout.voltage_v or 1.0)
        rows.append((time_s, value))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _time_s(cell: str, scale: float, decimal: str) -> float | None:
    """Seconds, as Unix time where the cell says so."""
    if scale == 0:
        date_s = _date_s(cell)
        number = _number(cell, decimal) if date_s is None else None
        if number is None:
            return date_s
        return next((number * to_s for low, to_s in reversed(_EPOCHS_S) if number >= low), None)
    number = _number(cell, decimal)
    return None if number is None else number * scale


def _columns(cells: Sequence[str]) -> list[Column]:
    found = []
    for index, name in enumerate(cells):
        unit = _unit_of(name)
        if unit in _TIMES_S and not re.search(r"energy|charge", name, re.IGNORECASE):
            found.append(Column(index, name, "time", _TIMES_S[unit]))
        elif unit[-2:] == "Wh" and unit[:-2] in _PREFIXES:
            found.append(Column(index, name, "energy", _PREFIXES[unit[:-2]] * 3600.0))
        elif unit[-1:] in _UNITS and unit[:-1] in _PREFIXES:
            found.append(Column(index, name, _UNITS[unit[-1:]], _PREFIXES[unit[:-1]]))
        elif _TIME_NAME.search(name):
            found.append(Column(index, name, "time", 0.0))
    return found


def _unit_of(heading: str) -> str:
    if match := _BRACKETED.search(heading):
        return str(match[1])
    match = _BEHIND.search(heading)
    if match is None or (match[1] == " " and not _QUANTITY.search(heading)):
        return ""
    return str(match[2])


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for row in csv.reader([line], delimiter=delimiter) for cell in row]


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    """The decimal mark of a file's numbers.

    Where a number has both marks the last one is it; else a comma that stands once is.
    """
    cells = [cell for row in rows for cell in row if "," in cell]
    if any("." in cell for cell in cells):
        return "," if any(c.rfind(",") > c.rfind(".") > -1 for c in cells) else "."
    return "," if cells and all(cell.count(",") == 1 for cell in cells) else "."


def _number(cell: str, decimal: str) -> float | None:
    """A finite number, or None; spaces, apostrophes and the other mark part thousands."""
    grouping = "." if decimal == "," else ","
    plain = re.sub(rf"[\s'{grouping}]", "", cell).replace(decimal, ".")
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _date_s(cell: str) -> float | None:
    """Unix seconds of an ISO 8601 date and time; without a zone it is this machine's."""
    if not re.match(r"\d{4}-?\d\d-?\d\d[T ]\d\d", cell):
        return None
    try:
        return datetime.fromisoformat(cell.replace(",", ".")).timestamp()
    except ValueError:
        return None
