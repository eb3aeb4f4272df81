"""Pruned weights as TensorFlow Lite Micro's DECODE reads them: a bitmap, and what is not 0.

DECODE is the custom operator TFLM_DECODE, which stands before each operator that reads an encoded
tensor and makes that tensor whole in the arena. It has two constant inputs for each output. The
first holds one bit an element, the first element's in the highest bit of the first byte: 1 where it
is not its zero point. The second begins with a header of 16 bytes (byte 0: 2, what is pruned; byte
1: 1, the header's version; byte 4: 1, the version of what is pruned; all others 0), behind which
stand the elements that are not 0, in their order.

Source: tensorflow/lite/micro of github.com/tensorflow/tflite-micro: ``compression/decode.py``,
``kernels/decode_state_prune.cc``.
"""

from __future__ import annotations

from typing import Final

OPERATOR: Final = b"TFLM_DECODE"
HEADER: Final = bytes([2, 1, 0, 0, 1, *bytes(11)])

WEIGHT_OPERANDS: Final = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
}
"""Operators whose weights are encoded, and which operand these are."""
