"""Which blocks of the arena a network takes, and when."""

from __future__ import annotations

from collections.abc import Sequence

from edgeprune.firmware.arena import Block
from edgeprune.firmware.kernels import is_in_place, scratch_bytes
from edgeprune.firmware.operations import Alias, Step


def owners_of(
    steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int], isa: str
) -> dict[int, int]:
    """Tensor to the tensor whose bytes it uses: itself, or one that may be written over."""
    last = {tensor: step.layer for step in steps for tensor in step.inputs}
    owner = {tensor: tensor for tensor in inputs}
    for step in steps:
        source = step.inputs[0]
        is_last = last[source] == step.layer and step.inputs.count(source) == 1
        shared = is_in_place(step, isa) and (is_last or isinstance(step.operation, Alias))
        if shared and (isinstance(step.operation, Alias) or source not in outputs):
            owner[step.output] = owner[source]
        else:
            owner[step.output] = step.output
    return owner


def blocks_of(
    running: Sequence[Step],
    owner: dict[int, int],
    sizes: dict[int, int],
    inputs: Sequence[int],
    outputs: Sequence[int],
    isa: str,
) -> tuple[list[Block], dict[int, int], dict[int, int]]:
    """Blocks; then the number of each tensor's, by its owner, and of each step's scratch."""
    first = {owner[tensor]: -1 for tensor in inputs}
    last: dict[int, int] = dict(first)
    for number, step in enumerate(running):
        first.setdefault(owner[step.output], number)
        for tensor in (*step.inputs, step.output):
            last[owner[tensor]] = number
    for tensor in outputs:
        last[owner[tensor]] = len(running)
    size: dict[int, int] = {}
    for tensor, base in owner.items():
        size[base] = max(size.get(base, 0), sizes[tensor])
    blocks: list[Block] = []
    of_tensor: dict[int, int] = {}
    of_scratch: dict[int, int] = {}
    for base, begin in first.items():
        of_tensor[base] = len(blocks)
        blocks.append(Block(f"tensor {base}", size[base], begin, last[base]))
    for number, step in enumerate(running):
        if scratch := scratch_bytes(step, isa):
            of_scratch[number] = len(blocks)
            blocks.append(Block(f"scratch of operation {number}", scratch, number, number))
    return blocks, of_tensor, of_scratch
