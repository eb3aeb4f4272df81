"""What the small passes of the rewrite stage cost beside the alternatives, on a Cortex-A72.

Each line is one way to compute the same; instructions of its XNNPACK kernels, counted under QEMU.

    python benchmarks/rewrite_alternatives.py
"""

from collections.abc import Callable

import numpy as np
from cost_nets import Net
from node_instructions import node_instructions

from edgeprune.models.tflite import edit

SIDE = 112  # of the maps that a stem of a 224x224 net would make
WIDE = (1, SIDE, SIDE, 3)


def padded(net: Net, channels: int) -> int:
    """Channels of zeros beside a map's own, by PAD."""
    x = net.input(1, SIDE, SIDE, channels)
    return net.pad(x, (0, 0), (0, 0), (0, 0), (0, 3 - channels))


def copied(net: Net, channels: int) -> int:
    """Three channels of a map, or its own and zeros, by a 1x1 convolution."""
    x = net.input(1, SIDE, SIDE, channels)
    return net.convolution(x, np.eye(3, channels, dtype=np.float32).reshape(3, 1, 1, channels))


def multiplied(net: Net) -> int:
    """One channel and zeros, by a product with a constant."""
    x, ones = net.input(1, SIDE, SIDE, 1), np.eye(1, 3, dtype=np.float32).reshape(1, 1, 1, 3)
    return net.op("MUL", [net.constant(ones), x], WIDE, "MulOptions")


def sliced(net: Net, channels: int) -> int:
    """Three channels of a map, by SLICE."""
    x = net.input(1, SIDE, SIDE, channels)
    return net.op("SLICE", [x, net.integers(0, 0, 0, 0), net.integers(*WIDE)], WIDE)


def strided(net: Net) -> int:
    """A 1x1 convolution of stride 2."""
    return net.convolution(net.input(1, 28, 28, 256), net.weights(512, 1, 1, 256), 2)


def selected(net: Net) -> int:
    """The same of stride 1 behind a depthwise selection."""
    x = net.input(1, 28, 28, 256)
    x = net.convolution(x, net.weights(1, 3, 3, 256), 2)
    net.graph.operators[-1].builtinOptions.padding = edit.SAME
    net.graph.tensors[x].shape = np.array([1, 14, 14, 256], np.int32)
    return net.convolution(x, net.weights(512, 1, 1, 256))


def prelu(net: Net) -> int:
    """XNNPACK's PReLU."""
    x = net.input(1, 56, 56, 64)
    return net.op("PRELU", [x, net.constant(net.weights(1, 1, 64))], net.shape(x))


def rectified_twice(net: Net) -> int:
    """relu(x) - a relu(-x)."""
    x = net.input(1, 56, 56, 64)
    shape, slopes = net.shape(x), net.constant(net.weights(1, 1, 1, 64))
    below = net.op("RELU", [net.op("NEG", [x], shape)], shape)
    scaled = net.op("MUL", [slopes, below], shape, "MulOptions")
    return net.op("ADD", [net.op("RELU", [x], shape), scaled], shape, "AddOptions")


ALTERNATIVES: dict[str, Callable[[Net], int]] = {
    "1 channel to 3: PAD": lambda net: padded(net, 1),
    "1 channel to 3: 1x1 convolution": lambda net: copied(net, 1),
    "1 channel to 3: MUL": multiplied,
    "2 channels to 3: PAD": lambda net: padded(net, 2),
    "2 channels to 3: 1x1 convolution": lambda net: copied(net, 2),
    "3 of 4 channels: SLICE": lambda net: sliced(net, 4),
    "3 of 4 channels: 1x1 convolution": lambda net: copied(net, 4),
    "3 of 12 channels: SLICE": lambda net: sliced(net, 12),
    "3 of 12 channels: 1x1 convolution": lambda net: copied(net, 12),
    "28x28x256 to 512, stride 2: 1x1 convolution": strided,
    "28x28x256 to 512, stride 2: selection, 1x1": selected,
    "56x56x64: PRELU": prelu,
    "56x56x64: relu(x) - a relu(-x)": rectified_twice,
}


def main() -> None:
    """Prints a line per alternative: instructions, those a pixel, and the kernels."""
    for name, build in ALTERNATIVES.items():
        net = Net(0)
        output = build(net)
        net.end(output)
        pixels = int(np.prod(net.shape(int(net.graph.inputs[0]))[1:3]))
        kernels = node_instructions(net.file(), "cortex-a72")
        total = sum(count for _, count in kernels)
        listed = "; ".join(f"{kernel} {count}" for kernel, count in kernels)
        print(f"{name:45} {total:9} {total / pixels:8.1f} a pixel  {listed}")


if __name__ == "__main__":
    main()
