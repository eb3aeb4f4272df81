"""The criterion ``random``: what every other criterion has to beat."""

from __future__ import annotations

import zlib

import numpy as np

from edgeprune.channels.criteria.base import CRITERIA
from edgeprune.channels.evidence import Evidence, Scores
from edgeprune.channels.groups import Group


@CRITERIA.register
def random(group: Group, evidence: Evidence) -> Scores | None:
    """Uniform in [0, 1), from a seed that the group's name gives: the same at every call."""
    return np.random.default_rng(zlib.crc32(group.name.encode())).random(group.units)
