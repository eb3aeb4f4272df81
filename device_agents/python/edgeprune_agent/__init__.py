"""The agent in Python: the protocol of PROTOCOL.md for boards that have no official LiteRT library.

It runs on the board's own Python, 3.7 or newer, with numpy and ``tflite_runtime``.
"""
