"""The pattern ``kernel``: for each layer the one that costs least on the board's core.

It decides nothing but which of the other patterns prunes a layer. The sparsity is the same for
each, so that the cheaper pattern is the faster one at equal size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgeprune.artifacts.plan import Unit
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError
from edgeprune.prediction.cost import Costs, spmm
from edgeprune.prediction.cost.cycles import costs_of
from edgeprune.recipe.prune_table import PruneTable

BLOCKS = {"unstructured": 1, "2x1": 2, "4x1": 4}
"""Patterns to choose from, and their block's output channels; the least restrictive first."""

SLACK = 0.02
"""Share of the cheapest choice's cost that is given up, at most, for freer patterns.

It is spread evenly over the layers: a stricter pattern costs accuracy, and where a layer hardly
counts it buys nothing. Source: ours.
"""

IN_DOUBT = "2x1"
"""For a layer of unknown size.

Source: on a Cortex-A72 it is the cheapest pattern at 70 to 90 % for most of the layer sizes of
networks for 224 x 224 pixels that ``tests/pruning/budget/test_kernel_pattern.py`` lists.
"""


FIRMWARE_BLOCKS = {"dsp": 4, "mve": 16}
"""Weights of a row that a microcontroller's kernels take at once: a word, or a vector register.

Source: ``firmware/kernels/ep_s8_conv_2d_blocks_1x4__dsp.c`` and its like for 1x16.
"""


@dataclass(frozen=True)
class Layer:
    """What the choice needs to know of one layer.

    Attributes:
        name: Name of the layer's weights.
        out_channels: Rows of its weight matrix.
        in_channels: Columns.
        pixels: Size of its output map; 0 where no sparse kernel exists for the layer; None where
            the size is not known.
        depth: Input channels, without a convolution's taps; None where that is all of them.
    """

    name: str
    out_channels: int
    in_channels: int
    pixels: int | None
    depth: int | None = None


@dataclass(frozen=True)
class Choice:
    """The patterns chosen for a model.

    Attributes:
        patterns: Name of a layer's weights to its pattern.
        notes: Why, a line or two.
    """

    patterns: dict[str, str]
    notes: tuple[str, ...]


def pattern_choice(layers: Sequence[Layer], spec: PruneTable, cpu: Cpu | None) -> Choice:
    """The pattern of each layer: the recipe's, or the cheapest on these cores.

    Raises:
        ModelError: The pattern ``kernel`` is asked for, and no cores are named.
    """
    if spec.pattern != "kernel":
        return Choice({layer.name: spec.pattern for layer in layers}, ())
    if cpu is None:
        raise ModelError(
            "the pattern kernel chooses by a board's costs, and no board was named: "
            "name another pattern, or a board"
        )
    return choose_patterns(layers, spec.sparsity, cpu)


def choose_patterns(layers: Sequence[Layer], sparsity: float, cpu: Cpu) -> Choice:
    """Chooses for each layer the pattern of least predicted cost, or a freer one close to it.

    Args:
        layers: The layers to prune.
        sparsity: Share of zeros, in [0, 1).
        cpu: The board's cores.
    """
    if cpu.is_microcontroller:
        return _firmware_patterns(layers, cpu)
    board = costs_of(cpu)
    if board is None:
        note = f"pattern kernel: unstructured, because {cpu.core} has no sparse kernels"
        return Choice({layer.name: "unstructured" for layer in layers}, (note,))
    costs = {
        layer.name: {name: cost(board, layer, sparsity, block) for name, block in BLOCKS.items()}
        for layer in layers
        if layer.pixels
    }
    cheapest = sum(min(each.values()) for each in costs.values())
    slack = SLACK * cheapest / max(1, len(costs))
    patterns = {layer.name: "unstructured" for layer in layers}
    patterns |= {layer.name: IN_DOUBT for layer in layers if layer.pixels is None}
    for name, each in costs.items():
        limit = min(each.values()) + slack
        patterns[name] = next(pattern for pattern in BLOCKS if each[pattern] <= limit)
    return Choice(patterns, tuple(_notes(layers, patterns, costs, cpu, board.unit)))


def _firmware_patterns(layers: Sequence[Layer], cpu: Cpu) -> Choice:
    """Blocks along a row, as many weights as the core multiplies at once, where they fit."""
    width = FIRMWARE_BLOCKS["mve" if "mve" in cpu.features else "dsp"]
    blocks = f"1x{width}"
    patterns = {
        layer.name: blocks if (layer.depth or layer.in_channels) >= width else "unstructured"
        for layer in layers
    }
    small = sum(pattern == "unstructured" for pattern in patterns.values())
    note = f"pattern kernel: {blocks}, for {cpu.core}"
    if small:
        note += f", and unstructured in {small} with fewer than {width} input channels"
    return Choice(patterns, (note,))


def cost(costs: Costs, layer: Layer, sparsity: float, block: int) -> float:
    """Predicted cost of a layer after pruning in blocks, as XNNPACK packs the result.

    Channels that fill no block are run one by one. A layer of fewer than four channels is always
    packed in blocks of four, of which it has none.

    Args:
        costs: On the board's core.
        layer: A layer whose size is known.
        sparsity: Share of zeros, in [0, 1).
        block: 1, 2 or 4 output channels.
    """
    if layer.out_channels < 4:
        block = 4
    whole = layer.out_channels // block
    rest = layer.out_channels % block
    blocks = round((1 - sparsity) * layer.in_channels * (whole + rest))
    return spmm(costs, layer.pixels or 0, whole + rest, blocks, block, layer.in_channels)


def _notes(
    layers: Sequence[Layer],
    patterns: dict[str, str],
    costs: dict[str, dict[str, float]],
    cpu: Cpu,
    unit: Unit,
) -> list[str]:
    notes = []
    if costs:
        counts = Counter(patterns[name] for name in costs)
        chosen = ", ".join(f"{name} in {count} layers" for name, count in counts.most_common())
        totals = {"kernel": sum(each[patterns[name]] for name, each in costs.items())}
        totals |= {name: sum(each[name] for each in costs.values()) for name in BLOCKS}
        shown = ", ".join(f"{name} {total / 1e6:.2f} M" for name, total in totals.items())
        notes.append(
            f"pattern kernel: {chosen}, for {cpu.core}; {unit} of these layers, predicted "
            f"as if all ran sparse: {shown}"
        )
    if doubtful := [layer.name for layer in layers if layer.pixels is None]:
        notes.append(
            f"pattern kernel: {IN_DOUBT} in {len(doubtful)} layers that were not found again in "
            f"the converted model, {doubtful[0]} first"
        )
    if free := sum(layer.pixels == 0 for layer in layers):
        notes.append(f"pattern kernel: unstructured in {free} layers without sparse kernels")
    return notes
