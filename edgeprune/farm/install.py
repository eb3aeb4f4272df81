"""What starts a plan's nights on this host: a systemd unit with its timer, or a line for cron.

Both start it every full hour from the evening until the morning: a night that is over ends at once,
and one whose host was off, or whose farm was killed, goes on. systemd starts a killed one again
within a minute by itself.
"""

from __future__ import annotations

import datetime
import grp
import os
import pwd
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeprune.errors import ConfigError
from edgeprune.farm.children import GRACE_S
from edgeprune.farm.plan import Plan, parse_time
from edgeprune.files import paths
from edgeprune.files.whole_file import write_whole

SPAN_H = 9
"""For how many hours a night without a deadline is begun, or gone on with. Source: ours."""

KEPT_VARIABLES = ("EDGEPRUNE_HOME", "EDGEPRUNE_CACHE", "EDGEPRUNE_BOARDS", "PATH")
"""What is written into the unit or line as it is now. Others, as ``EDGEPRUNE_HISTORY`` and
``EDGEPRUNE_WEBHOOK``, may be secret: they belong into the environment's own file."""

_GROUPS = ("dialout", "plugdev")
"""Debian's groups for serial ports and USB devices."""

_STOP_S = round(9 * GRACE_S)
"""How long systemd waits after SIGTERM: children get their grace, the history its transaction."""


@dataclass(frozen=True)
class Start:
    """How and when the nights of a plan start.

    Attributes:
        name: Of the plan.
        argv: What to run, all paths absolute.
        hours: Full hours at which to start, in their order from the evening on.
        minute: Minute of these hours.
        user: Who runs it.
        environment: Variables to set.
        secrets: File with further variables, a line each, which need not exist.
    """

    name: str
    argv: tuple[str, ...]
    hours: tuple[int, ...]
    minute: int
    user: str
    environment: Mapping[str, str]
    secrets: Path


def start_of(plan: Plan, bench: Path | None, at: str) -> Start:
    """How the nights of a plan start here: by this user, from this environment.

    Args:
        plan: Checked.
        bench: Bench file, or None for the user's own.
        at: Local time of the evening, as ``22:00``.

    Raises:
        ConfigError: ``at`` is no time, or a path holds a line break.
    """
    begins = parse_time(at)
    if begins is None:
        raise ConfigError(f"--at must be a local time as 22:00, got {at!r}")
    environment = {key: os.environ[key] for key in KEPT_VARIABLES if os.environ.get(key)}
    argv = [*_program(), "farm", "run", str(plan.file)]
    if bench is not None:
        argv += ["--bench", str(bench.absolute())]
    for text in (*argv, *environment.values()):
        if any(ord(letter) < 32 for letter in text):
            raise ConfigError(f"{text!r}: neither systemd nor cron takes a line break in a path")
    hours = _hours(begins, parse_time(plan.deadline or ""))
    user = pwd.getpwuid(os.getuid()).pw_name
    secrets = paths.config_folder().absolute() / "farm.env"
    minute = begins.minute
    return Start(plan.name, tuple(argv), hours, minute, user, environment, secrets)


