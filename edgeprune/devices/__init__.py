"""Devices: kinds of boards, what is on this desk, and the ways to reach it."""
