"""``edgeprune compare``: what changed between two results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from edgeprune.cli.json_output import print_json
from edgeprune.cli.numbers import ShareOption
from edgeprune.cli.options.output import json_option, verbose_option
from edgeprune.cli.words import RESULT
from edgeprune.errors import ConfigError

if TYPE_CHECKING:
    from edgeprune.report.compare import Change
    from edgeprune.report.regressions import Limits


def _percent(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """A share in percent, as the comparison counts.

    Raises:
        ConfigError: It is negative.
    """
    if value is None:
        return None
    if value < 0:
        raise ConfigError(f"{option.opts[0]} must be 0% or more, got {100 * value:g}%")
    return round(100 * value, 9)  # 7% is 7 and not 7.000000000000001


@click.command(epilog="Example: edgeprune compare 12 digits-rpi4 --max-regression 5%")
@click.argument("a", type=RESULT)
@click.argument("b", type=RESULT)
@click.option(
    "--max-regression",
    type=ShareOption(),
    callback=_percent,
    help="Exit with 1 where B's deployed variant is worse by more than this, as 5% or 0.05 (of "
    "top-1 accuracy: points), and by more than chance, where that can be told.",
)
@click.option(
    "--max-more-instructions",
    type=ShareOption(),
    callback=_percent,
    help="The limit for instructions in place of --max-regression, as 0.1%: counts repeat, so that "
    "whatever is beyond 0.05% is found every time.",
)
@click.option("--across-devices", is_flag=True, help="Compare results of different devices.")
@verbose_option
@json_option
def compare(
    a: str,
    b: str,
    max_regression: float | None,
    max_more_instructions: float | None,
    across_devices: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Print what changed from result A to result B as Markdown.

    A and B are output folders, result.json files, or numbers of recorded runs, which `edgeprune
    report --history` lists.
    """
    from edgeprune.report.compare import are_different_models, compare
    from edgeprune.report.compare_markdown import context, markdown
    from edgeprune.report.regressions import Limits, regressions, unchecked
    from edgeprune.report.run_noise import noise_between, noise_text
    from edgeprune.report.source import find_result

    base, new = find_result(a), find_result(b)
    limits = Limits(max_regression, max_more_instructions)
    if limits.are_set and are_different_models(base.result, new.result):
        raise ConfigError(
            f"{base.result.model.path} and {new.result.model.path} are different models, and "
            "a limit takes two results of one model"
        )
    noise = noise_between(base.result, new.result)
    changes = compare(base.result, new.result, noise, across_devices=across_devices)
    worse, open_ = regressions(changes, limits), unchecked(changes, limits)
    wrong = limits.are_set and new.result.validity.verdict == "invalid"
    outcome = _outcome(worse, open_, limits)
    if as_json:
        print_json(
            {
                "a": base.name,
                "b": new.name,
                "changes": [vars(change) for change in changes],
                "context": context(base.result, new.result),
                "noise": None if noise is None else noise.as_dict(),
                "max_regression_percent": max_regression,
                "max_more_instructions_percent": max_more_instructions,
                "regressions": [_key(change) for change in worse],
                "unchecked": [_key(change) for change in open_],
            }
        )
    else:
        names = (base.name, new.name)
        notes = [*outcome, *noise_text(noise)]
        text = markdown(names, base.result, new.result, changes, notes, verbose=verbose)
        click.echo(text, nl=False)
    if worse or wrong:
        reason = "; ".join(outcome) if worse else f"{new.name}: its outputs are wrong"
        click.echo(f"edgeprune: {reason}", err=True)
        return 1
    if open_:
        raise ConfigError("; ".join(outcome))
    return 0


def _key(change: Change) -> str:
    """The figure's key, behind the output's name where there are several."""
    return f"{change.head}: {change.metric}" if change.head else change.metric


def _outcome(worse: list[Change], open_: list[Change], limits: Limits) -> list[str]:
    """What became of the limits, in sentences; none without one."""
    from edgeprune.report.compare_markdown import change_text, metric_name

    lines = [
        f"regression beyond {limits.of(one.metric):g}{' points' if one.is_in_points else '%'}: "
        f"{one.variant}: {metric_name(one)} {change_text(one)}"
        for one in worse
    ]
    lines += [
        f"the limit of {limits.of(one.metric):g}% could not be checked: {one.variant}: "
        f"{metric_name(one)}: {one.why}"
        for one in open_
    ]
    if lines or not limits.are_set:
        return lines
    whole = [] if limits.percent is None else [f"{limits.percent:g}%"]
    if limits.instructions_percent is not None:
        whole.append(f"{limits.instructions_percent:g}% of instructions")
    return [f"no regression beyond {', or '.join(whole)}"]
