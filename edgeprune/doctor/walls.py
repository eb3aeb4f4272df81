"""The walls around the child that loads a model: each tried from inside."""

from __future__ import annotations

from collections.abc import Iterator

from edgeprune.doctor.check import FAULTS, Check
from edgeprune.sandbox.switch import SANDBOX_SWITCH, is_on
from edgeprune.sandbox.tried import Tried, try_walls
from edgeprune.text.untrusted import reason_of

_FIX = (
    "open files of strangers on a machine where it holds: Linux 5.13 or later with Landlock, or "
    "with user namespaces allowed"
)


def wall_checks() -> Iterator[Check]:
    """One check a wall; none of them keeps a board from being used."""
    if not is_on():
        reason = f"switched off by {SANDBOX_SWITCH}"
        yield Check("walls", "missing", reason, "walls", f"unset {SANDBOX_SWITCH}")
        return
    try:
        tried = try_walls()
    except FAULTS as error:
        yield Check(
            "walls", "broken", reason_of(error), "walls", "report this: it is a fault of ours"
        )
        return
    yield from map(_check, tried)


def _check(tried: Tried) -> Check:
    name = f"wall: {tried.wall.name}"
    if tried.holds:
        return Check(name, "ok", tried.found, "walls")
    return Check(name, "missing", tried.found, "walls", _FIX)
