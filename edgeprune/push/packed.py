"""Models over slow links: as ``.epz``, which the agent unpacks on the device."""

from __future__ import annotations

import os
import posixpath
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edgeprune.agents.start import start_agent
from edgeprune.devices.transports.base import CommandTransport
from edgeprune.errors import DeviceError
from edgeprune.models.epz import pack
from edgeprune.push import Pushed, find, push
from edgeprune.text.untrusted import device_says

_PAYS = 0.8  # a container that saves less is not worth the unpacking
_SLOW_S = 5.0  # packing takes the host some 3 s a MB, so a link that is quicker is left alone
_LEAST_BYTES = 1 << 16
_MAX_BYTES = 64 << 20  # packing more takes minutes
_LEAST_PROBE_BYTES, _MAX_PROBE_BYTES, _PROBE_S = 1 << 15, 1 << 18, 0.25


def push_models(
    transport: CommandTransport,
    agent: str,
    files: Sequence[Path],
    say: Callable[[str], None],
    timeout_s: float = 60.0,
) -> list[Pushed]:
    """Brings models to the device as :func:`edgeprune.push.push` does, packed where that pays.

    It does where the link would take more than 5 s for a file, and a container takes at most 0.8 of
    it. What arrives is the same file under the same name, checked with its whole SHA-256.

    Args:
        transport: Open.
        agent: The agent's path on the device.
        files: Files of the host.
        say: Told in one line what was packed.
        timeout_s: As for ``push``.

    Raises:
        EdgepruneError: As ``push`` does.
        DeviceError: The agent cannot unpack a file, or not to the right content.
    """
    if transport.shares_files or transport.board.agent.use == "python":  # which unpacks none
        return push(transport, files, timeout_s)
    pushed = []
    rate_bytes_s = 0.0
    for file in files:
        there, is_there = find(transport, file, timeout_s)
        size = file.stat().st_size
        if is_there or not _LEAST_BYTES <= size <= _MAX_BYTES:
            pushed += [there] if is_there else push(transport, [file], timeout_s)
            continue
        rate_bytes_s = rate_bytes_s or _rate_bytes_s(transport, timeout_s)
        packed = pack(file.read_bytes()) if size > _SLOW_S * rate_bytes_s else b""
        if packed and len(packed) <= _PAYS * size:
            pushed.append(_push_packed(transport, agent, file, packed, timeout_s))
            say(f"{file.name}: {size:,} bytes pushed as {len(packed):,} of .epz")
        else:
            pushed += push(transport, [file], timeout_s)
    return pushed


def _push_packed(
    transport: CommandTransport, agent: str, file: Path, packed: bytes, timeout_s: float
) -> Pushed:
    target, _ = find(transport, file, timeout_s)
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        container = Path(folder) / f"{file.name}.epz"
        container.write_bytes(packed)
        [arrived] = push(transport, [container], timeout_s)
    answer = transport.run(["mkdir", "-p", posixpath.dirname(target.path)], timeout_s)
    if answer.code:
        said = device_says(answer.stderr)
        raise DeviceError(f"{transport.where}: no folder for {target.path} can be made; {said}")
    try:
        with start_agent(transport, agent) as session:
            session.unpack(arrived.path, target.path, file.stat().st_size)
    finally:
        remove = 'rm -f "$1"; rmdir "${1%/*}"'
        with suppress(DeviceError):  # it would hide what went wrong, and costs some bytes there
            transport.run(["sh", "-c", remove, "sh", arrived.path], timeout_s)
    if not find(transport, file, timeout_s)[1]:
        raise DeviceError(
            f"{transport.where}: {target.path} was unpacked to another content than was packed"
        )
    return Pushed(target.path, target.sha256, arrived.moved_bytes, len(packed))


def _rate_bytes_s(transport: CommandTransport, timeout_s: float) -> float:
    """How fast the link carries what nothing on the way can compress.

    Tries twice as much as long as it takes no time worth measuring: buffers on the way swallow the
    first of it.
    """
    took_s, size = 0.0, _LEAST_PROBE_BYTES // 2
    with tempfile.TemporaryDirectory(prefix="edgeprune-") as folder:
        probe = Path(folder) / "probe"
        while took_s < _PROBE_S and size < _MAX_PROBE_BYTES:
            size *= 2
            probe.write_bytes(os.urandom(size))
            begun_s = time.monotonic()
            transport.upload(probe, "/dev/null", 0, timeout_s)
            took_s = time.monotonic() - begun_s
    return size / took_s
