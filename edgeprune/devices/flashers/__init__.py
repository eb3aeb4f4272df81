"""Flashers: ways to put firmware on a board. One file each; its name is ``flash.use`` of a board.

To add one, copy ``pyocd.py`` and fill in the methods of :class:`base.Flasher`.
"""
