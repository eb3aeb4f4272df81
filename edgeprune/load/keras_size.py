"""Bounds what a description asks for by what the file holds, before a framework builds it.

A description of a few hundred bytes may ask for any number of weights. A true one asks for the
weights that lie beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import flat_outputs

FREE_WEIGHTS = 1 << 22
"""Weights that any file may ask for: 16 MB of float32 do no harm."""

WEIGHTS_RATIO = 4
"""Weights described for each one stored: packed 4-bit ones count twice, masks and states too."""

MAX_ELEMENTS = 1 << 29
"""Most elements of one activation, for one sample: 2 GB in float32."""

MAX_SIZE = 1 << 24
MAX_TURNS = 10_000
"""Most iterations of a layer, and most parts that a tensor is split into."""

MAX_CELLS = 1_000
"""Most recurrent cells that are stacked."""

MAX_KERNEL = 1 << 20
"""Most positions of a kernel."""

MAX_FILTER_BANK = 1 << 26
"""Most numbers of a bank of filters, 256 MB: 128 bands of a window of 4,096 are half a million."""

_SIZES = frozenset(
    """units filters input_dim output_dim num_heads key_dim value_dim head_dim num_query_heads
    num_key_value_heads depth_multiplier kernel_size pool_size strides dilation_rate size
    output_size height width n target_shape padding cropping num_tokens num_mel_bins fft_length
    frame_length max_tokens sequence_length output_sequence_length max_number bins
    tile_grid_size newshape repeats num_oov_indices num_bins N num num_classes pad_width
    target_height target_width shape batch_shape batch_input_shape batch_size""".split()
)
_LOOPS = frozenset("power_iterations num_chains chain_depth num_ops ngrams groups".split())
_SPLITS = ("Split", "ArraySplit", "Dsplit", "Hsplit", "Vsplit", "Unstack", "Meshgrid")
_SPLIT_FUNCTIONS = ("split", "unstack", "meshgrid")


def check_sizes(tree: Any, stored: int, where: str) -> None:
    """Refuses a description that asks for far more than the file holds.

    Args:
        tree: A description that ``check_description`` let pass.
        stored: Number of weights in the file.
        where: The file, for messages.

    Raises:
        ModelError: More weights than ``allowed_weights(stored)``, or a size, a shape or a number of
            turns beyond all bounds.
    """
    described = 0
    seen: set[tuple[str, int]] = set()
    for entry in _entries(tree):
        config = entry.get("config")
        name = str(entry.get("class_name"))
        if not isinstance(config, dict):
            continue
        _check_settings(config, where)
        _check_splits(entry, where)
        shared = entry.get("shared_object_id")
        if not isinstance(shared, int) or (name, shared) not in seen:
            described += _least_weights(name, config)
        if isinstance(shared, int):
            seen.add((name, shared))
    check_weight_count(described, stored, where)


def allowed_weights(stored: int) -> int:
    """Most weights that a file with ``stored`` of them may ask for."""
    return max(FREE_WEIGHTS, WEIGHTS_RATIO * stored)


def check_weight_count(described: int, stored: int, where: str) -> None:
    """Compares what is asked for with what is there.

    Raises:
        ModelError: Too many.
    """
    if described > allowed_weights(stored):
        raise ModelError(
            f"{where}: describes at least {described:,} weights and holds {stored:,}: damaged, or "
            "made to exhaust the memory"
        )


def check_activations(model: Any, where: str) -> None:
    """Refuses a built model whose activations would not fit into any memory.

    Raises:
        ModelError: One has more than 2**29 elements for a single sample.
    """
    for layer in model._flatten_layers():
        for node in getattr(layer, "_inbound_nodes", []):
            outputs = getattr(node, "output_tensors", None)
            for tensor in flat_outputs(outputs):
                shape = getattr(tensor, "shape", None)
                sizes = list(shape)[1:] if shape is not None and _is_ranked(shape) else []
                elements = math.prod(size for size in sizes if size)
                if elements > MAX_ELEMENTS:
                    raise ModelError(
                        f"{where}: layer {layer.name!r} returns {elements:,} numbers for one "
                        "sample, more than any board could hold"
                    )


def _is_ranked(shape: Any) -> bool:
    return not hasattr(shape, "rank") or shape.rank is not None


def _entries(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every object of a description."""
    if isinstance(tree, dict):
        if "class_name" in tree:
            yield tree
        for value in tree.values():
            yield from _entries(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _entries(value)


def _numbers(value: Any) -> list[int]:
    """Numbers in nested lists, rounded down; what is open or no number is left out."""
    if isinstance(value, list):
        return [n for item in value for n in _numbers(item)]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [int(value)] if is_number and math.isfinite(value) else []


def _product(value: Any) -> int:
    return math.prod(max(1, abs(n)) for n in _numbers(value))


def _check_settings(config: Mapping[str, Any], where: str) -> None:
    """Checks an object's own sizes.

    Raises:
        ModelError: One is beyond all bounds.
    """
    for key, value in config.items():
        numbers = [abs(n) for n in _numbers(value)]
        if not numbers:
            continue
        if key in _LOOPS and max(numbers) > MAX_TURNS:
            raise ModelError(f"{where}: asks for {key} = {max(numbers):,}, at most {MAX_TURNS:,}")
        if key not in _SIZES:
            continue
        most = MAX_KERNEL if key == "kernel_size" else MAX_ELEMENTS
        if max(numbers) > MAX_SIZE or _product(value) > most:
            raise ModelError(
                f"{where}: asks for {key} = {value!r:.60}, more than any board could hold"
            )
    cells = config.get("cells")
    if isinstance(cells, list) and len(cells) > MAX_CELLS:
        raise ModelError(f"{where}: stacks {len(cells):,} recurrent cells, at most {MAX_CELLS:,}")
    bank = _product(config.get("num_mel_bins")) * _product(config.get("fft_length"))
    if bank > MAX_FILTER_BANK:
        raise ModelError(f"{where}: asks for a filter bank of {bank:,} numbers, too many to build")


def _check_splits(entry: Mapping[str, Any], where: str) -> None:
    config = entry["config"]
    function = str(config.get("function", "")).rpartition(".")[2]
    if entry.get("class_name") in _SPLITS or function in _SPLIT_FUNCTIONS:
        numbers = [abs(n) for n in _all_numbers([config, entry.get("inbound_nodes")])]
        if max(numbers, default=0) > MAX_TURNS:
            raise ModelError(
                f"{where}: splits a tensor into {max(numbers):,} parts, at most {MAX_TURNS:,}"
            )


def _all_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _all_numbers(item)
    elif isinstance(value, int):
        yield value


def _least_weights(name: str, config: Mapping[str, Any]) -> int:
    """A number of weights that a layer has at the least, whatever its inputs are."""

    def of(key: str) -> int:
        return _product(config[key]) if key in config else 0

    if name in ("Embedding", "ReversibleEmbedding"):
        return of("input_dim") * of("output_dim")
    if "kernel_size" in config and ("filters" in config or "depth_multiplier" in config):
        per_position = of("depth_multiplier") if "depth_multiplier" in config else of("filters")
        separable = of("filters") if "depth_multiplier" in config else 0
        return of("kernel_size") * per_position + separable
    if "units" in config:
        is_recurrent = "recurrent_initializer" in config
        return of("units") ** (2 if is_recurrent else 1)
    return of("num_heads") * of("key_dim")
