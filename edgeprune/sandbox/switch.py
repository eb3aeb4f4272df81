"""Whether children are walled in."""

from __future__ import annotations

import os

SANDBOX_SWITCH = "EDGEPRUNE_SANDBOX"
"""Set to ``off``, the child has no walls; it stays a child."""


def is_on() -> bool:
    """Whether children are walled in; they are unless somebody says no."""
    return os.environ.get(SANDBOX_SWITCH, "").strip().lower() not in ("off", "0", "no", "false")
