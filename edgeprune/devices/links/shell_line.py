"""Command lines for a device's shell: one that runs exactly what was asked, one that ends it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from edgeprune.errors import ConfigError
from edgeprune.text.untrusted import device_says

STARTED = re.compile(rb"edgeprune:([0-9]{1,10})\n")
"""What a line prints before its program starts, with the number of its shell."""

WORDS_BYTES = 64 << 10
"""How much of the end of a program's standard error is kept."""


_HINTS = {
    126: "; it may not be run there: is its folder mounted noexec, or is this another processor? "
    "Name another `folder` in bench.toml, or another --board",
    127: "; the program, its loader or one of its libraries is missing there",
}
"""What a shell's status says. Source: POSIX.1-2017, Shell Command Language, 2.8.2."""


def ending(code: int, words: bytes | bytearray) -> str:
    r"""What a program that has ended left behind, for a message.

    Args:
        code: Its exit status as a shell gives it.
        words: The end of its standard error.

    >>> ending(139, b"out of\nmemory")
    'the program was ended by signal 11; the device says: "out of memory"'
    """
    how = f"was ended by signal {code - 128}" if code > 128 else f"ended with status {code}"
    said = device_says(words.decode(errors="replace"))
    return f"the program {how}; {said}" + _HINTS.get(code, "")


def shell_line(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    r"""The command line that makes any login shell run exactly ``argv``.

    It prints ``edgeprune:<its process number>`` before the program starts: what a login shell
    greets with ends there, and the number is what a kill needs. It stays the program's parent,
    so that a program ended by signal n is seen as exit status 128 + n.

    Raises:
        ConfigError: A token holds a newline or NUL or is not UTF-8, or a variable's name is none.

    >>> shell_line(["ls", "a b"])
    'exec sh -c \'echo edgeprune:$$; \'"\'"\'ls\'"\'"\' \'"\'"\'a b\'"\'"\'; exit $?\''
    """
    return "exec sh -c " + shlex.quote(f"echo edgeprune:$$; {_words(argv, env or {})}; exit $?")


def shell_line_with_status(
    argv: Sequence[str], env: Mapping[str, str], mark: str, *, reads_input: bool
) -> str:
    r"""As :func:`shell_line`, where output is all that comes back: no status, one stream.

    What the program prints on standard output is followed by ``mark``, its exit status, a newline,
    the end of what it printed on standard error, and ``mark`` again. Input that the program left
    is taken until the line's input closes: an adbd that can write no more of it closes the stream,
    and loses what was printed last.

    Args:
        argv: Program and arguments.
        env: Variables to set for it.
        mark: Word that the program will not print, as 16 random bytes in hex.
        reads_input: Hand the program the line's input, not an empty one.

    Raises:
        ConfigError: As for :func:`shell_line`.
    """
    source = "<&0" if reads_input else "</dev/null"
    words = _words(argv, env, f" {source} 2>&1 >&3 3>&-")
    told = f"{{ {words}; printf '%s%s\\n' {mark} $? >&3; }} | tail -c {WORDS_BYTES}; printf {mark}"
    told += "; exec cat >/dev/null" if reads_input else ""
    return "exec sh -c " + shlex.quote(f"echo edgeprune:$$; exec 3>&1; {told}")


def _words(argv: Sequence[str], env: Mapping[str, str], redirections: str = "") -> str:
    """The variables' exports and the quoted command."""
    for token in (*argv, *env.values()):
        if "\n" in token or "\0" in token:
            raise ConfigError(
                f"{token!r} holds a newline or NUL, which cannot be sent to a device: "
                "rename the file"
            )
        try:
            token.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"{token!r} is not UTF-8, which cannot be sent to a device: rename the file"
            ) from error
    for name in env:
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
            raise ConfigError(f"{name!r} is no name of an environment variable")
    exports = "".join(f"export {name}={shlex.quote(env[name])}; " for name in env)
    # shlex leaves harmless words bare; a bare `A=b` or `if` in the first place is not harmless.
    first = argv[0] if shlex.quote(argv[0]) == argv[0] else None
    words = shlex.join(argv) if first is None else f"'{first}' {shlex.join(argv[1:])}".rstrip()
    return exports + words + redirections


def kill_line(shell: int) -> str:
    """The command line that kills a shell and all that it started.

    OpenSSH makes every session a process group. Dropbear does not: there the tree is walked, each
    parent stopped first, so that it starts nothing more while its children are looked for.

    Args:
        shell: The number that :func:`shell_line` printed.
    """
    # /proc/PID/stat is "pid (any name) state ppid ...". Source: proc(5).
    tree = (
        'tree() { kill -STOP "$1"; for stat in /proc/[0-9]*/stat; do '
        '{ read -r line < "$stat"; } 2>/dev/null || continue; '
        "rest=${line##*) }; rest=${rest#? }; "
        '[ "${rest%% *}" != "$1" ] || tree "${line%% *}"; done; kill -9 "$1"; }'
    )
    script = f"kill -9 -{shell} 2>/dev/null || {{ {tree}; tree {shell}; }}"
    return "exec sh -c " + shlex.quote(script)
