"""What the farm and its hosts say to each other: JSON, checked on both sides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from edgeprune.farm.executor import Assignment
from edgeprune.version import __version__

PROTOCOL = 1
"""Rises with each change to what is said."""

MAX_TIMEOUT_S = 30 * 24 * 3600

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Message = TypeVar("Message")


class Announced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device of a host.

    Attributes:
        name: As the host's bench file calls it.
        board: Name of its board.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    board: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Hello(msgspec.Struct, frozen=True):
    """Who comes; further fields may follow in another protocol.

    Attributes:
        protocol: What it speaks.
        version: Of edgeprune there.
        host: What the host is called.
        devices: What the host has; empty where a device's own process comes.
    """

    protocol: int
    version: str
    host: str
    devices: tuple[Announced, ...] = ()


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file by its content.

    Attributes:
        name: Below the folder that it lies in, with ``/``.
        sha256: Of its content.
        size: In bytes.
    """

    name: str
    sha256: Digest
    size: Annotated[int, msgspec.Meta(ge=0)]


class Parcel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file or a folder that a job names.

    Attributes:
        use: ``model``, ``recipe`` or ``data``.
        name: Its own name.
        is_folder: Whether the files lie below it, or it is the only one.
        files: What it holds.
    """

    use: str
    name: str
    is_folder: bool
    files: tuple[File, ...]


class RemoteOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attempt at a job, for the process of its device.

    Attributes:
        assignment: The attempt.
        parcels: What it reads, by content.
    """

    assignment: Assignment
    parcels: tuple[Parcel, ...]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """About one device.

    Attributes:
        device: Its name with the farm.
        timeout_s: How long it may take.
    """

    device: str
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=MAX_TIMEOUT_S)]


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some bytes of a file.

    Attributes:
        sha256: Of the whole file.
        size: Of the whole file.
        offset: Where they belong.
    """

    sha256: Digest
    size: Annotated[int, msgspec.Meta(ge=0)]
    offset: Annotated[int, msgspec.Meta(ge=0)]


def device_name(plain: str, host: str) -> str:
    """What the farm calls a device of a host.

    >>> device_name("desk-pi", "lab1")
    'desk-pi@lab1'
    """
    return f"{plain}@{host}"


def is_host_name(name: str) -> bool:
    """Whether a host can be called so.

    >>> is_host_name("lab-1.example"), is_host_name("a@b"), is_host_name("")
    (True, False, False)
    """
    return _HOST.fullmatch(name) is not None


def faults_of(hello: Mapping[str, object] | str, name: str) -> tuple[Hello | None, str]:
    """What a worker says of itself, and why it is not let in.

    Args:
        hello: As it came.
        name: The name under which it comes.

    Returns:
        The hello, None where it is wrong; and the reason, empty where there is none.

    >>> faults_of("None", "x")[1]
    'it is no worker of an edgeprune farm'
    """
    try:
        said = msgspec.json.decode(str(hello), type=Hello)
    except (msgspec.MsgspecError, UnicodeError):
        return None, "it is no worker of an edgeprune farm"
    if (said.protocol, said.version) != (PROTOCOL, __version__):
        why = (
            f"it has edgeprune {said.version[:40]} (protocol {said.protocol}), and the farm "
            f"{__version__} (protocol {PROTOCOL}): install the same on both"
        )
        return None, why
    if not is_host_name(said.host) or name.rpartition("@")[2] != said.host:
        return None, f"{said.host[:80]!r} cannot be a host's name: letters, digits and . _ - can"
    return said, ""


def hello_of(host: str, devices: tuple[Announced, ...] = ()) -> str:
    """What this edgeprune says of itself."""
    return msgspec.json.encode(Hello(PROTOCOL, __version__, host, devices)).decode()
