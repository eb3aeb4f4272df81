"""Layer names for people."""

from __future__ import annotations

import re


def short_name(name: str) -> str:
    """The part of a fused tensor's name that says most: the layer with the weights.

    >>> short_name("m/relu_1/Relu6;m/conv_1/BiasAdd/ReadVariableOp/resource;m/conv_1/Conv2D1")
    'm/conv_1/Conv2D1'
    """
    parts = name.split(";")
    return min((p for p in parts if re.search(r"conv|MatMul", p)), key=len, default=parts[0])
