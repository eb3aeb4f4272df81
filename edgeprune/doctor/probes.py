"""Tools, folders and files of this machine, each tried out."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgeprune.devices.bench import Bench, Device, load_bench
from edgeprune.devices.boards import board_names, load_board
from edgeprune.doctor.check import FAULTS, Check, checked, one_line
from edgeprune.errors import ConfigError, DeviceError
from edgeprune.files import paths

#: Compiled agents with the compiler's cache take 52 MB (measured, Debian 12), and a fetched runtime
#: 8 MB a processor; the rest is room for histories and models.
FREE_BYTES = 500_000_000

_TIMEOUT_S = 60.0
_QEMU = "qemu-aarch64"
_EMULATED = "rpi4-emulated"


def agent() -> str:
    """Starts the agent for this machine, compiled here unless the wheel has it, and hears it."""
    from edgeprune.agents import build
    from edgeprune.agents.session import start_agent
    from edgeprune.devices.transports.base import TRANSPORTS

    board = load_board("local")
    program = build.agent(board.agent.target)
    with TRANSPORTS.get("local")(board, Device(board.name, board.name)) as transport:
        with start_agent(transport, str(program)) as session:
            hello = session.hello()
    return f"version {hello.agent_version}, answers"


def bench(file: Path | None) -> tuple[Check, Bench]:
    """The bench file, and what it holds, which is nothing if it is wrong."""
    name = file or paths.config_folder() / "bench.toml"
    try:
        bench = load_bench(file)
        for device in bench.devices.values():
            if device.board not in board_names():
                raise ConfigError(f"{name}: devices.{device.name}: no board is {device.board!r}")
    except FAULTS as error:
        return Check("bench.toml", "broken", one_line(error), "ssh", f"correct {name}"), Bench()
    found = (
        ", ".join(sorted(bench.devices)) or "no device" if name.is_file() else "none, which is fine"
    )
    return Check("bench.toml", "ok", found, "ssh"), bench


def board_files() -> str:
    """Board files are there, and the one for this machine is right."""
    load_board("local")
    return f"{len(board_names())} boards"


def folder(name: str, where: Callable[[], Path]) -> Check:
    """A folder that must take files and have room."""

    def look() -> str:
        folder = where()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free_bytes = shutil.disk_usage(folder).free
        if free_bytes < FREE_BYTES:
            raise ValueError(
                f"{folder}: {free_bytes / 1e6:.0f} MB free, wanted {FREE_BYTES / 1e6:.0f}"
            )
        return f"{folder}, {free_bytes / 1e9:.1f} GB free"

    return checked(name, "local", look, "make room, or set EDGEPRUNE_HOME to another folder")


def ssh_config() -> str:
    """OpenSSH's own client file can be read, if there is one."""
    file = Path(os.path.expanduser("~/.ssh/config"))
    if not file.exists():
        return "none, which is fine"
    from edgeprune.devices.links.ssh.config import hosts_in

    return f"{file}, {len(hosts_in(file))} hosts"


def qemu_version() -> str:
    """The emulator is installed and says its version."""
    from edgeprune.devices.links.pipes import run_to_end

    _need_qemu()
    status, output, errors = run_to_end([_QEMU, "--version"], _TIMEOUT_S)
    if status != 0 or not output:
        raise DeviceError(f"{_QEMU} --version ended with {status}: {errors[:200]}")
    return output.splitlines()[0]


def arm64_libraries() -> str:
    """The C and C++ libraries of an Arm board, which emulated programs load."""
    from edgeprune.devices.transports.base import TRANSPORTS

    _need_qemu()
    board = load_board(_EMULATED)
    try:
        with TRANSPORTS.get("qemu")(board, Device(board.name, board.name)):
            return "libc6-arm64-cross and libstdc++6-arm64-cross"
    except DeviceError as error:
        raise FileNotFoundError(str(error)) from error


def phone_libraries() -> str:
    """The C and C++ libraries that are pushed to a phone."""
    from edgeprune.devices.toolchain import glibc

    try:
        return f"{len(glibc.bundle('aarch64'))} files in {glibc.folder('aarch64')}"
    except DeviceError as error:
        raise FileNotFoundError(str(error)) from error


def counting() -> str:
    """Runs the agent on the emulated core, with the plug-in that counts: all parts at once."""
    from edgeprune.agents import build
    from edgeprune.devices.transports.base import TRANSPORTS

    _need_qemu()
    board = load_board(_EMULATED)
    with TRANSPORTS.get("qemu")(board, Device(board.name, board.name)) as transport:
        program = build.agent(board.agent.target)
        channel = transport.start([str(program)], {}, count_instructions=True)
        count = channel.close(_TIMEOUT_S)
    if count is None:
        raise DeviceError(
            "an emulated program brought back no count: this qemu-aarch64 takes no plug-ins; "
            "Debian 12's, version 7.2, does"
        )
    return f"works: {count:,} instructions from an emulated agent's start to its end"


def _need_qemu() -> None:
    if shutil.which(_QEMU) is None:
        raise FileNotFoundError(f"{_QEMU} is not installed")
