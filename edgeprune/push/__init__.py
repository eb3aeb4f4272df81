"""Files onto the device: checked by content, resumed where they broke off, never half there.

A file lands in ``<folder>/<first 16 digits of its SHA-256>/<its own name>``: what is there already
is not sent again, and a library keeps the name that other files look for. On its way it is called
``<its own name>.<ours>.part``, where no other host and no other process of this one writes. The
device needs a POSIX shell and sha256sum, head, df, mv and mkdir; busybox will do.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.devices.transports.base import CommandTransport, Completed
from edgeprune.errors import ConfigError, DeviceError, DiskFull
from edgeprune.files.paths import real_path
from edgeprune.push.own_name import own_name
from edgeprune.text.untrusted import device_says, one_line

_KIB = "[0-9]{1,15}"
_SLOWEST_BYTES_S = 2_000_000  # a slow card hashes and stores at least this much a second
_HEX = "[0-9a-f]" * 16

# One line each: no device is sent a newline. What a script needs comes as $1, $2, ...
_FOLDER = re.compile(r"(/[^\x00-\x1f\x7f-\x9f]{0,4095})\n")
"""What a device may call a folder. Source: Linux, PATH_MAX."""

# `-mtime +1` is more than two whole days by POSIX, and more than one by toybox, to which `+0` is
# all that is older than a second.
_PREPARE = (
    'LC_ALL=C; export LC_ALL; for tool in sha256sum head df mv mkdir wc; do command -v "$tool" '
    '>/dev/null || { echo "lacks $tool" >&2; exit 3; }; done; '
    'case $1 in /*) ;; *) cd || exit;; esac; mkdir -p "$1" && cd "$1" && pwd -P || exit; '
    f"find . -path './{_HEX}/*.part' ! -path './*/*/*' -type f -mtime +1 "
    "-exec rm -f {} ';' 2>/dev/null || :"
)
# What a killed run left that is of no use to any other: probes, containers, files half unpacked.
_CLEAR = (
    'case $1 in /*) ;; *) cd || exit;; esac; cd "$1" || exit; '
    f"find . '(' -path './{_HEX}/probe.tflite' -o -path './{_HEX}/*.epz' "
    f"-o -path './{_HEX}/*.part[0-9]*' ')' ! -path './*/*/*' -type f "
    """-exec sh -c 'rm -f "$1"; rmdir "${1%/*}" 2>/dev/null' sh {} ';' 2>/dev/null || :"""
)
_LOOK = (
    'if [ -f "$1" ] && [ "$(wc -c < "$1")" -eq "$2" ]; then echo final "$(sha256sum < "$1")"; '
    '[ -z "$3" ] || [ -x "$1" ] || chmod 755 "$1"; fi; '
    'if [ -f "$4" ]; then echo part "$(wc -c < "$4")"; fi'
)
_MAKE_ROOM = (
    'LC_ALL=C; export LC_ALL; mkdir -p "$1" || exit; '
    'if [ "$3" -eq 0 ]; then rm -f "$2" && : > "$2" || exit; '
    'else echo prefix "$(head -c "$3" "$2" | sha256sum)"; fi; df -Pk "$1"'
)
_FINISH = (
    'sum=$(sha256sum < "$1") || exit; if [ "${sum%% *}" != "$3" ]; then rm -f "$1"; '
    'echo "arrived as ${sum%% *}" >&2; exit 4; fi; [ -z "$4" ] || chmod 755 "$1" || exit; '
    'if [ -d "$2" ]; then echo "$2 is a folder" >&2; exit 5; fi; '
    'sync "$1" 2>/dev/null || sync; mv -f "$1" "$2" || exit; '
    'sync "${2%/*}" 2>/dev/null || sync'
)


@dataclass(frozen=True)
class Pushed:
    """A file that is on the device.

    Attributes:
        path: Its absolute path there.
        sha256: Its content, as 64 hex digits.
        moved_bytes: How much of it had to be sent: 0 if it was there.
        packed_bytes: Size of the container that it was sent in, or None.
    """

    path: str
    sha256: str
    moved_bytes: int
    packed_bytes: int | None = None


def push(
    transport: CommandTransport, files: Sequence[Path], timeout_s: float = 60.0
) -> list[Pushed]:
    """Brings files to the device, unless they are there.

    Args:
        transport: Open.
        files: Files of the host; their names are kept, and whether they are executable.
        timeout_s: Bounds each stretch without progress, and each command on the device beside
            the time that a slow card needs for the file.

    Returns:
        One entry for each of ``files``, in order.

    Raises:
        ConfigError: A file cannot be read, or its name is one that no device is sent.
        DiskFull: The device has no room.
        DeviceTimeout: No progress within ``timeout_s`` seconds. What arrived is resumed next time.
        DeviceError: The device cannot store the file, or got another content.
    """
    hashes = [_sha256(file) for file in files]
    if transport.shares_files:
        return [
            Pushed(str(real_path(file)), digest, 0)
            for file, digest in zip(files, hashes, strict=True)
        ]
    folder = _prepare(transport, timeout_s)
    return [
        _push_one(transport, folder, file, digest, timeout_s)
        for file, digest in zip(files, hashes, strict=True)
    ]


def find(transport: CommandTransport, file: Path, timeout_s: float = 60.0) -> tuple[Pushed, bool]:
    """Where a file of the host lands on a device that shares none, and whether it is there whole.

    Raises:
        ConfigError: The file cannot be read.
        DeviceError: The device cannot be asked.
    """
    digest = _sha256(file)
    final = f"{_prepare(transport, timeout_s)}/{digest[:16]}/{file.name}"
    size = file.stat().st_size
    there = _look(transport, final, size, "", "", timeout_s + size / _SLOWEST_BYTES_S)
    return Pushed(final, digest, 0), f"final {digest}" in there.stdout


def clear_leftovers(transport: CommandTransport, timeout_s: float = 60.0) -> None:
    """Removes what killed runs left on the device; to be called by the holder of its lock.

    Raises:
        DeviceError: The way to the device broke.
    """
    if not transport.shares_files:
        _script(transport, _CLEAR, [_folder_of(transport)], timeout_s)


def _folder_of(transport: CommandTransport) -> str:
    """The folder to push to, absolute or below the login's home."""
    folder = transport.device.folder or transport.board.transport.folder
    if not folder:
        raise ConfigError(f"board {transport.board.name!r} has no transport.folder to push to")
    relative = re.sub(r"^~(/+|$)", "", folder) if folder.startswith("~") else folder
    if relative.startswith("~"):
        raise ConfigError(f"folder {folder!r}: of ~ names, only ~/ is understood")
    return relative if relative.startswith("/") else f"./{relative}"


