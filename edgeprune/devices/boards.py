"""Boards as data: ``boards/<name>.toml`` read into a frozen :class:`Board`."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.files.tables import read_table, read_toml
from edgeprune.registry import part_names
from edgeprune.text.near_names import did_you_mean, file_beside

KINDS = ("host", "linux", "android", "emulated", "microcontroller")
"""What kind of machine a board is; ``emulated`` is one that runs commands under QEMU's user mode.

Whether a microcontroller is an emulated one, its transport says (``Transport.emulated``).
"""

MICROCONTROLLER = "microcontroller"

AGENTS = {
    "native": "litert",
    "python": "tflite-runtime",
    "firmware": "edgeprune-firmware",
}
"""Our programs on boards, each with the runtime that it opens.

``native`` is the C program in ``device_agents/native`` with the library of the ``ai-edge-litert``
wheel, ``python`` the package in ``device_agents/python`` with the wheel of ``tflite-runtime``.
``firmware`` is the program in ``firmware/``, which is agent and runtime in one.
"""

RUNTIMES = tuple(AGENTS.values())

_ENDING = ".toml"


@dataclass(frozen=True)
class Cpu:
    """The cores that run the model.

    Attributes:
        core: The maker's spelling, lower case: ``cortex-a72``; ``host`` where it is detected.
        isa: ``aarch64``, ``armv7l``, ``x86_64``, ``armv7e-m`` and the like of microcontrollers, or
            ``host`` where it is detected.
        features: Features that choose kernels, spelt as Linux does: ``asimd``, ``asimddp``; of a
            microcontroller ``dsp`` and ``mve``.
        cores: Number of them; absent where it is detected.
        clock_hz: Highest clock; absent where it is detected or means nothing.
    """

    core: str
    isa: str
    features: tuple[str, ...]
    cores: int | None = None
    clock_hz: int | None = None

    @property
    def is_microcontroller(self) -> bool:
        """Whether it is of Arm's M profile, on which our firmware runs."""
        return self.isa.startswith("armv") and self.isa.endswith("-m")


@dataclass(frozen=True)
class Runtime:
    """The inference runtime that runs on the board.

    Attributes:
        use: One of :data:`RUNTIMES`.
        version: The wheel's version; of ``tflite-runtime``, the newest that is taken; of the
            firmware, the version of the plans that it runs.
        sha256: Digest of ``libLiteRt.so``, or of the wheel of ``tflite-runtime``; absent where it
            is one that edgeprune knows (``edgeprune/agents/runtime_hashes.toml``).
    """

    use: str
    version: str
    sha256: str | None = None

    @property
    def has_xnnpack(self) -> bool:
        """Whether it runs XNNPACK's kernels; the wheels of ``tflite-runtime`` for Arm hold none."""
        return self.use == "litert"


@dataclass(frozen=True)
class Agent:
    """Our program on the board.

    Attributes:
        use: One of :data:`AGENTS`.
        target: Compiler target: ``aarch64-linux-gnu``, or ``host``; for the agent in Python, what
            the board's own Python is called: ``python3``; for firmware, the folder of its port
            below ``firmware/ports``.
    """

    use: str
    target: str


@dataclass(frozen=True)
class TransportTable:
    """How the board is reached.

    Attributes:
        use: Name of a file in ``edgeprune/devices/transports``.
        folder: Where pushed files go on the device; absent where the files are shared.
    """

    use: str
    folder: str | None = None


@dataclass(frozen=True)
class Flash:
    """How firmware comes onto a board as sold.

    Attributes:
        use: Name of a file in ``edgeprune/devices/flashers``.
        target: The chip, as that calls it.
    """

    use: str
    target: str


@dataclass(frozen=True)
class Memory:
    """Memory as sold.

    Attributes:
        ram_bytes: Main memory.
        flash_bytes: Memory that keeps firmware and plans; absent where there is a file system.
        plan_bytes: What the firmware leaves of it to one plan: a slot without its first page.
        arena_bytes: What the firmware leaves of ``ram_bytes`` to one network's arena.
    """

    ram_bytes: int
    flash_bytes: int | None = None
    plan_bytes: int | None = None
    arena_bytes: int | None = None


