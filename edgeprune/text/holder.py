"""Who has something, in one line for others: a device, or an output folder."""

from __future__ import annotations

import datetime
import getpass
import os
import re
import socket

from edgeprune.text.untrusted import one_line

_LINE = re.compile(
    r"[\w.-]{1,64}@[\w.-]{1,64} \(edgeprune [a-z]{1,16}, process \d{1,10}, "
    r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC\)"
)


def holder_line(command: str) -> str:
    """This process: ``anna@lab3 (edgeprune deploy, process 4711, since 2026-11-28 12:03 UTC)``.

    Args:
        command: As ``edgeprune deploy``.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        user = str(os.getuid())
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    who = f"{_word(user)}@{_word(socket.gethostname())}"
    return f"{who} ({command}, process {os.getpid()}, since {since})"


def shown_holder(line: str) -> str:
    """A holder's line as it came from elsewhere, for a message.

    >>> shown_holder("anna@lab3 (edgeprune run, process 12, since 2026-11-28 12:03 UTC)")
    'anna@lab3 (edgeprune run, process 12, since 2026-11-28 12:03 UTC)'
    >>> shown_holder("")
    'another run, which does not say whose'
    >>> shown_holder("you may go")
    'another run, which says: "you may go"'
    """
    if _LINE.fullmatch(line):
        return line
    words = one_line(line).replace('"', "'")
    return (
        f'another run, which says: "{words}"' if words else "another run, which does not say whose"
    )


def _word(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)[:64] or "unknown"
