"""Arrays as they go from stage to stage."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Array = NDArray[Any]

Samples = list[list[Array]]
"""One entry a sample; in it one array per model input (or output), in the graph's order."""
