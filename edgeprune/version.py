"""The version of edgeprune; the wheel's metadata is made from it."""

__version__ = "0.1.0"
