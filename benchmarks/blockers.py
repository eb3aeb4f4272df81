"""Which operators keep layers out of XNNPACK's sparse clusters, and how much work is behind each.

Nodes that may stand in a cluster are grouped with their compatible neighbours. Every operator at
the border of such a group that may not stand in one, and so spoils it, is charged with the group's
dense cost of its pointwise layers: predicted instructions on a Cortex-A72. So is the border of what
XNNPACK runs together. ``after`` is the same list once the small passes of the rewrite stage have
run, without turn and gate.

    python benchmarks/blockers.py FOLDER [FOLDER ...]
"""

import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.devices.boards import load_board
from edgeprune.models.tflite import graph
from edgeprune.prediction.cost import CostTable, cost_table, op_instructions
from edgeprune.prediction.xnnpack.compiled import is_fused, nodes_of
from edgeprune.prediction.xnnpack.nodes import Layout, Node
from edgeprune.prediction.xnnpack.partitions import partitions
from edgeprune.prediction.xnnpack.reader import Reader
from edgeprune.rewrite.passes import (
    average_pool,
    constant_operands,
    dense_to_pointwise,
    hard_swish,
    prelu,
    scalar_folding,
    strided_pointwise,
)

PASSES = (
    average_pool,
    dense_to_pointwise,
    hard_swish,
    scalar_folding,
    prelu,
    constant_operands,
    strided_pointwise,
)


@dataclass
class Tally:
    """What one kind of blocker does over all files: how often, in which models, to how much."""

    count: Counter[str] = field(default_factory=Counter)
    behind: Counter[str] = field(default_factory=Counter)
    models: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def groups_of(nodes: list[Node]) -> list[set[int]]:
    """Sets of positions of compatible nodes that are joined by compatible neighbours."""
    makers = {node.output: i for i, node in enumerate(nodes)}
    group: dict[int, set[int]] = {}
    for i, node in enumerate(nodes):
        if not node.layout:
            continue
        group[i] = {i}
        if node.layout == Layout.ENTRY:
            continue
        for p in (makers.get(value) for value in node.inputs):
            if p is not None and nodes[p].layout & (Layout.NCHW | Layout.ENTRY):
                joined = group[p] | group[i]
                group.update(dict.fromkeys(joined, joined))
    return list({id(found): found for found in group.values()}.values())


def blockers_of(nodes: list[Node], members: set[int]) -> dict[str, int]:
    """Kind of blocker at a group's border to how many there are."""
    makers = {node.output: i for i, node in enumerate(nodes)}
    readers = defaultdict(list)
    for i, node in enumerate(nodes):
        for value in node.inputs:
            readers[value].append(i)
    found = set()
    for i in members:
        if nodes[i].layout != Layout.ENTRY:
            found |= {makers.get(value, -1) for value in nodes[i].inputs} - members
        if not nodes[i].layout & Layout.EXIT:
            found |= set(readers.get(nodes[i].output, [-2])) - members
    return Counter(kind(nodes, i) for i in found)


def kind(nodes: list[Node], position: int) -> str:
    """A blocker in words, without what differs from layer to layer."""
    if position < 0:
        where = "in front of" if position == -1 else "behind"
        return f"the border {where} what XNNPACK runs together"
    node = nodes[position]
    if node.layout:
        return f"{node.op} begins or ends another cluster"
    return f"{node.op} {re.sub(r' on [0-9]+ channels.*|; the .*', '', node.refusal)}"


def survey(file: Path, model: graph.Model, table: CostTable, tally: Tally) -> tuple[float, float]:
    """Charges one model's blockers.

    Returns:
        Instructions of the pointwise layers that could be sparse, and of those in blocked groups.
    """
    reader = Reader(model, model.subgraphs[0])
    total = blocked = 0.0
    for ops in partitions(reader):
        kept = [op for op in ops if not is_fused(reader, op)]
        nodes = nodes_of(reader, kept)
        costs = [
            op_instructions(table, reader, op) if node.is_spmm else 0.0
            for op, node in zip(kept, nodes, strict=True)
        ]
        total += sum(costs)
        for members in groups_of(nodes):
            cost = sum(costs[i] for i in members)
            found = blockers_of(nodes, members) if cost else {}
            blocked += cost if found else 0
            for name, count in found.items():
                tally.count[name] += count
                tally.behind[name] += cost
                tally.models[name].add(file.stem)
    return total, blocked


def main() -> None:
    """Prints a line per kind of blocker, the one with most work behind it first."""
    table = cost_table(load_board("rpi4-emulated").cpu)
    if table is None:
        raise SystemExit("there is no cost table for the board's core")
    files = [f for folder in sys.argv[1:] for f in sorted(Path(folder).glob("*.tflite"))]
    before, after = Tally(), Tally()
    print("million instructions of pointwise layers, and of those in blocked groups before, after")
    for file in files:
        model = graph.read(file.read_bytes())
        total, blocked = survey(file, model, table, before)
        notes = [note for small in PASSES for note in small.apply(model)]
        left = survey(file, model, table, after)[1]
        done = Counter(note.rewrite for note in notes if note.done)
        listed = ", ".join(f"{count} {name}" for name, count in done.items())
        name = f"{file.parent.name}/{file.stem}"
        print(f"{name:32} {total / 1e6:9.1f} {blocked / 1e6:9.1f} {left / 1e6:9.1f}  {listed}")
    print("\n   before     after  count models  blocker")
    for name in sorted({**before.behind, **after.behind}, key=lambda n: -before.behind[n]):
        sums = f"{before.behind[name] / 1e6:9.1f} {after.behind[name] / 1e6:9.1f}"
        print(f"{sums} {before.count[name]:6} {len(before.models[name]):6}  {name}")


if __name__ == "__main__":
    main()
