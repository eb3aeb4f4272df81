"""What each layer got of the sparsity, as a table for people and as ``sensitivity.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgeprune.artifacts.pruned import LayerShare
from edgeprune.files.whole_file import write_whole
from edgeprune.report.figures import NOT_MEASURED
from edgeprune.report.terminal import stdout
from edgeprune.text.untrusted import printable

SENSITIVITY = "sensitivity.json"
"""File beside a result, or behind the name of a compressed file."""


def print_shares(shares: Sequence[LayerShare], console: Console | None = None) -> None:
    """Prints a row a layer; nothing where every layer got the same.

    Args:
        shares: In model order.
        console: Where to print; standard output if None.
    """
    if not shares:
        return
    table = Table(title="sparsity of each layer", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("pattern")
    for heading in ("sparsity", "output lost", "loss added", f"{shares[0].unit} (predicted)"):
        table.add_column(heading, justify="right")
    for share in shares:
        cells = (
            share.name.rpartition("/")[0] or share.name,
            f"{share.weights:,}",
            share.pattern,
            f"{share.sparsity:.1%}",
            NOT_MEASURED if share.output_error is None else f"{share.output_error:.1%}",
            NOT_MEASURED if share.loss_increase is None else f"{share.loss_increase:+.4f}",
            "-" if share.cost is None else f"{share.cost:,.0f}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    (console or stdout()).print(table)


def write_sensitivity(shares: Sequence[LayerShare], path: Path) -> None:
    """Writes what was measured of each layer, where anything was.

    Raises:
        ConfigError: The file cannot be written.
    """
    measured = [dataclasses.asdict(share) for share in shares if share.loss_increases]
    if measured:
        write_whole(path, json.dumps({"layers": measured}, indent=1) + "\n", replace=True)
