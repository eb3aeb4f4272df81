"""``--max-accuracy-drop``: the one meaning of "so much may be lost", for everybody who asks."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgeprune.errors import ConfigError, ModelError
from edgeprune.tasks.head import Head, Task
from edgeprune.tasks.metrics import METRICS, score_text
from edgeprune.tasks.vocabulary import AGREEMENT
from edgeprune.text.share import WANTED, parse_share

ROUNDING = 1e-9
"""Two scores, subtracted, are off by less. Source: float64."""

EXACT = 1e-6
"""Errors below this share of the targets' size are none. Source: float32's precision."""


def parse_limit(text: str) -> float:
    """The accepted drop as a share.

    Args:
        text: ``1%``, or a share below 1 such as ``0.01``.

    Raises:
        ConfigError: It is no such number.

    >>> parse_limit("1%"), parse_limit("0.02")
    (0.01, 0.02)
    """
    try:
        share = parse_share(text)
    except ValueError as error:
        raise ConfigError(f"--max-accuracy-drop {text.strip()!r}: {error}") from error
    if not 0 <= share <= 1:
        raise ConfigError(f"--max-accuracy-drop {text.strip()!r}: {WANTED}")
    return share


def check_share(limit: float) -> None:
    """Checks a limit that comes from Python and not from :func:`parse_limit`.

    Raises:
        ConfigError: It lies outside [0, 1].
    """
    if not 0 <= limit <= 1:  # also false for NaN
        raise ConfigError(f"max_accuracy_drop must be a share in [0, 1], got {limit:g}")


def drop(head: Head, dense: float, now: float) -> float:
    """How much worse a score is than the dense network's; negative where it is better.

    In points (as a share of 1) for top-1 accuracy, else as a share of the dense network's score:
    of an error, by how much it rose. An error that float32 cannot tell from none counts as
    :data:`EXACT`.

    Args:
        head: What is scored.
        dense: The dense network's score.
        now: The other network's score, on the same samples. A score that is no number lost all.
    """
    metric = METRICS[head.metric]
    if math.isnan(now):
        return math.inf
    if metric.in_points:
        return dense - now
    if metric.higher_is_better:
        return (dense - now) / dense if dense > 0 else math.inf
    least = EXACT * max(head.scale, EXACT)
    floor = max(dense, least**2 if head.metric == "mse" else least)
    return (now - floor) / floor if now > dense else (now - dense) / floor


def worst_drop(
    task: Task, dense: Mapping[str, float], now: Mapping[str, float]
) -> tuple[Head, float]:
    """The head that lost most, and how much; see :func:`drop`.

    Args:
        task: The task.
        dense: The dense network's scores, by head.
        now: The other network's.
    """
    lost = [
        (head, drop(head, dense[head.name], now.get(head.name, math.nan)))
        for head in task.judged
        if head.name in dense
    ]
    return max(lost, key=lambda pair: pair[1])


def check_limit(task: Task, dense: Mapping[str, float]) -> None:
    """Checks that a limit means something beside the dense network's scores.

    Raises:
        ModelError: A score is no number, or one of which no share can be kept.
    """
    for head in task.judged:
        if head.name not in dense:
            continue
        score, metric = dense[head.name], METRICS[head.metric]
        where = f"{head.name}: " if len(task.judged) > 1 else ""
        if not math.isfinite(score):
            raise ModelError(
                f"--max-accuracy-drop: {where}the dense model's {metric.words} is no number on "
                "these test samples: give samples that hold the labels"
            )
        if metric.higher_is_better and not metric.in_points and score <= 0:
            others = " or --metric mae" if head.metric == "r2" else ""
            raise ModelError(
                f"--max-accuracy-drop: {where}the dense model's {metric.words} is {score:.4g} on "
                "the test samples, and no share of that can be kept: give data that the model was "
                f"trained for{others}, or leave the limit out"
            )


def limit_text(head: Head, dense: float, limit: float) -> str:
    """What a limit means for one head, in words."""
    metric = METRICS[head.metric]
    percent = f"{100 * limit:.6g}"
    if metric.in_points:
        points = "1 point" if percent == "1" else f"{percent} points"
        shown = f"{100 * dense:.4g}%"
        return f"at most {points} of {metric.words} below dense's {shown}"
    if head.metric == AGREEMENT:
        return f"at least {100 * (1 - limit):.6g}% {metric.words}"
    way = "below" if metric.higher_is_better else "above"
    return f"{metric.words} at most {percent}% {way} dense's {score_text(head.metric, dense)}"
