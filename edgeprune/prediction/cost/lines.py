"""Lines of a core's data caches that a kernel misses, as a function of its layer's shape.

A cache has a line still where little enough was touched since. So a kernel is described by its
touches (:mod:`.touches`): how many lines, and the bytes of all that is touched between a touch and
the one before. What of these a level misses follows from its size and its ways.

Source: Mattson et al. 1970, "Evaluation techniques for storage hierarchies", for reuse distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edgeprune.artifacts.core_work import Cache
from edgeprune.prediction.cost.microkernels import Call
from edgeprune.prediction.cost.touches import LINE, TOUCHES, Runs, Touch

SPREAD = 0.55
"""Standard deviation of the lines of a few arrays that a set of a cache holds.

Each array lies in one piece, so that sets hold as many lines of it as others do, or one more. Two
or three such arrays add up to this. Source: ours.
"""


class Lines(NamedTuple):
    """Lines that a level of data cache does not have, as predicted.

    Attributes:
        streamed: Lines beside one that was missed shortly before, which prefetchers foresee.
        other: All other lines.
    """

    streamed: float
    other: float


@dataclass(frozen=True)
class Surroundings:
    """What is touched between two inferences of a kernel.

    Attributes:
        caches: The core's levels, the nearest to it first.
        network_bytes: Of the network's weights and maps; infinite where only a layer is known.
    """

    caches: tuple[Cache, ...]
    network_bytes: float = math.inf


def missed_lines(call: Call, around: Surroundings) -> tuple[Lines, ...]:
    """Lines that each level misses in one call; none for a kernel whose touches nobody described.

    Args:
        call: A kernel, with the arguments of its function in ``touches``.
        around: What else the caches are for.
    """
    family, _, variant = call.kernel.partition(".")
    rule = TOUCHES.get(family)
    touches = [] if rule is None else rule(variant, call.arguments, around.caches)
    missed = [touch.lines for touch in touches]
    found = []
    for cache in around.caches:
        missed = [  # a level is asked for what the one before it misses
            min(lines, touch.lines * _share(touch, cache, around.network_bytes))
            for lines, touch in zip(missed, touches, strict=True)
        ]
        found.append(_sorted_out(missed, touches))
    return tuple(found)


def _sorted_out(missed: Sequence[float], touches: Sequence[Touch]) -> Lines:
    pairs = list(zip(missed, touches, strict=True))
    return Lines(
        sum(lines * touch.streamed for lines, touch in pairs),
        sum(lines * (1 - touch.streamed) for lines, touch in pairs),
    )


def _share(touch: Touch, cache: Cache, network_bytes: float) -> float:
    """Share of touches at which a cache has the line no longer: others filled its set since."""
    between = min(touch.bytes_between, network_bytes)
    if math.isinf(between):
        return 1.0
    if touch.runs is not None:
        crowded = between + touch.runs.bytes * (_crowding(touch.runs, cache) - 1)
        return _poisson_tail(cache.ways * crowded / cache.bytes, cache.ways)
    lines_in_set = cache.ways * between / cache.bytes
    return 0.5 * (1 + math.erf((lines_in_set - cache.ways) / SPREAD / math.sqrt(2)))


def _crowding(runs: Runs, cache: Cache) -> float:
    """How many times as many of the runs' lines a set holds that holds any, as sets do on average.

    >>> cache = Cache(32 << 10, 2)
    >>> _crowding(Runs(1e4, 2, 49), cache), _crowding(Runs(1e4, 2, 64), cache)
    (1.0, 32.0)
    """
    if not float(runs.stride).is_integer():
        return 1.0
    sets = cache.bytes // (cache.ways * LINE)
    return max(1.0, math.gcd(int(runs.stride), sets) / runs.lines)


def _poisson_tail(mean: float, least: int) -> float:
    """Probability of at least so many events where ``mean`` are expected.

    >>> round(_poisson_tail(1.0, 1), 3), round(_poisson_tail(2.0, 4), 3)
    (0.632, 0.143)
    """
    term = math.exp(-mean)
    below = term
    for count in range(1, least):
        term *= mean / count
        below += term
    return max(0.0, 1 - below)
