"""What differs between the releases of LiteRT that edgeprune knows, as data.

The NCHW rewrite itself is the same in all of them. Source: LiteRT's tags v2.1.0 to v2.2.0
(``tflite/delegates/xnnpack/xnnpack_delegate.cc``) and XNNPACK at the commits that they pin
(``src/subgraph.c``: 77468446, c2e81f01, ae746db8); 2.3.0 by experiment on the emulated Cortex-A72,
``benchmarks/never_wrong.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from edgeprune.errors import ConfigError


@dataclass(frozen=True)
class Release:
    """Versions of ``ai-edge-litert`` that decide alike.

    Attributes:
        first: Oldest version.
        last: Newest version.
        refused: Operators that the delegate leaves out, though later releases take them.
        mixes_half_filters: Whether a layer may have an fp16 filter and an fp32 bias. The delegate
            leaves it out otherwise.
    """

    first: str
    last: str
    refused: frozenset[str] = frozenset()
    mixes_half_filters: bool = True


RELEASES = {
    "2.1": Release("2.1.0", "2.1.5", frozenset({"LOG"}), mixes_half_filters=False),
    "2.1.6": Release("2.1.6", "2.1.6", mixes_half_filters=False),
    "2.2": Release("2.2.0", "2.2.0"),
    "2.3": Release("2.3.0", "2.3.0"),
}
"""Releases by the name that ``explain`` takes; any version in between is known too."""

LATEST = "2.3"


def release(name: str) -> Release:
    """The release called ``name``, or the one that a full version such as ``2.1.3`` belongs to.

    Raises:
        ConfigError: It is none of :data:`RELEASES`.
    """
    if name in RELEASES:
        return RELEASES[name]
    try:
        version = Version(name)
    except ValueError:  # InvalidVersion, or a number of thousands of digits
        version = None
    for known in RELEASES.values():
        if version is not None and Version(known.first) <= version <= Version(known.last):
            return known
    shown = repr(name[:80])
    raise ConfigError(f"runtime release {shown} is not known; known: {', '.join(RELEASES)}")
