"""The kinds of values that a result holds; a figure that was not measured is None, never 0.

A key that results of older edgeprunes lack is ``UNSET`` where the file has none, so that a result
is written again exactly as it was read.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from msgspec import Meta, Struct, UnsetType

from edgeprune.tasks import METRICS

Text = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Meta(pattern="^[^/]")]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Interval = tuple[Positive, Positive]
MetricName = Annotated[str, Meta(extra_json_schema={"enum": list(METRICS)})]

Schema = dict[str, Any]
"""A fragment of a JSON Schema."""

_T = TypeVar("_T")


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object of ``result.json``.

    A subclass checks in ``__post_init__`` what holds between its values, by a ValueError that
    begins with the key (``.ci95: must be null``), and says the same in ``RULES`` for readers of the
    JSON Schema; ``tests/history/test_schema.py`` holds both against each other.
    """

    RULES: ClassVar[Schema] = {}


def known(value: _T | UnsetType | None) -> _T | None:
    """A value that may be absent or null, as None for both.

    >>> from msgspec import UNSET
    >>> known(UNSET), known(None), known(0)
    (None, None, 0)
    """
    return None if isinstance(value, UnsetType) else value


def when(condition: Schema, then: Schema, otherwise: Schema | None = None) -> Schema:
    """A rule of a JSON Schema: what holds for properties, where others are so."""
    rule: Schema = {"if": {"properties": condition}, "then": {"properties": then}}
    return rule if otherwise is None else rule | {"else": {"properties": otherwise}}


def all_of(*rules: Schema) -> Schema:
    """Rules that hold together."""
    return {"allOf": list(rules)}


IS_NULL: Schema = {"type": "null"}
IS_GIVEN: Schema = {"not": {"type": "null"}}


def check_null(name: str, value: object, is_given: bool, reason: str) -> None:
    """Checks that a value is there exactly where it can be.

    Args:
        name: Its key.
        value: None where it is not there.
        is_given: Whether it has to be there.
        reason: What that follows from, as a clause.

    Raises:
        ValueError: It is missing, or must not be there.
    """
    if (value is not None) != is_given:
        wanted = "a value" if is_given else "null"
        raise ValueError(f".{name}: must be {wanted}, since {reason}")


def check_metric(metric: str) -> None:
    """Checks that there is such a metric.

    Raises:
        ValueError: There is none of that name.
    """
    if metric not in METRICS:
        raise ValueError(f".metric: must be one of {', '.join(METRICS)}, got {metric!r:.80}")


def check_score(metric: str, value: float) -> None:
    """Checks a score's metric and range.

    Raises:
        ValueError: There is no such metric, or the score is not in its range.
    """
    check_metric(metric)
    if value < 0 and metric not in _MAY_BE_NEGATIVE:
        raise ValueError(f".value: must be 0 or more for {metric}, got {value}")
    if value > 1 and metric not in _MAY_BE_ABOVE_ONE:
        raise ValueError(f".value: must be 1 or less for {metric}, got {value}")


_MAY_BE_NEGATIVE = ("r2", "agreement")
_MAY_BE_ABOVE_ONE = ("mse", "mae", "rmse")

SCORE_RULES = all_of(
    when({"metric": {"enum": list(_MAY_BE_NEGATIVE)}}, {}, {"value": {"minimum": 0}}),
    when({"metric": {"enum": list(_MAY_BE_ABOVE_ONE)}}, {}, {"value": {"maximum": 1}}),
)
"""The same as :func:`check_score`."""
