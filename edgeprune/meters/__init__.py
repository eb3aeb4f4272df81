"""Meters: ways to measure a device's energy. One file each; its name is its name in a board file.

To add one that reads files on the device, copy ``hwmon.py``; for one on the host, ``ppk2.py``. Run
``pytest tests/meters``; the shared checks there pick it up by its file name.
"""
