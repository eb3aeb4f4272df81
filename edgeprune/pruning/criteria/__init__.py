"""Criteria: how much each weight matters; one file, one criterion, and its name is the file's.

Weights come as a matrix ``(out_channels, in_features)``, whatever the framework's own layout.
"""
