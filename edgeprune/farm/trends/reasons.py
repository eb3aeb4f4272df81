"""What else changed where a figure did: runtime, system, agent, file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

NAMES = {
    "runtime": "runtime",
    "os": "operating system",
    "agent": "agent or firmware",
    "threads": "threads",
    "pinning": "pinning of the device",
}
"""Words for the keys of :func:`edgeprune.history.figures.conditions_of`."""


@dataclass(frozen=True)
class Night:
    """One figure of a series.

    Attributes:
        run_id: Number of the run in the history.
        time_utc: When it was recorded, ISO 8601.
        value: The figure.
        file_sha256: Digest of the file that was measured; empty where it is not known.
        conditions: What it was measured in, as JSON.
    """

    run_id: int
    time_utc: str
    value: float
    file_sha256: str
    conditions: str


FILE = "the model's file changed"
ACQUITTED = "not the model's file, which takes the same as the one before"
"""What side by side is no slower is no reason."""


def reasons(nights: Sequence[Night], first: int) -> list[str]:
    """What changed between the night before a change and its first one, in words.

    Args:
        nights: The series, oldest first.
        first: Index of the first night after the change.

    Returns:
        A phrase for each; none where nothing is known to have changed, so that the device has.
    """
    if not 0 < first < len(nights):
        return []
    before, after = nights[first - 1], nights[first]
    lines = []
    if before.file_sha256 != after.file_sha256:
        lines.append(FILE)
    old, new = _conditions(before.conditions), _conditions(after.conditions)
    for key in old | new:
        if old.get(key) != new.get(key):
            name = NAMES.get(key, key)
            lines.append(f"{name}: {old.get(key, 'not known')} to {new.get(key, 'not known')}")
    return lines


def _conditions(text: str) -> dict[str, str]:
    """Conditions as a table; empty where they cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
