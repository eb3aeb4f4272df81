"""Stage ``prune``."""
