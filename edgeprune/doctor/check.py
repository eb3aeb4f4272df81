"""What one check is, and how a failure becomes its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgeprune.errors import EdgepruneError
from edgeprune.text.untrusted import reason_of

State = Literal["ok", "missing", "broken"]

EVERY_BOARD = "local"
BENCH = "bench"
"""Scopes of checks that no transport owns; a transport's own have its name."""

NEEDED_FOR: dict[str, str] = {
    EVERY_BOARD: "every board",
    BENCH: "devices that have an address",
    "keras": "Keras and SavedModel files",
    "quantize": "--quantize",
    "example": "edgeprune example digits",
    "estimates": "estimated times of code that the shipped table lacks",
    "flash": "edgeprune firmware flash",
    "dask": "farms on several hosts",
    "build": "agents compiled from a checkout; the wheel carries them",
    "walls": "models of strangers: walls around the process that loads them",
}
"""What cannot be used without the checks of a scope; those of transports come beside these."""

#: What a broken installation, file or tool raises; anything else is a mistake of ours.
FAULTS = (EdgepruneError, OSError, ImportError, ValueError, AttributeError, KeyError)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: ``ok``, ``missing`` or ``broken``.
        found: What was found, or what is wrong.
        scope: What cannot be used without it: a key of :data:`NEEDED_FOR`, or a transport's name.
        fix: The command or the change that mends it; None if it is ok.
    """

    name: str
    state: State
    found: str
    scope: str
    fix: str | None = None


def checked(name: str, scope: str, look: Callable[[], str], fix: str) -> Check:
    """Runs one check; what it raises becomes its state.

    Args:
        name: What is looked at.
        scope: What cannot be used without it.
        look: Returns what was found; a file or module that is not there counts as missing.
        fix: The command or the change that mends it.
    """
    try:
        return Check(name, "ok", look(), scope)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        return Check(name, "missing", reason_of(error), scope, fix)
    except FAULTS as error:
        return Check(name, "broken", reason_of(error), scope, fix)
