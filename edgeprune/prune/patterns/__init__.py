"""Patterns: the shapes of what pruning leaves; one file, one pattern, and its name is the file's.

Weights come as a matrix ``(out_channels, in_channels)``, whatever the framework's own layout.
"""
