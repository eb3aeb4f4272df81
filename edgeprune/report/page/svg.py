"""Static SVG: scales, round ticks, units and the frame of a picture.

Pictures are ``WIDTH`` units wide and are scaled by the page. Colours are classes, so that the style
sheet has them for light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 480
"""Units of a picture: text stays readable on a screen of 400 pixels. Source: ours."""

_STEPS = {
    "B": ("B", "kB", "MB", "GB"),
    "us": ("us", "ms", "s"),
    "uJ": ("uJ", "mJ", "J"),
    "": ("", "thousand", "million"),
}


@dataclass(frozen=True)
class Scale:
    """Maps ``[low, high]`` of the data to ``[start, end]`` of the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of ``value``."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class Unit:
    """What an axis counts in.

    Attributes:
        divisor: The data divided by this are in the unit.
        name: Its name; may be empty.
    """

    divisor: float
    name: str


def unit_of(largest: float, base: str) -> Unit:
    """The unit in which ``largest`` has at most three digits before the point.

    Args:
        largest: In the base unit.
        base: ``B``, ``us``, ``uJ``, or empty for a plain count.

    >>> unit_of(16_900_000, "B")
    Unit(divisor=1000000, name='MB')
    """
    names = _STEPS[base]
    power = 0
    while largest >= 1000 ** (power + 1) and power + 1 < len(names):
        power += 1
    return Unit(1000**power, names[power])


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers in ``[low, high]``: multiples of 1, 2 or 5 times a power of ten.

    Args:
        low: Below ``high``.
        high: End of the axis.
        most: About how many.

    Source: Paul Heckbert, Nice Numbers for Graph Labels, Graphics Gems (1990).

    >>> ticks(0, 10)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def around(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """A range that holds ``values`` with some room; never empty."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room


def picture(name: str, description: str, height: float, parts: Sequence[Markup]) -> Markup:
    """An ``<svg>`` that a screen reader announces by name and description.

    Args:
        name: Also starts its ids: lower case, one word, one of a kind on the page.
        description: What there is to see, in a sentence or two.
        height: In the units of :data:`WIDTH`.
        parts: Elements in drawing order.
    """
    return Markup(
        '<svg class="picture" viewBox="0 0 {} {}" role="img" aria-labelledby="{}-text">'
        '<desc id="{}-text">{}</desc>{}</svg>'
    ).format(WIDTH, round(height), name, name, description, Markup("\n").join(parts))


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> Markup:
    """One line of text; ``kind`` is its class."""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>').format(
        x, y, anchor, kind, words
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line; ``kind`` is its class."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, kind
    )


def box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A rectangle; ``kind`` is its class."""
    return Markup('<rect x="{:.2f}" y="{:.1f}" width="{:.2f}" height="{:.1f}" class="{}"/>').format(
        x, y, max(width, 0.0), height, kind
    )


def axis_below(scale: Scale, top: float, bottom: float, unit: Unit, name: str) -> list[Markup]:
    """Grid lines from ``top`` to ``bottom``, their numbers below, and the name under them."""
    parts = []
    for tick in ticks(scale.low / unit.divisor, scale.high / unit.divisor):
        x = scale(tick * unit.divisor)
        parts.append(line(x, top, x, bottom, "grid"))
        parts.append(text(x, bottom + 14, f"{tick:g}", anchor="middle", kind="tick"))
    label = f"{name}, {unit.name}" if unit.name else name
    parts.append(text(scale.end, bottom + 30, label, anchor="end", kind="axis"))
    return parts


def axis_left(
    scale: Scale, left: float, right: float, unit: Unit, name: str, rise: float = 10
) -> list[Markup]:
    """Grid lines from ``left`` to ``right``, their numbers beside, and the name above them."""
    parts = []
    for tick in ticks(scale.low / unit.divisor, scale.high / unit.divisor):
        y = scale(tick * unit.divisor)
        parts.append(line(left, y, right, y, "grid"))
        parts.append(text(left - 6, y + 4, f"{tick:g}", anchor="end", kind="tick"))
    label = f"{name}, {unit.name}" if unit.name else name
    parts.append(text(2, scale.end - rise, label, kind="axis"))
    return parts


def kind_of(name: str) -> str:
    """The class of a variant's colour and shape."""
    return name if name in ("dense", "deployed") else "other"