def _hours(begins: datetime.time, ends: datetime.time | None) -> tuple[int, ...]:
    """The hours at which to start; the last one lies before the deadline."""
    first = 60 * begins.hour + begins.minute
    span = 60 * SPAN_H
    if ends is not None:
        span = (60 * ends.hour + ends.minute - first) % (24 * 60)
    return tuple((begins.hour + hour) % 24 for hour in range(max(1, -(-span // 60))))


def _program() -> tuple[str, ...]:
    """The edgeprune of this environment."""
    script = Path(sys.executable).with_name("edgeprune")
    if script.is_file():
        return (str(script),)
    return (sys.executable, "-P", "-m", "edgeprune")  # -P: no folder of that name gets in between


def units(start: Start) -> dict[str, str]:
    """A systemd service and its timer, by file name."""
    name = f"edgeprune-{start.name}"
    return {f"{name}.service": _service(start), f"{name}.timer": _timer(start)}


def _service(start: Start) -> str:
    known = {group.gr_name for group in grp.getgrall()}
    groups = " ".join(group for group in _GROUPS if group in known)
    lines = [
        "[Unit]",
        f"Description=edgeprune: the night of the plan {start.name}",
        "Wants=network-online.target",
        "After=network-online.target time-sync.target postgresql.service",
        "# A night that cannot even begin is tried ten times, then the next hour.",
        "StartLimitIntervalSec=30min",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=exec",
        f"User={start.user}",
        *([f"SupplementaryGroups={groups}"] if groups else []),
        *(f"Environment={quoted_word(f'{key}={value}')}"
          for key, value in start.environment.items()),
        "# Secrets, as EDGEPRUNE_HISTORY and EDGEPRUNE_WEBHOOK, NAME=value a line; chmod 600.",
        f"EnvironmentFile=-{str(start.secrets).replace('%', '%%')}",
        f"ExecStart={_command_line(start.argv)}",
        "# A killed night goes on. Exit code 1 is one that is over, with jobs that failed; 130 was",
        "# stopped.",
        "Restart=on-failure",
        "RestartPreventExitStatus=1",
        "SuccessExitStatus=130",
        "RestartSec=30",
        "# The farm ends its jobs itself, and they leave their devices as they were.",
        "KillMode=mixed",
        f"TimeoutStopSec={_STOP_S}",
        "# A job that takes all memory ends alone, and is tried again.",
        "OOMPolicy=continue",
        "# What may be taken away without losing USB, serial ports, adb, QEMU, or the walls around",
        "# models, which are namespaces. Which devices may be used, groups and udev's rules say.",
        "NoNewPrivileges=yes",
        "ProtectSystem=full",
        "ProtectControlGroups=yes",
        "ProtectKernelModules=yes",
        "RestrictSUIDSGID=yes",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _timer(start: Start) -> str:
    hours = ",".join(f"{hour:02d}" for hour in start.hours)
    lines = [
        "[Unit]",
        f"Description=edgeprune: when the night of the plan {start.name} begins or goes on",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {hours}:{start.minute:02d}:00",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def cron_line(start: Start) -> str:
    """A line for the user's crontab; a lock keeps two of them from running at once."""
    folder = paths.data_folder().absolute()
    hours = ",".join(map(str, start.hours))
    words = [_flock(), "-n", str(folder / f"{start.name}.lock"), *start.argv]
    assigned = [f"{key}={shlex.quote(value)}" for key, value in start.environment.items()]
    log = shlex.quote(str(folder / f"{start.name}.log"))
    command = " ".join([*assigned, shlex.join(words), ">>", log, "2>&1"])
    # In a crontab a bare % is a line break, whatever the shell's quotes say.
    return f"{start.minute} {hours} * * * {command}".replace("%", "\\%") + "\n"


def _flock() -> str:
    return shutil.which("flock") or "flock"


def _command_line(argv: tuple[str, ...]) -> str:
    """A command as a service runs it, without any shell.

    Raises:
        ConfigError: systemd cannot run a program of that name.
    """
    program, *arguments = argv
    if re.search(r"[\"'\\]", program):
        raise ConfigError(f"{program}: systemd runs no program with quotes or \\ in its path")
    words = [quoted_word(program), *(quoted_word(word).replace("$", "$$") for word in arguments)]
    return " ".join(words)


def quoted_word(text: str) -> str:
    r"""A word as a unit file takes it: specifiers and escapes doubled, in quotes if need be.

    >>> print(quoted_word('/my "net" 50%'), quoted_word("/plan.toml"))
    "/my \"net\" 50%%" /plan.toml

    Source: systemd.service(5), "Command lines", and systemd.unit(5), "Specifiers". ``$`` has a
    meaning in command lines alone, and none in the program's own name.
    """
    if re.fullmatch(r"[\w@:,./=+-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def write_units(start: Start, folder: Path) -> list[Path]:
    """Writes service and timer into a folder, in place of earlier ones.

    Raises:
        ConfigError: They cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror}") from error
    for name, text in units(start).items():
        write_whole(folder / name, text, replace=True)
        written.append(folder / name)
    return written
