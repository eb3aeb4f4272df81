"""The plan that ``explain`` makes, as tables for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import product
from string import ascii_lowercase

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.artifacts.plan import LayerPlan, Plan
from edgeprune.models.tflite.layer_names import common_folder, layer_name
from edgeprune.report.predicted import prediction_remark
from edgeprune.text.untrusted import printable

MOST_CLUSTERS = 8
"""Clusters that are printed, the ones with most weights; ``--json`` has all of them."""

_OPS = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "fully conn."}
_NARROWEST = 40  # columns of text


def print_plan(plan: Plan, console: Console) -> None:
    """Prints a line a layer, why layers run dense and what would change it, then the clusters.

    Args:
        plan: What will run.
        console: Where to print.
    """
    folder = common_folder([operator.name for operator in plan.operators])
    console.print(_layers(plan, folder))
    _print_obstacles(plan, folder, console)
    if plan.clusters:
        console.print(
            Text("clusters: what is in one runs sparse together, with more than 66.7% zeros")
        )
        console.print(_clusters(plan, folder))
        hidden = len(plan.clusters) - MOST_CLUSTERS
        if hidden > 0:
            console.print(Text(f"and {hidden} clusters with fewer weights; --json lists them"))
    if plan.clock is not None:
        print_text("", prediction_remark(plan.clock), console)
    for name in plan.wrong:
        text = f"WRONG OUTPUTS: stored sparse, the runtime would compute {_label(name, folder)}"
        console.print(Text(f"{text} wrong", style="bold"))


def _layers(plan: Plan, folder: str) -> Table:
    """A row per layer with weights, and one for all the others."""
    letters = _letters(plan)
    shown = [op for op in plan.operators if op.has_sparse_kernel or op.op in _OPS]
    rest = [op for op in plan.operators if op not in shown]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("zeros", justify="right", no_wrap=True)
    table.add_column("runs", no_wrap=True)
    is_timed = plan.clock is not None
    table.add_column("M instr.\n(est.)", justify="right", no_wrap=True)
    if is_timed:
        table.add_column("ms\n(pred.)", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    for op in shown:
        share = f"{op.zeros / op.weights:.0%}" if op.has_sparse_kernel and op.weights else ""
        cells = (
            _label(op.name, folder),
            "pointwise" if op.has_sparse_kernel and op.op == "CONV_2D" else _OPS[op.op],
            share,
            _runs(op),
            millions(op.instructions),
            *([_ms(plan, op.cycles)] if is_timed else []),
            letters.get(id(op), ""),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    if rest:
        costs = [millions(_total(op.instructions for op in rest))]
        costs += [_ms(plan, _total(op.cycles for op in rest))] if is_timed else []
        table.add_row(Text(f"{len(rest)} other operators"), "", "", "", *map(Text, costs), "")
    return table


def _total(costs: Iterable[float | None]) -> float | None:
    """The sum of those that are known; None where none is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _ms(plan: Plan, cycles: float | None) -> str:
    """Predicted milliseconds, as exact as a prediction may be shown."""
    return "" if cycles is None or plan.clock is None else millions(1e6 * plan.clock.ms(cycles))


def _runs(op: LayerPlan) -> str:
    if op.sparse:
        return f"sparse {op.kernel}"
    return "dense" if op.has_sparse_kernel else ""


def _letters(plan: Plan) -> dict[int, str]:
    """A letter for each layer's obstacle, by the layer's ``id``."""
    layers = plan.layers
    names = [*ascii_lowercase, *("".join(pair) for pair in product(ascii_lowercase, repeat=2))]
    return {
        id(layers[position]): name
        for name, obstacle in zip(names, plan.obstacles(), strict=False)
        for position in obstacle.layers
    }


def _print_obstacles(plan: Plan, folder: str, console: Console) -> None:
    letters = _letters(plan)
    obstacles = plan.obstacles()
    if obstacles:
        console.print(Text("why layers run dense, and what would change it:"))
    for obstacle in obstacles:
        letter = letters[id(plan.layers[obstacle.layers[0]])]
        count = len(obstacle.layers)
        head = f"{letter}  {count} layer{'s' if count > 1 else ''}: "
        print_text(head, obstacle.text.replace(folder, "") if folder else obstacle.text, console)
        if obstacle.remedy:
            print_text("   -> ", obstacle.remedy, console)


def _clusters(plan: Plan, folder: str) -> Table:
    wrong = {op.cluster for op in plan.operators if op.name in plan.wrong}
    heaviest = sorted(plan.clusters, key=lambda cluster: -cluster.weights)[:MOST_CLUSTERS]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("layers", justify="right", no_wrap=True)
    table.add_column("zeros", justify="right", no_wrap=True)
    table.add_column("runs", no_wrap=True)
    table.add_column("from, to", overflow="fold", ratio=1)
    table.add_column("begins, ends", overflow="fold", ratio=2)
    for cluster in sorted(heaviest, key=lambda cluster: cluster.number):
        ends = f"begins {cluster.begins}\nends {cluster.ends}"
        table.add_row(
            str(cluster.number),
            str(cluster.layers),
            f"{cluster.zeros / cluster.weights:.1%}" if cluster.weights else "",
            "WRONG" if cluster.number in wrong else "sparse" if cluster.sparse else "dense",
            Text(
                f"{printable(_label(cluster.first, folder))}\n"
                f"{printable(_label(cluster.last, folder))}"
            ),
            Text("\n".join(printable(line.replace(folder, "")) for line in ends.splitlines())),
        )
    return table


def millions(instructions: float | None) -> str:
    """Instructions in millions, as exact as a prediction may be shown.

    >>> millions(210_400_000), millions(1_382_000), millions(12_345), millions(None)
    ('210.4', '1.38', '0.012', '')
    """
    if instructions is None:
        return ""
    value = instructions / 1e6
    digits = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f}"


def _label(name: str, folder: str) -> str:
    return layer_name(name).removeprefix(folder)


def print_text(head: str, text: str, console: Console) -> None:
    """Prints ``text`` behind ``head``, with what does not fit indented below it."""
    if not text:
        console.print(Text(head.rstrip()), soft_wrap=True)
        return
    width = max(_NARROWEST, console.width)
    filled = textwrap.fill(
        printable(text),
        width,
        initial_indent=head,
        subsequent_indent="   ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    console.print(Text(filled), soft_wrap=True)
