"""Criteria by name, one file each: which units of a group matter least."""
