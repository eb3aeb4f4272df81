"""Every command, from click."""

from __future__ import annotations

import click
import docstrings

from edgeprune import cli


def page() -> str:
    """Every command with its arguments and options."""
    group = cli.edgeprune
    text = f"{_words(group.epilog or '')}\n"
    context = click.Context(group, info_name="edgeprune")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            text += _command(command, context, name, "##")
    return text


def _command(command: click.Command, parent: click.Context, name: str, level: str) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"\n{level} {context.command_path}\n\n{_words(command.help or '')}\n"
    text += f"\n```text\n{usage}\n```\n"
    example = (command.epilog or "").removeprefix("Example:").strip()
    if example and command.epilog != example:
        text += f"\nExample:\n\n```console\n$ {example}\n```\n"
    rows = [_row(option, context) for option in command.params if isinstance(option, click.Option)]
    if rows:
        text += "\n| option | what it does |\n| --- | --- |\n" + "".join(rows)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                text += _command(found, context, inner, f"{level}#")
    return text


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    if record is None:
        return ""
    names, words = record
    return f"| `{names.replace('|', ' or ')}` | {docstrings.cell(_escaped(words))} |\n"


def _words(text: str) -> str:
    """Help as click wraps it: paragraphs; one that starts with a backspace stays as it is."""
    parts = [part.strip("\b\n") for part in text.replace("\r", "").split("\n\n")]
    return "\n\n".join(_escaped(" ".join(part.split())) for part in parts)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*").replace("_", "\\_")
