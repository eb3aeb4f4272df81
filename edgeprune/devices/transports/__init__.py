"""Transports: ways to reach a device. One file each; the file's name is its name in a board file.

To add one, copy ``local.py``, fill in the methods of :class:`base.CommandTransport`, and run
``pytest tests/devices/transports``; the shared checks there pick it up by its file name.
"""
