"""Cores whose cycles are estimated, as data: ``cores/NAME.toml`` and ``fits.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgeprune.artifacts.core_work import Cache
from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_table, read_toml

_FOLDER = Path(__file__).parent
_CORES = _FOLDER / "cores"


@dataclass(frozen=True)
class Level:
    """A level of cache behind the first.

    Attributes:
        bytes: Its size.
        ways: Lines that a set holds.
        latency_cycles: What a load that finds its line there waits longer than one that finds it in
            the first level.
        line_cycles: What a line from there takes at least where many are fetched in a row.
    """

    bytes: int
    ways: int
    latency_cycles: float
    line_cycles: float


@dataclass(frozen=True)
class Memory:
    """Main memory behind the last level.

    Attributes:
        latency_ns: What a load waits that finds its line nowhere else.
        line_ns: What a line takes at least where many are fetched in a row.
    """

    latency_ns: float
    line_ns: float


@dataclass(frozen=True)
class Fit:
    """What of a class of cores is no datum but fitted to published measurements.

    Attributes:
        pipeline: Factor of the cycles of the pipelines.
        streamed: Factor of the cycles that streamed lines take, as far as nothing else hides them.
        other: Factor of what loads wait for other lines, as far as nothing else hides it.
        source: What they were fitted to.
        decides: Whether choices between kernels may rest on it: not where the models of pipelines
            are known to be wrong about some kernels and right about others.
        error: Share by which nine of ten estimates were wrong at most, on measurements that took no
            part in the fit; absent where none were compared.
    """

    pipeline: float
    streamed: float
    other: float
    source: str
    decides: bool = True
    error: float | None = None


@dataclass(frozen=True)
class Core:
    """A core on a typical chip.

    Attributes:
        name: As boards have it: ``cortex-a72``.
        fitted_as: Class of cores that share a :class:`Fit`, a table of ``fits.toml``.
        pipelines: LLVM's name of the scheduling model that stands for its pipelines.
        clock_hz: The chip's highest clock.
        l1: Its first level of data cache.
        l2: Its second.
        memory: What is behind the last level.
        source: Key of each number, as ``l2.ways``, or of each table of numbers, to its source.
        l3: Its third level, where it has one.
    """

    name: str
    fitted_as: str
    pipelines: str
    clock_hz: int
    l1: Cache
    l2: Level
    memory: Memory
    source: dict[str, str]
    l3: Level | None = None

    @property
    def caches(self) -> tuple[Cache, ...]:
        """Its levels, the nearest to the core first."""
        behind = [self.l2, *([] if self.l3 is None else [self.l3])]
        return (self.l1, *(Cache(level.bytes, level.ways) for level in behind))

    @property
    def fit(self) -> Fit:
        """What was fitted for its class.

        Raises:
            ConfigError: ``fits.toml`` lacks it, or is damaged.
        """
        return _fit(self.fitted_as)


def core_names() -> list[str]:
    """Cores whose cycles can be estimated."""
    return sorted(path.stem for path in _CORES.glob("*.toml"))


@cache
def load_core(name: str) -> Core | None:
    """A core; None where its cycles cannot be estimated.

    Raises:
        ConfigError: Its file is damaged.
    """
    path = _CORES / f"{name}.toml"
    return read_table(Core, read_toml(path), str(path)) if path.is_file() else None


@cache
def _fit(name: str) -> Fit:
    path = _FOLDER / "fits.toml"
    table = read_toml(path).get(name)
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: no table [{name}]")
    return read_table(Fit, table, f"{path}: [{name}]")
