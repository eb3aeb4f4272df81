"""Which part of the data a folder or an array is by its name: train, val or test."""

from __future__ import annotations

import re

PARTS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""Words for the parts; ``val`` is a part to choose by, ``test`` one to score with."""

_FILLERS = frozenset(
    "set sets data dataset datasets split part folder image images img imgs samples".split()
)


def part_of(name: str) -> str | None:
    """The part that a name means, or None.

    Letter case, digits and words such as ``set`` do not matter.

    >>> [part_of(name) for name in ("Train", "VALID", "test_set", "trainset", "val2017", "cats")]
    ['train', 'val', 'test', 'train', 'val', None]
    """
    left = [word for word in _words(name) if word not in _FILLERS]
    return PARTS.get(_bare(left[0])) if len(left) == 1 else None


def holds_part(name: str) -> str | None:
    """The part that one of several words in a name means, as in ``seg_train``; or None.

    >>> holds_part("seg_train"), holds_part("trainer")
    ('train', None)
    """
    parts = {PARTS[word] for word in map(_bare, _words(name)) if word in PARTS}
    return parts.pop() if len(parts) == 1 else None


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^a-z]+", name.casefold()) if word]


def _bare(word: str) -> str:
    """``trainset`` without what says that it is a set."""
    for filler in ("dataset", "data", "set"):
        if word.endswith(filler) and word.removesuffix(filler) in PARTS:
            return word.removesuffix(filler)
    return word
