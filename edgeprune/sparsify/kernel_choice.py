"""Whose kernel an int8 layer gets: one of edgeprune's own, or the runtime's dense one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgeprune.artifacts.stored import KernelChoice
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite.conv_plan import BLOCK, Geometry, plan_bytes
from edgeprune.models.tflite.layer_names import short_name
from edgeprune.prediction.own_kernels import OwnKernelCosts, costs_of, kernel_of

MIN_BLOCK_SPARSITY = 2 / 3
"""Of a layer that runs in a kernel of edgeprune's own because the user wants it.

Source: ours, ``benchmarks/own_kernels.py``. Above it every network there gains on every core that
was measured; at a half, ResNet-50 did not with AVX-512 when that was measured last.
"""

MIN_AUTO_SPARSITY = 1 / 5
"""The same where predicted cost decides: with fewer zeros a layer's weights would get larger.

Source: ``device_agents/kernels/plan.h``, 5 bytes a block that is kept, in the place of 4 a block.
"""


@dataclass(frozen=True)
class OwnLayer:
    """A layer that may run in a kernel of edgeprune's own.

    Attributes:
        name: Name of its output.
        op: ``CONV_2D`` or ``FULLY_CONNECTED``.
        geometry: What its cost depends on; None where no plan can stand for it.
        reason: Why no plan can stand for it; empty if one can.
        weights: Number of its weights; 0 where they are not known.
        zeros: How many of these are zero.
    """

    name: str
    op: str
    geometry: Geometry | None
    reason: str
    weights: int = 0
    zeros: int = 0

    @property
    def block_sparsity(self) -> float:
        """Share of its blocks of 1 x 4 weights that are all zero, in [0, 1]."""
        return 0.0 if self.geometry is None else self.geometry.block_sparsity


MAX_GROWTH_BYTES = 16 << 10
"""By how much a layer with fewer zeros may get larger where others gain anyway.

