"""Which agent this is."""

from __future__ import annotations

VERSION = "not packed"
"""In the agent that is pushed, the release and a digest: ``edgeprune/agents/build.py`` packs it."""