def _prepare(transport: CommandTransport, timeout_s: float) -> str:
    """Makes the folder, clears it of what broke off days ago, and says where it is."""
    target = _folder_of(transport)
    answer = _script(transport, _PREPARE, [target], timeout_s)
    if answer.code == 3 and "lacks" in answer.stderr:
        tool = one_line(answer.stderr.rpartition("lacks")[2], 20)
        raise DeviceError(f"{transport.where} lacks {tool}, which pushing needs: install it")
    match = _FOLDER.match(answer.stdout)
    if answer.code or match is None:
        raise _failed(transport, f"cannot make its folder {target}", answer)
    return match[1]


def _push_one(
    transport: CommandTransport, folder: str, file: Path, digest: str, timeout_s: float
) -> Pushed:
    size = file.stat().st_size
    executable = "x" if os.access(file, os.X_OK) else ""
    final = f"{folder}/{digest[:16]}/{file.name}"
    patience_s = timeout_s + size / _SLOWEST_BYTES_S
    there = _look(transport, final, size, executable, "", patience_s)
    if f"final {digest}" in there.stdout:
        return Pushed(final, digest, 0)
    with own_name(transport.where) as ours:
        part = f"{final}.{ours}.part"
        return _send(transport, file, Pushed(final, digest, size), part, timeout_s)


