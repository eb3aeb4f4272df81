"""``edgeprune.compare``: what changed between two results."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edgeprune.api import html
from edgeprune.api.deploying import Deployment
from edgeprune.errors import ConfigError
from edgeprune.report import compare as report
from edgeprune.report.compare import Change
from edgeprune.report.compare_markdown import change_text, context, markdown, metric_name
from edgeprune.report.regressions import Limits, regressions, unchecked
from edgeprune.report.run_noise import noise_between, noise_text
from edgeprune.report.source import find_result

ResultArgument = str | int | os.PathLike[str] | Deployment
"""An output folder, a ``result.json``, the number of a recorded run, or a deployment."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """What changed from one result to another; a notebook shows it as a table.

    Attributes:
        names: Of the two results.
        changes: Each figure of each variant in both, with the verdict.
        context: What else differs, and what speaks against either, in sentences.
        regressions: Figures that are worse by more than the limit, and than chance.
        unchecked: Figures that the limit could not be checked with.
        text: The same as Markdown, for a pull request.
    """

    names: tuple[str, str]
    changes: tuple[Change, ...]
    context: tuple[str, ...]
    regressions: tuple[Change, ...]
    unchecked: tuple[Change, ...]
    text: str

    @property
    def is_ok(self) -> bool:
        """Whether nothing is worse by more than the limit, and all of it could be checked."""
        return not self.regressions and not self.unchecked

    def __repr__(self) -> str:
        judged = [change for change in self.changes if change.verdict in ("better", "worse")]
        verdicts = "; ".join(_sentence(change) for change in judged) or "no difference shown"
        return f"<edgeprune.Comparison {self.names[0]} -> {self.names[1]}: {verdicts}>"

    def _repr_html_(self) -> str:
        rows = [
            [change.variant, metric_name(change), change_text(change), change.verdict]
            for change in self.changes
        ]
        notes = [*self.context, *(f"regression: {_sentence(one)}" for one in self.regressions)]
        return str(
            html.heading(f"{self.names[0]} to {self.names[1]}")
            + html.table(["network", "figure", "change", "verdict"], rows)
            + html.lines(notes)
        )


def compare(
    a: ResultArgument,
    b: ResultArgument,
    max_regression: float | None = None,
    across_devices: bool = False,
    max_more_instructions: float | None = None,
) -> Comparison:
    """What changed from result A to result B, as `edgeprune compare` tells it.

        edgeprune.compare(12, "digits-rpi4", max_regression=0.05).is_ok

    Args:
        a: The earlier result: see :data:`ResultArgument`.
        b: The later one.
        max_regression: Share by which B's deployed variant may be worse, as 0.05; None checks
            nothing.
        across_devices: Compare results of different devices.
        max_more_instructions: Share of instructions that B's deployed variant may need more, in
            place of ``max_regression``.

    Raises:
        ConfigError: There is no such result, they are of different devices, or a limit is
            negative.
    """
    limits = Limits(
        _percent("max_regression", max_regression),
        _percent("max_more_instructions", max_more_instructions),
    )
    sources = [find_result(_name(one)) for one in (a, b)]
    base, new = (source.result for source in sources)
    names = (sources[0].name, sources[1].name)
    noise = noise_between(base, new)
    changes = report.compare(base, new, noise, across_devices=across_devices)
    return Comparison(
        names,
        tuple(changes),
        tuple(context(base, new)),
        tuple(regressions(changes, limits)),
        tuple(unchecked(changes, limits)),
        markdown(names, base, new, changes, noise_text(noise)),
    )


def _percent(name: str, share: float | None) -> float | None:
    """A share in percent.

    Raises:
        ConfigError: It is negative.
    """
    if share is None:
        return None
    if not share >= 0:
        raise ConfigError(f"{name} must be 0 or more, got {share:g}")
    return round(100 * share, 9)


def _name(result: ResultArgument) -> str:
    return str(result.folder if isinstance(result, Deployment) else result)


def _sentence(change: Change) -> str:
    return f"{change.variant}: {metric_name(change)} {change_text(change)} ({change.verdict})"
