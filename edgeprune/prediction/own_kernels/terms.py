"""How often the loops of edgeprune's own kernels run, as a function of a layer's shape.

Source: ``device_agents/kernels/layout.c``, which splits a layer into tiles of pixels, and the
kernels beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.models.tflite.conv_plan import BLOCK, Geometry
from edgeprune.prediction.cost.terms import Terms

_LOADED_CHANNELS = 16
"""Channels that are packed at once; what is left over is packed pixel by pixel."""

_STORED_CHANNELS = 16
"""Output channels between two stores."""


@dataclass(frozen=True)
class Tile:
    """How a kernel splits a layer; fields of ``struct kernel`` in ``device_agents/kernels``.

    Attributes:
        lanes: Pixels of a vector.
        max_vectors: Vectors of a step at most.
        min_vectors: The same at least, whatever the room.
        packed_bytes: Of a packed tile at most.
        activation_bytes: Of one packed activation.
    """

    lanes: int
    max_vectors: int
    min_vectors: int
    packed_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class Layout:
    """How a layer is split, of all its images together.

    Attributes:
        vectors: Vectors of pixels that are computed.
        steps: Runs over all rows of weights.
        tiles: Parts of the input that are packed at once.
        packed: Vectors that are packed, those beyond a tile's own among them.
    """

    vectors: int
    steps: int
    tiles: int
    packed: int


def layout(layer: Geometry, tile: Tile) -> Layout:
    """How a kernel splits a layer. Source: ``layout_of`` in ``device_agents/kernels/layout.c``."""
    down = (layer.kernel[0] - 1) * layer.dilation[0]
    right = (layer.kernel[1] - 1) * layer.dilation[1]
    columns = layer.result[1] + right // layer.stride[1]
    share = 0
    if layer.stride[1] == 1:
        share = min(layer.pad_left, max(columns - layer.pad_left - layer.source[1], 0))
    pitch = columns - share
    span = down // layer.stride[0] * pitch + right // layer.stride[1]
    phases = min(layer.stride[0], down + 1) * min(layer.stride[1], right + 1)
    is_one_map = layer.taps == 1
    images = 1 if is_one_map else layer.images
    rows = layer.images * layer.result[0] if is_one_map else layer.result[0]
    vectors = -(-((rows - 1) * pitch + layer.result[1]) // tile.lanes)
    halo = -(-span // tile.lanes)
    room = tile.packed_bytes // (phases * layer.groups)
    vector_bytes = tile.lanes * BLOCK * tile.activation_bytes
    most = max(tile.min_vectors, min(tile.max_vectors, room // vector_bytes - halo))
    steps = -(-vectors // most)
    step_vectors = -(-vectors // steps)
    together = 1 if span == 0 else max(1, (room // vector_bytes - halo) // step_vectors)
    tiles = -(-steps // min(together, steps))
    packed = (vectors + tiles * halo) * phases
    return Layout(images * vectors, images * steps, images * tiles, images * packed)


def family(layer: Geometry) -> str:
    """Layers that differ in what they do beside their loops: their terms are fitted apart."""
    if layer.pixels == 1:
        return "single"
    return "pointwise" if layer.is_pointwise else "window"


def terms(layer: Geometry, tile: Tile) -> Terms:
    """Name of a loop to the number of times that its body runs in one inference."""
    split = layout(layer, tile)
    whole = layer.in_channels // _LOADED_CHANNELS
    left = -(-(layer.in_channels % _LOADED_CHANNELS) // BLOCK)
    return {
        "node": 1,
        "tile": split.tiles,
        "packed": split.packed,
        "packed_whole": split.packed * whole,
        "packed_left": split.packed * left,
        "row_step": split.steps * layer.out_channels,
        "row_vector": split.vectors * layer.out_channels,
        "stored": split.vectors * -(-layer.out_channels // _STORED_CHANNELS),
        "block_step": split.steps * layer.blocks,
        "block_vector": split.vectors * layer.blocks,
    }
