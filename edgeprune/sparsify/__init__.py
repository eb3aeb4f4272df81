"""Stage ``sparsify``."""
