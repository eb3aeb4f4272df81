"""MLPerf Tiny's networks, int8, where they lie beside the repository, and sparse ones of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from beside import SHARED_MODELS  # noqa: E402
from int8_layers import Int8Net  # noqa: E402

from edgeprune.models.tflite import graph  # noqa: E402

FILES = {"KWS": "kws_ref_model", "IC": "pretrainedResnet_quant", "AD": "ad01_int8"}
WEIGHTED = ("CONV_2D", "FULLY_CONNECTED")

Array = np.ndarray


def networks() -> dict[str, bytes]:
    """Files by the benchmark's short names; VWW has random weights."""
    found = {
        name: (SHARED_MODELS / f"{file}.tflite").read_bytes()
        for name, file in FILES.items()
        if (SHARED_MODELS / f"{file}.tflite").exists()
    }
    return {**found, "VWW": vww()}


class _MobileNet(Int8Net):
    """MobileNetV1's layers, with random weights and ReLU6."""

    def layer(self, x, op, channels, kernel, stride):
        """CONV_2D or DEPTHWISE_CONV_2D, padded to the same size."""
        _, height, width, depth = self.shape(x)
        is_conv = op == "CONV_2D"
        terms = kernel * kernel * (depth if is_conv else 1)
        shape = (channels, kernel, kernel, depth) if is_conv else (1, kernel, kernel, channels)
        weights = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale = 1 / (80 * np.sqrt(terms))
        filters = self.quantized(shape, np.full(channels, scale), 0, weights, 0 if is_conv else 3)
        bias = self.tensor((channels,), "int32", np.zeros(channels, np.int32), scale * 6 / 255)
        size = -(-height // stride), -(-width // stride)
        y = self.op(
            op, [x, filters, bias], (1, *size, channels),
            "Conv2DOptions" if is_conv else "DepthwiseConv2DOptions", version=3, padding=0,
            strideH=stride, strideW=stride, dilationHFactor=1, dilationWFactor=1,
            fusedActivationFunction=3, **({} if is_conv else {"depthMultiplier": 1}),
        )  # fmt: skip
        return self.made(y, 6 / 255, -128)

    def made(self, y, scale, zero_point):
        """Gives a tensor its scale."""
        known = self.graph.tensors[self.quantized(self.shape(y), scale, zero_point)]
        self.graph.tensors.pop()
        known.name = self.graph.tensors[y].name
        self.graph.tensors[y] = known
        return y


def vww() -> bytes:
    """MobileNetV1 0.25 at 96 x 96 pixels, two classes."""
    net = _MobileNet(0)
    x = net.quantized((1, 96, 96, 3), 6 / 255, -128)
    net.graph.inputs.append(x)
    x = net.layer(x, "CONV_2D", 8, 3, 2)
    channels = 8
    for out, stride in [
        (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1),
    ]:  # fmt: skip
        x = net.layer(x, "DEPTHWISE_CONV_2D", channels, 3, stride)
        x, channels = net.layer(x, "CONV_2D", out, 1, 1), out
    x = net.op(
        "AVERAGE_POOL_2D", [x], (1, 1, 1, 256), "Pool2DOptions", padding=1, strideH=3, strideW=3,
        filterHeight=3, filterWidth=3, fusedActivationFunction=0, version=2,
    )  # fmt: skip
    x = net.made(x, 6 / 255, -128)
    x = net.op("RESHAPE", [x], (1, 256), "ReshapeOptions", newShape=np.array([1, 256], np.int32))
    x = net.made(x, 6 / 255, -128)
    weights = net.rng.integers(-127, 128, (2, 256)).astype(np.int8)
    filters = net.quantized((2, 256), 0.01, 0, weights)
    bias = net.tensor((2,), "int32", np.zeros(2, np.int32), 0.01 * 6 / 255)
    x = net.op("FULLY_CONNECTED", [x, filters, bias], (1, 2), "FullyConnectedOptions", version=4)
    x = net.made(x, 0.1, 0)
    x = net.op("SOFTMAX", [x], (1, 2), "SoftmaxOptions", version=2, beta=1.0)
    return net.finished(net.made(x, 1 / 256, -128))


def in_blocks(tflite: bytes, sparsity: float, block: int) -> bytes:
    """Makes the smallest blocks of weights along a row zero, in each layer."""
    model = graph.read(tflite)
    subgraph = model.subgraphs[0]
    for op in subgraph.operators:
        if graph.op_name(model, op) in WEIGHTED:
            tensor = subgraph.tensors[op.inputs[1]]
            weights = graph.constant(model, tensor)
            kept = _thinned(weights.reshape(len(weights), -1), sparsity, block)
            model.buffers[tensor.buffer].data = np.frombuffer(kept.tobytes(), np.uint8)
    return bytes(graph.write(model))


def _thinned(rows: Array, sparsity: float, block: int) -> Array:
    size = -(-rows.shape[1] // block) * block
    padded = np.zeros((len(rows), size), np.int32)
    padded[:, : rows.shape[1]] = rows
    blocks = padded.reshape(-1, block)
    order = np.argsort(np.abs(blocks).sum(axis=1), kind="stable")
    blocks[order[: round(sparsity * len(blocks))]] = 0
    return padded[:, : rows.shape[1]].astype(np.int8)