def _send(
    transport: CommandTransport, file: Path, wanted: Pushed, part: str, timeout_s: float
) -> Pushed:
    """Sends what is missing of a file; ``wanted``: with all of it moved."""
    final, digest, size = wanted.path, wanted.sha256, wanted.moved_bytes
    place = final.rpartition("/")[0]
    executable = "x" if os.access(file, os.X_OK) else ""
    patience_s = timeout_s + size / _SLOWEST_BYTES_S
    there = _look(transport, final, size, executable, part, patience_s)
    if f"final {digest}" in there.stdout:  # another process of ours was faster
        return Pushed(final, digest, 0)
    match = re.search(r"^part +([0-9]{1,18})$", there.stdout, re.MULTILINE)
    offset = int(match[1]) if match else 0
    if offset > size:  # no beginning of this file
        offset = 0
    room = _make_room(transport, place, part, offset, patience_s)
    if offset and f"prefix {_sha256(file, offset)}" not in room.stdout:
        offset = 0
        room = _make_room(transport, place, part, 0, patience_s)
    _check_room(transport, place, room.stdout, size - offset)
    try:
        transport.upload(file, part, offset, timeout_s)
    except DiskFull:
        _script(transport, 'rm -f "$1"', [part], timeout_s)  # a full disk wants every byte back
        raise
    answer = _script(transport, _FINISH, [part, final, digest, executable], 2 * patience_s)
    if answer.code == 4:
        raise DeviceError(
            f"{transport.where}: {file.name}: {device_says(answer.stderr)}, not {digest}: removed "
            "there; was it changed meanwhile, or is the device's storage failing?"
        )
    if answer.code:
        raise _failed(transport, f"cannot store {final}", answer)
    return Pushed(final, digest, size - offset)


def _look(
    transport: CommandTransport, final: str, size: int, executable: str, part: str, timeout_s: float
) -> Completed:
    """The hash of what is there, and how much of a part, if one is named."""
    there = _script(transport, _LOOK, [final, str(size), executable, part], timeout_s)
    if there.code:
        raise _failed(transport, f"cannot read {final}", there)
    return there


def _make_room(
    transport: CommandTransport, place: str, part: str, offset: int, timeout_s: float
) -> Completed:
    """An empty part, or the hash of the one to resume; then the file system's state."""
    answer = _script(transport, _MAKE_ROOM, [place, part, str(offset)], timeout_s)
    if answer.code:
        raise _failed(transport, f"cannot write to {place}", answer)
    return answer


def _check_room(transport: CommandTransport, place: str, report: str, needed: int) -> None:
    """Compares with the fourth column of ``df -Pk``: what is free, in KiB.

    Source: POSIX.1-2017, df, -P.
    """
    columns = re.search(rf"\s{_KIB}\s+{_KIB}\s+(-?{_KIB})\s+(?:[0-9]{{1,4}}%|-)\s+/", report)
    if columns is None:
        said = device_says(report)
        raise DeviceError(f"{transport.where}: `df -Pk {place}` says nothing usable; {said}")
    free = max(0, int(columns[1])) * 1024
    if free < needed:
        raise DiskFull(
            f"{transport.where}: {place} has {free:,} bytes free, and {needed:,} are needed: "
            "free some, or name another `folder` in bench.toml"
        )


def _script(
    transport: CommandTransport, script: str, arguments: Sequence[str], timeout_s: float
) -> Completed:
    return transport.run(["sh", "-c", script, "sh", *arguments], timeout_s)


def _failed(transport: CommandTransport, what: str, answer: Completed) -> DeviceError:
    words = device_says(answer.stderr) if answer.stderr.strip() else f"exit status {answer.code}"
    return DeviceError(
        f"{transport.where}: {what}; {words}; if that is no place to write, name another "
        "`folder` in bench.toml"
    )


def _sha256(file: Path, size: int | None = None) -> str:
    """SHA-256 of a file, or of its first ``size`` bytes, as hex digits.

    Raises:
        ConfigError: The file cannot be read.
    """
    digest = hashlib.sha256()
    left = size
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20 if left is None else min(left, 1 << 20)):
                digest.update(chunk)
                left = None if left is None else left - len(chunk)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    return digest.hexdigest()
