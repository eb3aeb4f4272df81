"""The file that was timed in turns with a result's variants: it tells the device's part.

What makes a device slower for an hour makes it slower for every file; a file that never changes
shows by how much. ``edgeprune run --control FILE`` times one; a deployment has its dense network.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import PurePath

from edgeprune.history.figures import conditions_of
from edgeprune.history.result import Result, known

MAX_CHANGE = 0.1
"""How far a control may change, as a share: beyond it more has changed than a clock, and different
files feel that differently. Source: ours."""


@dataclass(frozen=True)
class Control:
    """A file beside which others were timed.

    Attributes:
        name: For people.
        sha256: Digest of the file.
        median_us: Median of its sessions' medians, in microseconds.
    """

    name: str
    sha256: str
    median_us: float


def common_control(base: Result, new: Result) -> tuple[Control, Control] | None:
    """The controls of two results, where they are one file in the same conditions on one device."""
    controls = [_control_of(each) for each in (base, new)]
    places = [(each.board, each.device.id, conditions_of(each)) for each in (base, new)]
    one, other = controls
    if one is None or other is None or one.sha256 != other.sha256 or places[0] != places[1]:
        return None
    return one, other


def _control_of(result: Result) -> Control | None:
    """The control of a result, or None."""
    timed = known(result.control)
    if timed is not None:
        name, median_us = PurePath(timed.path).name, statistics.median(timed.sessions_us)
        return Control(name, timed.sha256, median_us)
    dense, *others = result.variants
    sha256 = known(dense.sha256)
    if dense.name != "dense" or not others or sha256 is None or dense.median_us is None:
        return None
    return Control("the dense network", sha256, dense.median_us)
