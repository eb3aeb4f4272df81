"""Layer names for people."""

from __future__ import annotations

import re
from collections import Counter

_KERNEL = re.compile(r"/(convolution|Conv2D|depthwise|separable_conv2d|MatMul|Tensordot)[0-9]?$")


def short_name(name: str) -> str:
    """The part of a fused tensor's name that says most: the layer with the weights.

    Constants that several layers share bring another layer's name with them; the layer that most
    parts speak of is taken.

    >>> short_name("m/relu_1/Relu6;m/conv_1/BiasAdd/ReadVariableOp/resource;m/conv_1/Conv2D1")
    'm/conv_1/Conv2D1'
    >>> short_name("m/relu/Relu;m/dw/depthwise;m/dw/BiasAdd;m/conv_4/Conv2D")
    'm/dw/depthwise'
    """
    parts = name.split(";")
    layers = Counter(part.rpartition("/")[0] for part in parts)
    kernels = [part for part in parts if _KERNEL.search(part)]
    return max(kernels, key=lambda part: layers[part.rpartition("/")[0]], default=parts[0])


def layer_name(name: str) -> str:
    """The layer itself, without the word for what it does.

    >>> layer_name("m/relu_1/Relu6;m/conv_1/BiasAdd/ReadVariableOp/resource;m/conv_1/Conv2D1")
    'm/conv_1'
    """
    return _KERNEL.sub("", short_name(name))


def common_folder(names: list[str]) -> str:
    """The folder, with its slash, that nearly every name begins with; empty if there is none.

    >>> common_folder(["net_1/conv_1/Conv2D", "net_1/conv_2/Conv2D", "net_1/mean", "output_0"])
    'net_1/'
    """
    tops = Counter(name.partition("/")[0] for name in names if "/" in name)
    top, count = tops.most_common(1)[0] if tops else ("", 0)
    return f"{top}/" if count * 2 > len(names) else ""
