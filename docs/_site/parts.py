"""All parts that recipes and board files name."""

from __future__ import annotations

from collections.abc import Iterable

from edgeprune.devices.boards import board_names, load_board
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.meters.base import METERS
from edgeprune.recipe.efforts import DEFAULT_EFFORT, EFFORTS
from edgeprune.recipe.quantize_table import MODES


def page() -> str:
    """Boards, transports, meters, efforts and number formats."""
    text = "## Boards\n\n| board | what it is | core | reached by | runtime | default recipe |\n"
    text += "| --- | --- | --- | --- | --- | --- |\n"
    for name in board_names():
        board = load_board(name)
        runtime = f"{board.runtime.use} {board.runtime.version}"
        cells = (f"`{name}`", board.vendor, board.cpu.core, board.transport.use, runtime)
        text += f"| {' | '.join(cells)} | `{board.recipe.default}` |\n"
    text += f"\n## Transports\n\n{_list(TRANSPORTS.names())}"
    text += f"\n## Meters\n\n{_list(METERS.names())}"
    text += f"\n## Number formats (`--quantize`)\n\n{_list(MODES)}"
    efforts = [f"{name} (the default)" if name == DEFAULT_EFFORT else name for name in EFFORTS]
    return text + f"\n## Efforts (`--effort`)\n\n{_list(efforts)}"


def _list(names: Iterable[str]) -> str:
    return "".join(f"- `{name}`\n" for name in names)
