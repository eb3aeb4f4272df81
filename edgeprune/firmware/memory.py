"""Which blocks of the arena a network takes, when, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeprune.firmware.arena import Arena, Block, Overlap, arranged
from edgeprune.firmware.kernels import distance_of, may_overlap, scratch_bytes
from edgeprune.firmware.operations import Alias, Step


@dataclass(frozen=True)
class Memory:
    """A network's arena.

    Attributes:
        arena: Where its blocks lie.
        blocks: What lies in it, in the order of ``arena.places``.
        overlaps: What may lie over what.
        tensors: The block of each tensor that is computed, or put in.
        scratch: The block of each step's scratch, by the step's number, for those that need some.
    """

    arena: Arena
    blocks: tuple[Block, ...]
    overlaps: tuple[Overlap, ...]
    tensors: Mapping[int, int]
    scratch: Mapping[int, int]

    def place(self, tensor: int) -> int:
        """A tensor's first byte."""
        return self.arena.places[self.tensors[tensor]]

    def scratch_place(self, number: int) -> tuple[int, int] | None:
        """First byte and size of a step's scratch; None if it needs none."""
        block = self.scratch.get(number)
        return None if block is None else (self.arena.places[block], self.blocks[block].bytes)


def planned(
    steps: Sequence[Step],
    sizes: Mapping[int, int],
    names: Mapping[int, str],
    ends: tuple[Sequence[int], Sequence[int]],
    isa: str,
) -> Memory:
    """Plans a network's arena.

    Args:
        steps: What runs, in its order; RESHAPE and its like take part, and take no time.
        sizes: Of each tensor, bytes.
        names: Of each tensor, for people.
        ends: Tensors of the network's inputs and outputs.
        isa: What the core's kernels may use.
    """
    inputs, outputs = ends
    owner = _owners(steps, inputs)
    running = [step for step in steps if not isinstance(step.operation, Alias)]
    first, last = _lives(running, owner, inputs, outputs)
    block_of = {base: number for number, base in enumerate(first)}
    blocks = [Block(names[base], sizes[base], first[base], last[base]) for base in first]
    scratch = {}
    for number, step in enumerate(running):
        if size := scratch_bytes(step, isa):
            scratch[number] = len(blocks)
            blocks.append(Block(f"scratch of layer {step.layer}", size, number, number))
    tensors = {tensor: block_of[base] for tensor, base in owner.items()}
    overlaps = _overlaps(running, tensors, blocks, isa)
    return Memory(arranged(blocks, overlaps), tuple(blocks), tuple(overlaps), tensors, scratch)


def _owners(steps: Sequence[Step], inputs: Sequence[int]) -> dict[int, int]:
    """Each tensor's first name: RESHAPE and its like give bytes another one."""
    owner = {tensor: tensor for tensor in inputs}
    for step in steps:
        is_alias = isinstance(step.operation, Alias)
        owner[step.output] = owner[step.inputs[0]] if is_alias else step.output
    return owner


def _lives(
    running: Sequence[Step],
    owner: Mapping[int, int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> tuple[dict[int, int], dict[int, int]]:
    """First and last operation of each owner."""
    first = {owner[tensor]: -1 for tensor in inputs}
    last = dict(first)
    for number, step in enumerate(running):
        first.setdefault(owner[step.output], number)
        for tensor in (*step.inputs, step.output):
            last[owner[tensor]] = number
    for tensor in outputs:
        last[owner[tensor]] = len(running)
    return first, last


def _overlaps(
    running: Sequence[Step], tensors: Mapping[int, int], blocks: Sequence[Block], isa: str
) -> list[Overlap]:
    found = {}
    for number, step in enumerate(running):
        target = tensors[step.output]
        for operand, tensor in enumerate(step.inputs):
            source = tensors[tensor]
            is_dead = blocks[source].last == number and blocks[target].first == number
            if is_dead and source != target and may_overlap(step, isa, operand):
                found[source, target] = Overlap(source, target, distance_of(step, isa))
    return list(found.values())
