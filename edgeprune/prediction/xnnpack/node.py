"""One XNNPACK node as the decision on its layout sees it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto


class Layout(Flag):
    """What a node can do in a sparse (NCHW) cluster."""

    NONE = 0
    NCHW = auto()  # may stand inside
    ENTRY = auto()  # reads NHWC, writes NCHW
    EXIT = auto()  # reads NCHW, writes NHWC


class Clamp(Enum):
    """What a node has to do with clamping values to a range, as RELU6 does."""

    NONE = auto()
    IS = auto()  # does nothing else
    TAKES = auto()  # can do it besides
    ADDS = auto()  # has it done by a node behind


@dataclass
class Node:
    """One XNNPACK node.

    Attributes:
        name: Name of the TFLite operator's output.
        op: TFLite operator.
        inputs: Tensor indices of non-constant inputs.
        output: Tensor index of the first output.
        others: Those of further outputs.
        layout: What it can do in a sparse cluster.
        refusal: Why it cannot stand in one; empty if it can.
        is_candidate: Whether it is a 1x1 convolution or a fully connected layer of any type.
        is_spmm: Whether XNNPACK takes it for one whose zeros count.
        weights: Weights of such a layer.
        zeros: How many of them are zero.
        has_sparse_hint: Whether a constant that it reads comes from a DENSIFY.
        hazard: What goes wrong when it reads NCHW, though XNNPACK lets it; empty for nothing.
        garbles_inside: Whether it gives its output a wrong shape when both are NCHW. Only a layer
            with weights, which takes its channels from them, may read it then.
        garbles_outside: Whether it does so when it reads NCHW and writes NHWC.
        alike: Inputs whose bytes are the same in NCHW and NHWC: single pixels, single channels.
        is_alike: The same of the output.
        is_map: Whether the output is 4-D.
        is_elementwise: Whether it works on each number alone, whatever the shape.
        clamp: What it has to do with clamping.
    """

    name: str
    op: str
    inputs: tuple[int, ...]
    output: int
    layout: Layout
    refusal: str = ""
    is_candidate: bool = False
    is_spmm: bool = False
    weights: int = 0
    zeros: int = 0
    has_sparse_hint: bool = False
    others: tuple[int, ...] = ()
    hazard: str = ""
    garbles_inside: bool = False
    garbles_outside: bool = False
    alike: frozenset[int] = frozenset()
    is_alike: bool = False
    is_map: bool = False
    is_elementwise: bool = False
    clamp: Clamp = Clamp.NONE
