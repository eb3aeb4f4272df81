"""Groups of channels and what is left of them, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from edgeprune.artifacts.pruned import ChannelGroup
from edgeprune.report.terminal import new_table, stdout
from edgeprune.text.untrusted import printable

_MOST = 3
"""More layers of one group are only counted. Source: ours."""


def print_groups(groups: Sequence[ChannelGroup], console: Console | None = None) -> None:
    """Prints a line a group; nothing where there are none.

    Args:
        groups: In model order.
        console: Where to print; standard output if None.
    """
    if not groups:
        return
    shown = new_table("channels that are removed together")
    shown.add_column("layers", overflow="fold")
    for heading in ("before", "after"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for group in groups:
        layers = group.name.split("+")
        rest = f" and {len(layers) - _MOST} more" if len(layers) > _MOST else ""
        cells = (
            " + ".join(layers[:_MOST]) + rest,
            f"{group.channels_before:,}",
            f"{group.channels_after:,}",
        )
        shown.add_row(*(Text(printable(cell)) for cell in cells))
    (console or stdout()).print(shown)
