"""The cells of ``published_latencies.toml``, those that factors may be fitted to told apart.

Within each chip cells are put in the order of the SHA-256 of their names: the first, the third and
so on may be fitted to, all others are held out. The rule was written before any estimate was made.
"""

import dataclasses
import hashlib
import tomllib
from pathlib import Path

TABLE = Path(__file__).with_suffix(".toml")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A published latency.

    Attributes:
        chip: Its key in the table.
        core: The core on that chip.
        clock_hz: The core's clock there.
        network: What ran.
        ms: The published latency.
        is_fitted: Whether factors may be fitted to it.
    """

    chip: str
    core: str
    clock_hz: int
    network: str
    ms: float
    is_fitted: bool

    @property
    def name(self) -> str:
        """Chip and network."""
        return f"{self.chip} {self.network}"


def cells() -> list[Cell]:
    """All cells, chip by chip."""
    tables = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    found = []
    for table in tables["tables"]:
        chip = tables["chips"][table["chip"]]
        about = (table["chip"], chip["core"], chip["clock_mhz"] * 1_000_000)
        some = [Cell(*about, name, ms, False) for name, ms in table["latency_ms"].items()]
        some.sort(key=lambda cell: hashlib.sha256(cell.name.encode()).digest())
        found += [dataclasses.replace(c, is_fitted=i % 2 == 0) for i, c in enumerate(some)]
    return found
