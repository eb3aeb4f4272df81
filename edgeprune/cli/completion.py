"""``edgeprune completion``: lets a shell complete commands, boards, recipes and devices."""

from __future__ import annotations

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.options.output import json_option
from edgeprune.cli.words import Word

VARIABLE = "_EDGEPRUNE_COMPLETE"
"""With it in the environment a command line is completed. Source: click, "Shell Completion"."""

FILES = {
    "bash": "~/.local/share/bash-completion/completions/edgeprune",
    "zsh": "a folder of $fpath, as _edgeprune",
    "fish": "~/.config/fish/completions/edgeprune.fish",
}
"""Where each shell looks for such a script by itself."""


@click.command(
    epilog="Example: edgeprune completion bash > "
    "~/.local/share/bash-completion/completions/edgeprune"
)
@click.argument("shell", type=Word(list(FILES)))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print a script for SHELL that completes what follows `edgeprune`.

    bash: eval "$(edgeprune completion bash)" in ~/.bashrc. zsh: the same with zsh in ~/.zshrc,
    behind compinit. fish: edgeprune completion fish > ~/.config/fish/completions/edgeprune.fish
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from edgeprune.cli import edgeprune

    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.UsageError(f"click writes no script for {shell}.")
    # Not the shell's own source(), which starts bash to ask for its version.
    script = ShellComplete.source(completion_class(edgeprune, {}, "edgeprune", VARIABLE))
    if as_json:
        print_json({"shell": shell, "script": script, "file": FILES[shell]})
    else:
        click.echo(script)
