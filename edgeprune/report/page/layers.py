"""Kernels of the dense and of the deployed variant side by side, in the order in which they ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from markupsafe import Markup

from edgeprune.history.result import Layer, Variant, known
from edgeprune.history.result.variant import UNKNOWN_OP, op_words
from edgeprune.models.tflite.layer_names import common_folder, layer_name
from edgeprune.report.estimated import CYCLES
from edgeprune.report.figures import time_text
from edgeprune.report.page.svg import WIDTH, Scale, axis_below, box, picture, text, unit_of
from edgeprune.text.untrusted import printable

_LEFT, _RIGHT = 8.0, WIDTH - 16.0


@dataclass(frozen=True)
class Cell:
    """One variant's kernel in a row.

    Attributes:
        kernel: As the runtime named it; empty where the variant has no such kernel.
        sparse: Whether it is a sparse kernel.
        cost: Its time, or its instructions and estimated cycles, as text; empty where there is
            neither.
    """

    kernel: str = ""
    sparse: bool = False
    cost: str = ""


@dataclass(frozen=True)
class Row:
    """One layer of the variants, by the variants' order."""

    name: str
    op: str
    cells: tuple[Cell, ...]


def layer_rows(variants: Sequence[Variant]) -> list[Row]:
    """A row a layer. Layers of one name and place stand in one row.

    Args:
        variants: One or two variants with layers; the first one's come first where they differ.
    """
    known = [layer.name for layer in variants[0].layers if layer.op != UNKNOWN_OP]
    folder = common_folder(known)
    columns = [[(_label(layer, folder), layer) for layer in each.layers] for each in variants]
    if len(columns) == 1:
        return [_row(label, [layer]) for label, layer in columns[0]]
    keys = [[(label, layer.op) for label, layer in column] for column in columns]
    rows = []
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        left, right = columns[0][first:last], columns[1][start:end]
        if tag == "equal":
            pairs = zip(left, right, strict=True)
            rows += [_row(label, [layer, other]) for (label, layer), (_, other) in pairs]
        else:
            rows += [_row(label, [layer, None]) for label, layer in left]
            rows += [_row(label, [None, layer]) for label, layer in right]
    return rows


def has_cost(variants: Sequence[Variant]) -> bool:
    """Whether any kernel's time or instructions were measured."""
    return any(
        layer.latency_us is not None or layer.instructions is not None
        for variant in variants
        for layer in variant.layers
    )


def kernel_strips(variants: Sequence[Variant]) -> Markup:
    """A strip a variant with a mark a kernel, sparse ones apart; as wide as its time if known.

    Args:
        variants: Variants with layers.
    """
    is_timed = any(layer.latency_us for variant in variants for layer in variant.layers)
    widths = [_widths(variant.layers, is_timed=is_timed) for variant in variants]
    scale = Scale(0, max(map(sum, widths)), _LEFT, _RIGHT)
    y, parts, said = 6.0, [], []
    for variant, sizes in zip(variants, widths, strict=True):
        sparse = sum(layer.sparse for layer in variant.layers)
        words = f"{printable(variant.name)}: {len(sizes)} kernels, {sparse} sparse"
        said.append(words)
        parts.append(text(_LEFT, y + 12, words, kind="label"))
        parts += _strip(variant.layers, sizes, scale, y + 18)
        y += 44
    if is_timed:
        unit = unit_of(scale.high, "us")
        parts = axis_below(scale, 6, y, unit, "time in kernels, from the profile") + parts
        y += 36
    return picture("strips", "; ".join(said), y, parts)


def _widths(layers: Sequence[Layer], *, is_timed: bool) -> list[float]:
    """Of each mark; with times, a kernel below the profiler's clock takes none."""
    return [(layer.latency_us or 0.0) if is_timed else 1.0 for layer in layers]


def _strip(
    layers: Sequence[Layer], widths: Sequence[float], scale: Scale, y: float
) -> list[Markup]:
    """Marks of one variant, with a gap between them where there is room for one."""
    parts, position = [], 0.0
    for layer, width in zip(layers, widths, strict=True):
        left, right = scale(position), scale(position + width)
        gap = 0.7 if right - left > 3 else 0.0
        kind = "mark sparse" if layer.sparse else "mark"
        if right - left > 0:
            parts.append(box(left, y, right - left - gap, 18, kind))
        position += width
    return parts


def _label(layer: Layer, folder: str) -> str:
    return printable(layer_name(layer.name).removeprefix(folder))


def _row(label: str, layers: Sequence[Layer | None]) -> Row:
    known = next(layer for layer in layers if layer is not None)
    return Row(label, printable(op_words(known.op)), tuple(_cell(layer) for layer in layers))


def _cell(layer: Layer | None) -> Cell:
    if layer is None:
        return Cell()
    cost = ""
    if layer.latency_us is not None:
        cost = time_text(layer.latency_us)
    elif layer.instructions is not None:
        cost = f"{layer.instructions:,} instructions"
        if (cycles := known(layer.cycles)) is not None:
            cost += f", {cycles:,} {CYCLES}"
    return Cell(printable(layer.kernel), layer.sparse, cost)
