"""What a device was doing when it, or the way to it, failed, or the user had enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgeprune.errors import DeviceError


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Adds to a DeviceError of the block, or to an interrupt, what was being done.

    >>> with doing("loading `dense`"):
    ...     raise DeviceError("pi-01: the ssh connection broke")
    Traceback (most recent call last):
    edgeprune.errors.DeviceError: pi-01: the ssh connection broke (while loading `dense`)
    """
    try:
        yield
    except DeviceError as error:
        reason = str(error) or "the device failed without a reason"
        error.args = (f"{reason} (while {what})", *error.args[1:])
        raise
    except KeyboardInterrupt as interrupt:
        interrupt.args = interrupt.args if str(interrupt) else (f"while {what}",)
        raise
