"""What a model costs, and what ``compress`` would make of it, as text for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.artifacts.plan import Forecast, Plan
from edgeprune.recipe import Recipe
from edgeprune.report.plan import millions, print_text
from edgeprune.text.untrusted import printable


def print_forecast(stored: Plan, recipe: Recipe, after: Forecast | None, console: Console) -> None:
    """Prints what an inference costs today, and what ``compress`` would make of it.

    Args:
        stored: The model as it is stored.
        recipe: The recipe in force.
        after: After pruning and rewriting; None if that was not predicted.
        console: Where to print.
    """
    if stored.unpredicted:
        kinds = ", ".join(stored.unpredicted)
        text = f"no prediction of instructions: what {kinds} takes depends on the data"
        console.print(Text(text))
    elif stored.dense_instructions is None:
        console.print(Text("no prediction of instructions: only float32 on aarch64 was measured"))
    else:
        _print_costs(stored, after, console)
        if after is not None:
            for line in after.refused:
                print_text(" " * 10, f"not done: {line}", console)
        if stored.rough:
            print_text("", f"roughly guessed: {', '.join(stored.rough)}", console)
    if recipe.why:
        print_text(f"recipe {printable(recipe.name)}: ", recipe.why, console)


def _print_costs(stored: Plan, after: Forecast | None, console: Console) -> None:
    """The lines that have figures: decisions rest on cycles where they are known."""
    head = "million instructions per inference, predicted from kernels measured on "
    head += stored.cost_core
    if stored.clock is not None:
        head += f"; million cycles of a {stored.clock.core}; decisions rest on {stored.unit}"
    print_text("", f"{head}:", console)
    rows = [
        ("dense", stored.dense_instructions, stored.dense_cycles, ""),
        ("as stored", stored.instructions, stored.cycles, ""),
    ]
    if after is not None:
        made, plan = _made(after, stored), after.plan
        rows.append(("compressed", plan.instructions, plan.cycles, made))
    for name, instructions, cycles, detail in rows:
        costs = f"{millions(instructions):>8}"
        costs += f" {millions(cycles):>8}" if stored.clock is not None else ""
        print_text(f"{name:>12} {costs}  ", detail, console)


def _made(after: Forecast, stored: Plan) -> str:
    """What ``compress`` would do, in one line."""
    plan = after.plan
    pruned = "unpruned"
    if after.sparsity:
        pruned = f"{after.sparsity:.0%} zeros, pattern {after.pattern}"
    split = " (gates split some)" if len(plan.layers) != len(stored.layers) else ""
    ran = f"{len(plan.sparse)} of {len(plan.layers)} layers sparse{split}"
    steps = ", ".join(after.steps) or ("" if plan.sparse else after.summary)
    return "; ".join(part for part in (pruned, ran, steps) if part)


def print_grid(cells: Sequence[Forecast], console: Console) -> None:
    """Prints predicted costs by sparsity and pattern, where there is something to tell.

    Layers that run sparse are counted also where costs are not known.
    """
    if not any(cell.plan.sparse for cell in cells):
        reasons = dict.fromkeys(o.text for cell in cells for o in cell.plan.obstacles())
        why = f": {next(iter(reasons))}" if len(reasons) == 1 else ""
        print_text("", f"pruning makes no layer faster here, whatever the pattern{why}", console)
        return
    unit = cells[0].plan.unit
    console.print(Text(f"what pruning would pay: million {unit} (layers that run sparse)"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    patterns = list(dict.fromkeys(cell.pattern for cell in cells))
    table.add_column("zeros", justify="right")
    for pattern in patterns:
        table.add_column(pattern, justify="right", no_wrap=True)
    for sparsity in dict.fromkeys(cell.sparsity for cell in cells):
        row = [cell for cell in cells if cell.sparsity == sparsity]
        table.add_row(
            f"{sparsity:.0%}",
            *(f"{millions(c.plan.cost) or 'not known'} ({len(c.plan.sparse)})" for c in row),
        )
    console.print(table)
