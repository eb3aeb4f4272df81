"""Reads an int8 ``.tflite`` into the steps of a plan: one file a family of operators."""

from edgeprune.firmware.read.steps import check_operators, steps_of

__all__ = ["check_operators", "steps_of"]
