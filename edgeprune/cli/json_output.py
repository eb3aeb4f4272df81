"""What ``--json`` puts on standard output: one document a command, also where the command fails."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from edgeprune.errors import ConfigError
from edgeprune.text.untrusted import printable

INTERRUPTED, INTERNAL_ERROR, USAGE_ERROR = "Interrupted", "InternalError", "UsageError"
"""Kinds of failures that are no class of :mod:`edgeprune.errors`."""


class _Standard:
    """Standard output of the command under way.

    Attributes:
        is_wanted: It takes JSON and nothing else.
        is_begun: A document was begun, so that a second one would spoil it.
    """

    is_wanted = False
    is_begun = False


def prepare(argv: Sequence[str]) -> None:
    """Looks for ``--json`` before anything is parsed, for what fails while it is parsed.

    >>> prepare(["report", "--", "--json"])
    >>> _Standard.is_wanted
    False
    """
    options = argv[: list(argv).index("--")] if "--" in argv else argv
    _Standard.is_wanted, _Standard.is_begun = "--json" in options, False


def print_json(value: Any) -> None:
    """Writes one JSON document to stdout."""
    text = json.dumps(value, indent=2, allow_nan=False)
    _Standard.is_begun = True
    sys.stdout.write(text + "\n")


def print_error(kind: str, message: str, exit_code: int) -> None:
    """Writes why the command fails as its JSON document, where ``--json`` asked for one.

    A command that has printed its document already, as ``compare`` has where a limit is broken,
    prints no second one.

    Args:
        kind: Class in :mod:`edgeprune.errors`, or one of the words above.
        message: One line.
        exit_code: What the command exits with.
    """
    if not _Standard.is_wanted or _Standard.is_begun:
        return
    error = {"kind": kind, "message": printable(" ".join(message.split())), "exit_code": exit_code}
    with contextlib.suppress(OSError, ConfigError, MemoryError):  # standard error has told it
        print_json({"error": error})
        sys.stdout.flush()
