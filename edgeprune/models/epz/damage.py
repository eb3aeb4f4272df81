"""The one error of a container that cannot be unpacked."""

from __future__ import annotations

from edgeprune.errors import ModelError


def damaged(what: str) -> ModelError:
    """The error of a container that cannot be unpacked."""
    return ModelError(f"damaged .epz: {what}: pack or send it again")
