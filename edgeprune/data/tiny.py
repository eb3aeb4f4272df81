"""An example that no training framework is needed for: drawn shapes, and a network fitted to them.

The network is a small separable one with random filters, normalized on the training images as batch
normalization would do it; only its last layer is fitted, by least squares. So it takes a second.

Source: Rahimi and Recht 2008, "Weighted Sums of Random Kitchen Sinks", section 2, for random
features with a fitted last layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeprune.artifacts.arrays import Array
from edgeprune.models.tflite import edit, graph

SHAPES = ("horizontal", "vertical", "diagonal", "checker", "disc", "ring", "square", "cross")
"""The classes, in the order of their numbers."""

SIZE = 32
_TRAIN, _TEST = 640, 320
_NOISE = 0.04
_STEM = 16
_BLOCKS = ((32, 1), (64, 2), (256, 1))
"""Of each block its output channels, and the stride of its depthwise convolution."""

_RIDGE = 1e-2
_SHARPNESS = 8.0  # least squares aims at 0 and 1; softmax wants scores further apart


def tiny_data(seed: int = 0) -> dict[str, Array]:
    """Drawn shapes of random place, size and colour, with noise.

    Args:
        seed: Of everything that is random.

    Returns:
        ``x_train`` (640, 32, 32, 3) and ``x_test`` (320, 32, 32, 3), float32 in [0, 1], with
        ``y_train`` and ``y_test``, whose labels 0 to 7 number :data:`SHAPES`.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(_TRAIN + _TEST) % len(SHAPES)).astype(np.int64)
    images = np.stack([_drawn(SHAPES[label], random) for label in labels])
    return {
        "x_train": images[:_TRAIN],
        "y_train": labels[:_TRAIN],
        "x_test": images[_TRAIN:],
        "y_test": labels[_TRAIN:],
    }


def _drawn(shape: str, random: np.random.Generator) -> Array:
    """One image, (32, 32, 3)."""
    y, x = np.mgrid[:SIZE, :SIZE] - random.uniform(13, 18, (2, 1, 1))
    half, period = random.uniform(6, 10), random.uniform(5, 9)
    distance, square = np.hypot(x, y), np.maximum(abs(x), abs(y))
    wave_x, wave_y = np.sin(2 * np.pi * x / period), np.sin(2 * np.pi * y / period)
    inside = {
        "horizontal": wave_y > 0,
        "vertical": wave_x > 0,
        "diagonal": np.sin(2 * np.pi * (x + y) / period) > 0,
        "checker": wave_x * wave_y > 0,
        "disc": distance < half,
        "ring": abs(distance - half) < 2,
        "square": square < half,
        "cross": (np.minimum(abs(x), abs(y)) < 2) & (square < half),
    }[shape]
    dark, light = random.uniform(0, 0.35, 3), random.uniform(0.65, 1, 3)
    image = np.where(inside[..., None], light, dark) + random.normal(0, _NOISE, (SIZE, SIZE, 3))
    return (np.round(np.clip(image, 0, 1) * 255) / 255).astype(np.float32)  # as a camera has it


def tiny_model(data: dict[str, Array], seed: int = 0) -> bytes:
    """The network as a TFLite file, fitted to the training part of the data.

    Args:
        data: As of :func:`tiny_data`.
        seed: Of the filters.
    """
    net = _Network(data["x_train"], np.random.default_rng(seed))
    net.convolve(3, 2, _STEM)
    for channels, stride in _BLOCKS:
        net.convolve(3, stride, None)
        net.convolve(1, 1, channels)
    return net.finish(data["y_train"])


