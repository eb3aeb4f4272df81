"""Asks real devices whether they are there, and cycles their power by the configured command."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import secrets
from collections.abc import Mapping

from edgeprune.devices.boards import MICROCONTROLLER
from edgeprune.devices.transports.base import TRANSPORTS, command_transport, line_transport
from edgeprune.errors import EdgepruneError
from edgeprune.farm.executor import Sign
from edgeprune.farm.inventory import FarmDevice
from edgeprune.text.untrusted import one_line

_AT_ONCE = 16


class TransportProber:
    """Connects, and has the device repeat a word that nobody could guess."""

    def __init__(self, devices: Mapping[str, FarmDevice]) -> None:
        """``devices``: all of them, by name."""
        self._devices = devices
        self._threads = concurrent.futures.ThreadPoolExecutor(_AT_ONCE, "edgeprune-probe")

    async def probe(self, device: str, timeout_s: float) -> Sign:
        """Asks once; see :class:`edgeprune.farm.executor.Prober`."""
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._threads, ask, self._devices[device], timeout_s)
        try:
            async with asyncio.timeout(2 * timeout_s):
                return Sign(True, "") if not (why := await asked) else Sign(False, why)
        except TimeoutError:
            return Sign(False, f"it did not answer within {2 * timeout_s:g} s")

    async def power_cycle(self, device: str, timeout_s: float) -> str:
        """Runs the device's command, without any shell."""
        argv = self._devices[device].device.power_cycle
        if not argv:
            return ""
        try:
            program = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{argv[0]} could not be started: {one_line(error)}"
        try:
            async with asyncio.timeout(timeout_s):
                _, words = await program.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            return f"{argv[0]} did not end within {timeout_s:g} s and was killed"
        said = f": {one_line(words.decode('utf-8', 'replace'))}" if words.strip() else ""
        return f"{argv[0]} ended with exit code {program.returncode}{said}"


def ask(device: FarmDevice, timeout_s: float) -> str:
    """Why a device cannot be used now, in one line; empty if it can."""
    try:
        if device.board.kind == MICROCONTROLLER:
            with line_transport(device.board, device.device):
                return ""
        if TRANSPORTS.get(device.board.transport.use).shares_files:
            with command_transport(device.board, device.device):
                return ""  # it is this machine, which has nothing to be asked
        word = secrets.token_hex(8)
        with command_transport(device.board, device.device) as transport:
            answer = transport.run(["echo", word], timeout_s)
        if answer.code == 0 and answer.stdout.strip() == word:
            return ""
        return f"it answered {one_line(answer.stdout, 40)!r} with exit code {answer.code}"
    except EdgepruneError as error:
        return one_line(error)
    except Exception as error:  # noqa: BLE001  # a library's fault is no reason to end a night
        return f"{type(error).__name__}: {one_line(error)}"
