"""The command line: one file a command, imported when it is named.

Exit codes: 0 ok, 1 a measured or checked condition failed, 2 wrong usage or input, 3 device or
transport trouble, 130 interrupted.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from edgeprune import __version__
from edgeprune.errors import EdgepruneError

COMMANDS = {
    "deploy": "Prune, quantize, push and measure a model on a board.",
    "compress": "The host half of deploy: model in, .tflite out.",
    "run": "The board half of deploy: measure a .tflite file.",
    "explain": "Say which layers will run sparse on a board, and why not.",
    "report": "Show an earlier result as tables and as a page.",
    "compare": "Compare two results, for a pull request.",
    "boards": "List the boards, or show one.",
    "devices": "List the devices on this desk, and trust their host keys.",
    "example": "Write an example model with its data.",
    "doctor": "Say what works on this machine, and how to mend the rest.",
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the overview without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: edgeprune deploy --board rpi4-emulated model.h5",
)
@click.version_option(__version__, prog_name="edgeprune")
def edgeprune() -> None:
    """Prune and quantize Keras models for a board, run them there, and prove what ran."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A farm's kill ends like Ctrl-C: open folders and devices are cleaned up."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Every error that edgeprune raises on purpose becomes one line on stderr and an exit code.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = edgeprune.main(args=argv, standalone_mode=False)
    except EdgepruneError as error:
        click.echo(f"edgeprune: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgeprune: interrupted; nothing was left behind", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:  # a full disk, say: nothing that a traceback would make clearer
        click.echo(f"edgeprune: {error}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
