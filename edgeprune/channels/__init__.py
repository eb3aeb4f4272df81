"""Removes whole channels of a Keras model: what is left is a plain, smaller Keras model."""

from __future__ import annotations

from edgeprune.channels.criteria.base import Criterion, Scorer
from edgeprune.channels.evidence import Evidence
from edgeprune.channels.groups import Group, Member
from edgeprune.channels.macs import count_macs
from edgeprune.channels.masked import masked_dense
from edgeprune.channels.removal import ChannelRemoval, Removed, find_groups, prune_channels
from edgeprune.channels.rules.base import LayerCall, rule

__all__ = [
    "ChannelRemoval",
    "Criterion",
    "Evidence",
    "Group",
    "LayerCall",
    "Member",
    "Removed",
    "Scorer",
    "count_macs",
    "find_groups",
    "masked_dense",
    "prune_channels",
    "rule",
]
