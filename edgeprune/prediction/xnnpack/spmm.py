"""XNNPACK's sparse kernels: how it packs a weight matrix, and which microkernel each CPU runs.

Packing looks at the weights as floats, however they are stored: int8 and fp16 weights behind a
DEQUANTIZE are widened first, so they are counted in the same way.

Source: XNNPACK ``create_spmm_path`` in ``src/operators/convolution-nchw.c``,
``xnn_analyze_f32_spmm_w`` in ``src/reference/packing.cc``, ``src/configs/spmm-config.c`` and
``src/xnnpack/hardware-config.h``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array, BoolArray
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.sparse_tensor import decode
from edgeprune.prediction.xnnpack.reader import Reader

MICROKERNELS: dict[str, dict[int, str]] = {
    "aarch64": {
        1: "32x1__neonfma_pipelined",
        2: "32x2__aarch64_neonfma",
        4: "32x4__aarch64_neonfma",
    },
    "x86_64": {1: "32x1__sse", 2: "8x2__scalar", 4: "8x4__scalar"},
}
"""Instruction set to block to the kernel ``xnn_f32_spmm_minmax_ukernel_<name>``.

A name says: pixels a tile, ``x``, output channels a block, ``__``, instructions.

XNNPACK has kernels for 32-bit Arm too, but no runtime that fits it holds XNNPACK: the wheels of
tflite-runtime 2.9.1 to 2.14.0 for armv7l have not one function of it among their 15,000 symbols
(but 2.12.0, which boards cannot load), and in 2.14.0 a file whose weights are stored sparse takes
as many instructions as the dense one (``benchmarks/armhf_chroot.py``).
"""


@dataclass(frozen=True)
class SpmmPlan:
    """How XNNPACK packs one pointwise layer's weights.

    Attributes:
        block: Consecutive output channels that share an input channel: 1, 2 or 4.
        nonzeros: Weights that are not zero.
        nonzero_blocks: Steps of the kernel's inner loop over all output channels; non-zeros of
            channels that fill no whole block count one by one.
        output_blocks: Steps of the loop around it.
        depth: Input channels.
    """

    block: int
    nonzeros: int
    nonzero_blocks: int
    output_blocks: int
    depth: int


def analyse(weights: Array) -> SpmmPlan:
    """Packs like XNNPACK, which takes the largest block that is 90 % full.

    The test counts only channels that fill whole blocks, and where there are none (fewer than
    four output channels, say, or nothing but zeros) 0 of 0 passes.

    Args:
        weights: Shape ``(out_channels, in_channels)``, any real type.
    """
    used = weights != 0
    channels, depth = used.shape
    nonzeros = int(np.count_nonzero(used))
    pairs = _pairs(used)
    for block, blocks in ((4, _pairs(pairs)), (2, pairs)):
        whole = channels - channels % block
        filled = int(np.count_nonzero(used[:whole]))
        nonzero_blocks = int(np.count_nonzero(blocks))
        if filled * 10 >= nonzero_blocks * block * 9:
            rest = nonzeros - filled
            return SpmmPlan(
                block, nonzeros, nonzero_blocks + rest, whole // block + channels - whole, depth
            )
    return SpmmPlan(1, nonzeros, nonzeros, channels, depth)


def filter_matrix(reader: Reader, op: graph.Operator) -> Array | None:
    """A layer's weights as they are stored, dense, one row an output channel.

    Args:
        reader: The subgraph.
        op: An operator of :data:`edgeprune.models.tflite.graph.FILTER_OPERANDS`.

    Returns:
        Shape ``(out_channels, the rest)``; None for weights that are computed by the graph.

    Raises:
        ModelError: The weights are damaged.
    """
    operand = int(op.inputs[graph.FILTER_OPERANDS[graph.op_name(reader.model, op)]])
    if not reader.is_static(operand):
        return None
    tensor, _ = reader.static_root(operand)
    data = graph.constant(reader.model, tensor)
    if tensor.sparsity is not None:
        stored = graph.stored_values(reader.model, tensor)
        data = decode(stored, tensor.sparsity, graph.shape_of(tensor))
    return None if data is None else data.reshape(data.shape[0], -1)


def _pairs(used: BoolArray) -> BoolArray:
    """Which pairs of neighbouring rows are used at all; a last odd row is left out."""
    whole = used.shape[0] - used.shape[0] % 2
    return np.logical_or(used[0:whole:2], used[1:whole:2])


def has_sparse_kernels(cpu: Cpu) -> bool:
    """Whether XNNPACK has sparse kernels for this core at all; on x86 with AVX it uses none."""
    return cpu.isa in MICROKERNELS and not (cpu.isa == "x86_64" and "avx" in cpu.features)


def microkernel(cpu: Cpu, block: int) -> str:
    """Name of the kernel that runs blocks of ``block`` output channels; empty if there is none."""
    return MICROKERNELS[cpu.isa][block] if has_sparse_kernels(cpu) else ""
