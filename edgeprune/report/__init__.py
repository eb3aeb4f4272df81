"""Stage ``report``."""