@dataclass(frozen=True)
class Meters:
    """What measures energy.

    Attributes:
        use: Names of meters that fit the board, the best first; empty if it has none.
        missing: Why it has none, and what to buy.
    """

    use: tuple[str, ...]
    missing: str = ""


@dataclass(frozen=True)
class Recipe:
    """What is done when the user names no recipe.

    Attributes:
        default: Name of a shipped recipe.
    """

    default: str


@dataclass(frozen=True)
class Board:
    """One kind of board, as its maker sells it; nothing here is about one desk.

    Attributes:
        schema: Version of this format: 1.
        name: Equals the file's stem.
        vendor: Who makes it.
        kind: One of :data:`KINDS`.
        cpu: Its cores.
        runtime: Its inference runtime.
        transport: How it is reached.
        agent: Our program on it.
        meters: What measures its energy.
        recipe: Its default recipe.
        source: Key of each hardware number, as ``memory.ram_bytes``, to its source.
        memory: Absent where it is detected.
        flash: Absent where nothing is flashed.
    """

    schema: int
    name: str
    vendor: str
    kind: str
    cpu: Cpu
    runtime: Runtime
    transport: TransportTable
    agent: Agent
    meters: Meters
    recipe: Recipe
    source: dict[str, str]
    memory: Memory | None = None
    flash: Flash | None = None


def resolved_cpu(cpu: Cpu) -> Cpu:
    """``cpu`` itself, or this machine's where the board file says ``host``.

    Features are the kernel's words in ``/proc/cpuinfo``; empty where there is no such file.
    """
    if cpu.isa != "host":
        return cpu
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = next((ln for ln in lines if ln.lower().startswith(("flags", "features"))), ":")
    isa = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    return Cpu("host", isa, tuple(words.partition(":")[2].split()), os.cpu_count())


def parse_board(raw: dict[str, object], where: str, stem: str) -> Board:
    """Checks a parsed TOML table and freezes it.

    Args:
        raw: The parsed file.
        where: The file, for messages.
        stem: What ``name`` must equal.

    Raises:
        ConfigError: A key is missing, unknown or of the wrong type, a number has no source, or a
            value is impossible. All faults are in one message, which names file and keys.
    """
    board = read_table(Board, raw, where)
    wrong = []
    if board.schema != 1:
        wrong.append(f"schema must be 1, got {board.schema}")
    if board.name != stem:
        wrong.append(f"name {board.name!r} must equal the file's stem {stem!r}")
    if board.kind not in KINDS:
        hint = did_you_mean(board.kind, KINDS)
        wrong.append(f"kind {board.kind!r} must be one of {', '.join(KINDS)}{hint}")
    wrong += _part_faults(board) + _runtime_faults(board) + _memory_faults(board)
    numbers = {"cpu.cores": board.cpu.cores, "cpu.clock_hz": board.cpu.clock_hz}
    if board.memory is not None:
        numbers["memory.ram_bytes"] = board.memory.ram_bytes
        numbers["memory.flash_bytes"] = board.memory.flash_bytes
        numbers["memory.plan_bytes"] = board.memory.plan_bytes
        numbers["memory.arena_bytes"] = board.memory.arena_bytes
    for key, value in numbers.items():
        if value is not None and value <= 0:
            wrong.append(f"{key} must be > 0")
        if value is not None and key not in board.source:
            wrong.append(f"{key} has no entry in [source]")
    known = {key for key, value in numbers.items() if value is not None}
    wrong += [f"source {key!r} names no number" for key in sorted(set(board.source) - known)]
    if wrong:
        raise ConfigError(f"{where}: " + "; ".join(wrong))
    return board


def _no_part(kind: str, key: str, name: str, names: Collection[str]) -> str:
    hint = did_you_mean(name, names)
    return f"{key}: no {kind} is called {name!r}; there are: {', '.join(names)}{hint}"


