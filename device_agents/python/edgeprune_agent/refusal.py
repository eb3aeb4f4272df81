"""The one way in which a request fails."""

from __future__ import annotations


class Refusal(Exception):
    """Why a request is not done, in words for the answer's ``error``."""
