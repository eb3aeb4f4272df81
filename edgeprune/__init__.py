"""Prune, quantize and push Keras models to real boards, and measure them there.

Read the code in this order: :mod:`edgeprune.pipeline`, :mod:`edgeprune.artifacts`,
:mod:`edgeprune.prune.highest`, ``boards/rpi4.toml``, ``device_agents/PROTOCOL.md``.
"""

__version__ = "0.1.0"
