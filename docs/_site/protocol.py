"""The protocol between host and agent: the one file that both are written from."""

from __future__ import annotations

from edgeprune.files import paths


def page() -> str:
    """The protocol as it stands beside the agents."""
    return (paths.shipped("device_agents") / "PROTOCOL.md").read_text(encoding="utf-8")