def _part_faults(board: Board) -> list[str]:
    """Names of parts that there are not: their folders are read, none is imported."""
    wrong = []
    transports = part_names("edgeprune.devices.transports")
    if board.transport.use not in transports:
        wrong.append(_no_part("transport", "transport.use", board.transport.use, transports))
    flashers = part_names("edgeprune.devices.flashers")
    if board.flash is not None and board.flash.use not in flashers:
        wrong.append(_no_part("flasher", "flash.use", board.flash.use, flashers))
    meters = part_names("edgeprune.meters")
    wrong += [
        _no_part("meter", "meters.use", meter, meters)
        for meter in board.meters.use
        if meter not in meters
    ]
    return wrong


def _runtime_faults(board: Board) -> list[str]:
    """What is wrong with the runtime and the agent that opens it."""
    wrong = []
    if AGENTS.get(board.agent.use) != board.runtime.use:
        pairs = ", ".join(f"{agent} with {runtime}" for agent, runtime in AGENTS.items())
        wrong.append(
            f"agent.use {board.agent.use!r} with runtime.use {board.runtime.use!r} must be one "
            f"of {pairs}"
        )
    if (board.kind == MICROCONTROLLER) != (board.agent.use == "firmware"):
        wrong.append(
            f"kind {board.kind!r} with agent.use {board.agent.use!r}: a {MICROCONTROLLER} runs "
            "firmware, and nothing else does"
        )
    if (board.kind == MICROCONTROLLER) != board.cpu.is_microcontroller:
        wrong.append(
            f"kind {board.kind!r} with cpu.isa {board.cpu.isa!r}: a {MICROCONTROLLER} has one of "
            "Arm's M profile, as armv7e-m, and nothing else has"
        )
    digest = board.runtime.sha256
    if digest is not None and not re.fullmatch("[0-9a-f]{64}", digest):
        wrong.append(f"runtime.sha256 {digest!r} must be 64 hex digits")
    return wrong


_NEEDED = {
    "flash_bytes": "plans of a microcontroller lie there",
    "plan_bytes": "its port says it: slot_bytes less page_bytes",
    "arena_bytes": "its port says it: arena_bytes",
}
"""Keys of ``[memory]`` that a microcontroller must have, and why or where from."""


def _memory_faults(board: Board) -> list[str]:
    """What is wrong with the memory that firmware leaves to a network."""
    if board.kind != MICROCONTROLLER:
        return []
    memory = board.memory
    wrong = [
        f"missing 'memory.{key}': {why}"
        for key, why in _NEEDED.items()
        if getattr(memory, key, None) is None
    ]
    if memory is None or wrong:
        return wrong
    if 2 * (memory.plan_bytes or 0) > (memory.flash_bytes or 0):
        wrong.append("memory.plan_bytes must leave room for two in memory.flash_bytes")
    if (memory.arena_bytes or 0) > memory.ram_bytes:
        wrong.append("memory.arena_bytes must be at most memory.ram_bytes")
    return wrong


def load_board(name: str) -> Board:
    """Reads ``<name>.toml`` from the first folder that has it, or the file that ``name`` is.

    Args:
        name: A board's name; or a path, which ends in ``.toml``.

    Raises:
        ConfigError: No such file in any folder, or the file is wrong.
    """
    if name.endswith(_ENDING):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"--board {name}: no such file{file_beside(path)}")
        return parse_board(read_toml(path), str(path), path.stem)
    for folder in _folders():
        path = folder / f"{name}.toml"
        if path.is_file():
            return parse_board(read_toml(path), str(path), path.stem)
    names = board_names()
    raise ConfigError(
        f"no board is called {name!r}; there are: {', '.join(names)}, and .toml files"
        f"{did_you_mean(name, names)}"
    )


def board_files(name: str) -> tuple[Path, ...]:
    """The file that a board's name is, where it is one."""
    return (Path(name),) if name.endswith(_ENDING) else ()


def board_names() -> list[str]:
    """Names of every board found in any folder."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")})


def own_folder() -> Path | None:
    """The folder of the user's own boards, ``EDGEPRUNE_BOARDS``; None where that names none."""
    named = os.environ.get("EDGEPRUNE_BOARDS")
    return Path(named).absolute() if named else None


def _folders() -> list[Path]:
    """Where board files live; the first hit wins: the user's own folder, then the shipped one."""
    own = own_folder()
    return [*([own] if own else []), paths.shipped("boards")]
