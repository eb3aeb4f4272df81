"""The arena drawn: which tensor lies where, and how long it lives."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.firmware.memory import Memory

_ROWS, _SHADES, _EMPTY = 16, "█▓▒", "·"
_MAX_COLUMNS = 96
_WIDTH_PX, _HEIGHT_PX, _MARGIN_PX = 720, 320, 4


@dataclass(frozen=True)
class Lifetime:
    """A tensor, or scratch, in the arena.

    Attributes:
        name: What it is, for people.
        at: Its first byte.
        bytes: Its size.
        first: Number of the operation that first writes it; -1 for the network's inputs.
        last: Number of the last operation that reads it.
        is_scratch: Whether a kernel needs it for itself.
    """

    name: str
    at: int
    bytes: int
    first: int
    last: int
    is_scratch: bool


def lifetimes(memory: Memory) -> tuple[Lifetime, ...]:
    """Everything in an arena, in the order in which it is first written."""
    scratch = set(memory.scratch.values())
    found = [
        Lifetime(block.name, at, block.bytes, block.first, block.last, number in scratch)
        for number, (block, at) in enumerate(zip(memory.blocks, memory.arena.places, strict=True))
    ]
    return tuple(sorted(found, key=lambda life: (life.first, life.at)))


def as_text(memory: Memory) -> str:
    """The arena as lines of text: time to the right, bytes upwards, one shade a tensor, s scratch.

    The first line says how many bytes it holds, and the bound beside that.
    """
    arena, lives = memory.arena, lifetimes(memory)
    end = max((life.last for life in lives), default=-1) + 1
    columns = min(end + 1, _MAX_COLUMNS)
    row_bytes = max(1, -(-arena.bytes // _ROWS))
    lines = [f"arena {arena.bytes:,} bytes, at least {arena.lower_bound_bytes:,} for this order"]
    for row in reversed(range(-(-arena.bytes // row_bytes))):
        marks = "".join(
            _mark(lives, column * (end + 1) // columns - 1, row * row_bytes, row_bytes)
            for column in range(columns)
        )
        lines.append(f"{row * row_bytes:>9,} {marks}")
    lines.append(f"{'':>9} inputs, operations 0 to {max(end - 2, 0)}, outputs")
    return "\n".join(lines)


def _mark(lives: tuple[Lifetime, ...], moment: int, begin: int, size: int) -> str:
    for number, life in enumerate(lives):
        is_there = life.at < begin + size and begin < life.at + life.bytes
        if is_there and life.first <= moment <= life.last:
            return "s" if life.is_scratch else _SHADES[number % len(_SHADES)]
    return _EMPTY


def as_svg(memory: Memory) -> str:
    """The arena as an SVG image: time to the right, bytes upwards, each block with its name."""
    from xml.sax.saxutils import escape

    arena, lives = memory.arena, lifetimes(memory)
    moments = max((life.last for life in lives), default=-1) + 2
    x_px, y_px = _WIDTH_PX / moments, _HEIGHT_PX / max(arena.bytes, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 '
        f'{_WIDTH_PX + 2 * _MARGIN_PX} {_HEIGHT_PX + 2 * _MARGIN_PX}">',
        f"<title>arena {arena.bytes:,} bytes</title>",
    ]
    for life in lives:
        fill = "#c8c8c8" if life.is_scratch else "#4f81bd"
        words = f"{life.name}: {life.bytes:,} bytes at {life.at:,}"
        parts.append(
            f'<rect x="{_MARGIN_PX + (life.first + 1) * x_px:.1f}" '
            f'y="{_MARGIN_PX + _HEIGHT_PX - (life.at + life.bytes) * y_px:.1f}" '
            f'width="{(life.last - life.first + 1) * x_px:.1f}" '
            f'height="{life.bytes * y_px:.1f}" fill="{fill}" fill-opacity="0.6" stroke="#333">'
            f"<title>{escape(words)}</title></rect>"
        )
    return "\n".join([*parts, "</svg>"])