Source: ours; the first convolution of ResNet-50, 7 x 7 on 3 channels, grows by 6 KiB and takes a
third fewer instructions on a Cortex-A76.
"""

OWN_PATTERN = "1x4"
"""How zeros have to lie for edgeprune's own kernels, in a recipe's words."""


def kernel_choices(layers: Sequence[OwnLayer], cpu: Cpu, kernels: str) -> tuple[KernelChoice, ...]:
    """Whose kernel each layer gets.

    Args:
        layers: Of a file.
        cpu: The board's cores.
        kernels: ``auto``, which goes by predicted cost, or ``edgeprune``, which takes edgeprune's
            wherever zeros are enough.

    Returns:
        A choice for each; empty where edgeprune's kernels can run none of them.
    """
    if all(layer.geometry is None for layer in layers):
        return ()
    costs, unknown = costs_of(cpu)
    choices = [_choice(layer, costs, unknown, kernels) for layer in layers]
    if kernels == "auto" and costs is not None and any(choice.is_own for choice in choices):
        for k, layer in enumerate(layers):
            if layer.geometry is not None and _is_small(layer.geometry, layer.weights):
                choices[k] = _choice(layer, costs, unknown, kernels, least=0.0)
    return tuple(choices)


def _is_small(geometry: Geometry, weights: int) -> bool:
    return plan_bytes(geometry) - weights <= MAX_GROWTH_BYTES


def _choice(
    layer: OwnLayer,
    costs: OwnKernelCosts | None,
    unknown: str,
    kernels: str,
    least: float | None = None,
) -> KernelChoice:
    geometry, own, dense = layer.geometry, None, None
    if geometry is not None and costs is not None:
        own, dense = costs.own_cost(geometry), costs.dense_cost(geometry)
    share, is_auto = layer.block_sparsity, kernels == "auto"
    if least is None:
        least = MIN_AUTO_SPARSITY if is_auto else MIN_BLOCK_SPARSITY
    is_own, reason = False, layer.reason
    if geometry is None:
        pass
    elif share < least:
        reason = f"of its 1x4 blocks {share:.0%} are zero, and {least:.0%} have to be"
    elif not is_auto:
        is_own, reason = True, "as asked for (kernels = edgeprune)"
    elif costs is None or own is None or dense is None:
        reason = unknown
    else:
        is_own = own <= dense * (1 - costs.margin)
        reason = f"edgeprune's kernel is predicted to take {own / dense:.2f} of the dense one's"
        reason += f" {costs.unit}"
    return KernelChoice(layer.name, layer.op, share, is_own, own, dense, reason)


@dataclass(frozen=True)
class Saving:
    """What edgeprune's kernels are predicted to take in the place of dense ones.

    Attributes:
        dense: All layers in the runtime's dense kernels, in the unit of the kernel's table.
        own: The same, where some run in edgeprune's.
        bytes: By how much the file shrinks; negative where it grows.
        unit: That of the kernel's table.
    """

    dense: float
    own: float
    bytes: int
    unit: str

    def share_left(self, whole: float | None) -> float:
        """What is left of a whole network's cost, of ``whole`` in the table's unit; at most 1."""
        if not whole or self.own >= self.dense:
            return 1.0
        return max(0.0, 1 - (self.dense - self.own) / whole)


def saving(layers: Sequence[OwnLayer], cpu: Cpu, sparsity: float | None = None) -> Saving | None:
    """What ``auto`` saves with some layers, or would.

    Args:
        layers: Of an int8 file.
        cpu: The board's cores.
        sparsity: Share of blocks that are taken to be zero in each layer that such blocks fit; None
            for those that are.

    Returns:
        None where nobody knows, or no layer can run in edgeprune's kernels.
    """
    if sparsity is not None:
        layers = [_pruned(layer, sparsity) for layer in layers]
    choices, (costs, _) = kernel_choices(layers, cpu, "auto"), costs_of(cpu)
    if costs is None or not choices:
        return None
    dense = sum(one.dense_cost or 0.0 for one in choices)
    own = sum((one.own_cost if one.is_own else one.dense_cost) or 0.0 for one in choices)
    smaller = sum(
        layer.weights - plan_bytes(layer.geometry)
        for layer, choice in zip(layers, choices, strict=True)
        if choice.is_own and layer.geometry is not None
    )
    return Saving(dense, own, smaller, costs.unit)


def _pruned(layer: OwnLayer, sparsity: float) -> OwnLayer:
    geometry = layer.geometry
    if geometry is None or geometry.in_channels < BLOCK:
        return layer
    blocks = round((1 - sparsity) * geometry.whole_blocks)
    return dataclasses.replace(layer, geometry=dataclasses.replace(geometry, blocks=blocks))


def choice_lines(choices: Sequence[KernelChoice], cpu: Cpu, kernels: str) -> tuple[str, ...]:
    """What was chosen and why, in words; nothing where no layer has zeros worth a word."""
    own = [choice for choice in choices if choice.is_own]
    dense = [choice for choice in choices if not choice.is_own]
    if (
        not own
        and kernels == "auto"
        and not any(choice.block_sparsity >= MIN_AUTO_SPARSITY for choice in choices)
    ):
        return ()
    if not own:
        why = "; ".join(_grouped(dense)) or "there is no int8 layer"
        how = "" if choices else " (--quantize int8 --pattern 1x4)"
        return (f"kernels {kernels}: no layer runs in edgeprune's own kernels: {why}{how}",)
    lines = [
        f"kernels {kernels}: {len(own)} of {len(choices)} layers run in edgeprune's own kernel "
        f"{kernel_of(cpu)}{_gain(own)}"
    ]
    lines += [f"dense, in the runtime's kernels: {text}" for text in _grouped(dense)]
    return tuple(lines)


def _gain(own: Sequence[KernelChoice]) -> str:
    """What these layers are predicted to take together, of dense ones."""
    costs = [(one.own_cost, one.dense_cost) for one in own]
    known = [(a, b) for a, b in costs if a is not None and b is not None]
    if len(known) < len(own):
        return ""
    share = sum(a for a, _ in known) / sum(b for _, b in known)
    return f", which is predicted to take {share:.2f} of what the dense ones do"


def _grouped(choices: Sequence[KernelChoice]) -> list[str]:
    """Layers of the same reason in one line, the most frequent reason first."""
    lines = []
    for reason, count in Counter(choice.reason for choice in choices).most_common():
        names = [short_name(choice.name) for choice in choices if choice.reason == reason]
        who = ", ".join(names) if count <= _NAMED else f"{count} layers"
        lines.append(f"{who}: {reason}")
    return lines


_NAMED = 3
"""Layers of one reason that are named, and not counted."""
