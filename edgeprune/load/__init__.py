"""Stage ``load``."""
