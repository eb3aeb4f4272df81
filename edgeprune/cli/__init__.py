"""The command line: one file a command, imported when it is named.

Exit codes: 0 ok, 1 a measured or checked condition failed, 2 wrong usage or input, 3 device or
transport trouble, 70 a fault of edgeprune itself, whose details are in a file, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from edgeprune.cli import crash, json_output
from edgeprune.console import interrupts, streams
from edgeprune.errors import DeviceError, EdgepruneError
from edgeprune.files.scratch import own_temporary_folder
from edgeprune.text.near_names import did_you_mean
from edgeprune.text.untrusted import printable
from edgeprune.version import __version__

COMMANDS = {
    "deploy": "Prune, quantize, push and measure a model on a board.",
    "compress": "The host half of deploy: model in, .tflite out.",
    "run": "The board half of deploy: measure a .tflite file.",
    "explain": "Say which layers will run sparse on a board, and why not.",
    "search": "Search the best networks of a model for some boards, and measure them.",
    "report": "Show an earlier result as tables and as a page.",
    "compare": "Compare two results, for a pull request.",
    "history": "Take runs out of the history or into it, and remove old ones.",
    "boards": "List the boards, or show one.",
    "devices": "List the devices on this desk, and trust their host keys.",
    "farm": "Measure many models on many devices, every night.",
    "firmware": "Flash a microcontroller, or take a network into a C project.",
    "kernels": "Write the library that brings edgeprune's own kernels to an app.",
    "example": "Write an example model with its data.",
    "doctor": "Say what works on this machine, and how to mend the rest.",
    "completion": "Print a script that lets a shell complete commands.",
    "docs": "Open the documentation, which needs no network.",
}
"""Every command with its line in the overview, so that ``--help`` imports none of them."""


class _Commands(click.Group):
    """Finds ``edgeprune/cli/<command>.py`` by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the overview."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command; None if there is no such one."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"edgeprune.cli.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"edgeprune.cli.{cmd_name} has no command of its name")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command of a command line.

        Raises:
            UsageError: There is none of that name; what may have been meant is asked.
        """
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}{did_you_mean(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands and options that begin so; no command is imported for that."""
        items = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; click itself would take any broken pipe for standard output's.

        Raises:
            DeviceError: The link to a device broke. Standard output bears it, see ``streams``.
        """
        try:
            return super().invoke(ctx)
        except ConnectionError as error:
            reason = error.strerror or error
            raise DeviceError(f"the connection to the device broke: {reason}; try again") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the overview without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: edgeprune deploy --board rpi4-emulated model.h5\n\n"
    "Exit codes: 0 ok, 1 a measured or checked condition failed, 2 wrong usage or input, 3 device "
    "or transport trouble, 70 a fault of edgeprune itself, 130 interrupted.",
)
@click.version_option(__version__, prog_name="edgeprune")
def edgeprune() -> None:
    """Prune and quantize Keras models for a board, run them there, and prove what ran."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Every error that edgeprune raises on purpose becomes one line on stderr and an exit code; any
    other one a line that names the file with its details, and exit code 70.
    """
    streams.prepare()
    crash.watch_threads()
    interrupts.install()
    arguments = sys.argv[1:] if argv is None else list(argv)
    json_output.prepare(arguments)
    try:
        code = _exit_code(arguments)
    except KeyboardInterrupt:  # a second one, while the first one was being told
        code = 130
    sys.exit(code)


def _exit_code(argv: list[str]) -> int:
    """Runs a command and tells what went wrong in one line."""
    try:
        with own_temporary_folder():
            code = edgeprune.main(args=argv, prog_name="edgeprune", standalone_mode=False)
        sys.stdout.flush()
    except EdgepruneError as error:
        return _failed(type(error).__name__, str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        json_output.print_error(json_output.USAGE_ERROR, error.format_message(), 2)
        return 2
    except (click.Abort, KeyboardInterrupt) as error:
        cause = error.__cause__ if isinstance(error, click.Abort) else error
        said = str(cause or "") or "nothing was left behind"
        line = interrupts.line(KeyboardInterrupt(said))
        return _failed(json_output.INTERRUPTED, line, interrupts.EXIT_CODE)
    except OSError as error:  # a full disk, say: nothing that a traceback would make clearer
        return _failed("OSError", _os_error(error), 2)
    except Exception as error:  # noqa: BLE001  # the last resort
        line = crash.report_crash(error, argv)
        json_output.print_error(json_output.INTERNAL_ERROR, line, crash.EXIT_CODE)
        return crash.EXIT_CODE
    return code if isinstance(code, int) else 0


def _failed(kind: str, text: str, code: int) -> int:
    """Tells why a command fails, in one line and, where it is asked for, as JSON.

    One line whatever a file's name or a device's words hold, so that nothing can forge another.
    """
    click.echo(f"edgeprune: {printable(' '.join(text.split()))}", err=True)
    json_output.print_error(kind, text, code)
    return code


def _os_error(error: OSError) -> str:
    """What the system refused, as a sentence."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    if isinstance(error, FileNotFoundError) and not _has_current_folder():
        return "the current folder has been deleted: change into another one"
    return reason


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