class _Network:
    """A graph that grows together with what the training images become in it."""

    def __init__(self, images: Array, random: np.random.Generator) -> None:
        self._random = random
        self._maps = images
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.operatorCodes, self._model.buffers = [], [schema.BufferT()]
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.subgraphs = [self._graph]
        self._last = edit.add_tensor(self._graph, (1, *images.shape[1:]), "image")
        self._graph.inputs = np.array([self._last], np.int32)

    def convolve(self, size: int, stride: int, channels: int | None) -> None:
        """A convolution with ReLU6; a depthwise one where ``channels`` is None.

        A stride of 2 stands behind an explicit padding of 1, which XNNPACK can run sparse.
        """
        width = self._maps.shape[-1]
        shape = (1, size, size, width) if channels is None else (channels, size, size, width)
        filters = self._random.normal(size=shape).astype(np.float32)
        convolution = _depthwise if channels is None else _convolved
        maps = convolution(_padded(self._maps, size // 2), filters, stride)
        deviation = maps.std(axis=(0, 1, 2)) + 1e-3
        bias = -maps.mean(axis=(0, 1, 2)) / deviation + 1
        filters /= deviation if channels is None else deviation[:, None, None, None]
        self._maps = np.clip(maps / deviation + bias, 0, 6)
        if stride == 2:
            self._pad()
        options: dict[str, Any] = {
            "padding": int(stride == 2),
            "strideH": stride,
            "strideW": stride,
        }
        options |= {"dilationHFactor": 1, "dilationWFactor": 1, "fusedActivationFunction": 3}
        if channels is None:
            self._add("DEPTHWISE_CONV_2D", [filters, bias], 2, depthMultiplier=1, **options)
        else:
            self._add("CONV_2D", [filters, bias], 1, **options)

    def finish(self, labels: Array) -> bytes:
        """Averages over places, fits the last layer and writes the file."""
        features = self._maps = self._maps.mean(axis=(1, 2))
        self._add("MEAN", [np.array([1, 2], np.int32)], 1)
        known = np.hstack([features, np.ones((len(features), 1), np.float32)]).astype(np.float64)
        aims = _SHARPNESS * np.eye(len(SHAPES))[labels]
        normal = known.T @ known + _RIDGE * np.eye(known.shape[1])
        fitted = np.linalg.solve(normal, known.T @ aims).astype(np.float32)
        self._maps = features @ fitted[:-1] + fitted[-1]
        self._add("FULLY_CONNECTED", [fitted[:-1].T, fitted[-1]], 1)
        self._add("SOFTMAX", [], 1, "shape", beta=1.0)
        self._graph.outputs = np.array([self._last], np.int32)
        graph.add_signature(self._model, ["image"], ["shape"])
        return graph.write(self._model)

    def _pad(self) -> None:
        amounts = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
        _, height, width, channels = graph.shape_of(self._graph.tensors[self._last])
        self._add("PAD", [amounts], 1, shape=(1, height + 2, width + 2, channels))

    def _add(
        self,
        name: str,
        constants: list[Array],
        version: int,
        output: str | None = None,
        shape: tuple[int, ...] | None = None,
        **options: Any,
    ) -> None:
        """An operator on what came last and on constants."""
        here = f"{name.lower()}_{len(self._graph.operators)}"
        inputs = [self._last]
        for values in constants:
            values = values.astype(np.int32 if values.dtype == np.int32 else np.float32)
            inputs.append(edit.add_constant(self._model, self._graph, values, f"{here}/constant"))
        shape = shape or (1, *self._maps.shape[1:])
        self._last = edit.add_tensor(self._graph, shape, output or here)
        edit.add_operator(
            self._model, self._graph, name, inputs, self._last, version=version, **options
        )


def _padded(maps: Array, by: int) -> Array:
    return np.pad(maps, ((0, 0), (by, by), (by, by), (0, 0)))


def _windows(maps: Array, size: int, stride: int) -> list[tuple[int, int, Array]]:
    """The part of each map that every place of a filter meets."""
    reach = maps.shape[1] - size + 1
    return [
        (row, column, maps[:, row : row + reach : stride, column : column + reach : stride])
        for row in range(size)
        for column in range(size)
    ]


def _convolved(maps: Array, filters: Array, stride: int) -> Array:
    windows = _windows(maps, filters.shape[1], stride)
    return np.asarray(sum(part @ filters[:, row, column].T for row, column, part in windows))


def _depthwise(maps: Array, filters: Array, stride: int) -> Array:
    windows = _windows(maps, filters.shape[1], stride)
    return np.asarray(sum(part * filters[0, row, column] for row, column, part in windows))
