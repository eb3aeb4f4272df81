"""Stage ``verify``: are the outputs right, and how good are they?

Parity compares the board's outputs with the host's for the same network stored dense, which no
sparse kernel ever runs. It finds wrong kernels and wrong encodings; what pruning and rounding cost
is the accuracy's business. The host uses LiteRT's built-in kernels, which share no code with the
board's, but for integer networks: there built-in kernels round otherwise (an error of one step in a
layer grew to 44 steps in ResNet-8's output), while XNNPACK's agree to a step on x86 and Arm.
"""

from __future__ import annotations

from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.verify.accuracy import accuracy, answers_of, scores_by_part
from edgeprune.verify.checks import REWRITE_LIMIT, check_conversion, check_rewrite
from edgeprune.verify.exact import EXACT_REFERENCE, exact_outputs, exact_parity
from edgeprune.verify.gains import check_converted, check_counts, check_kept, gains_of
from edgeprune.verify.host import HostModel, reference_outputs, rounding_of
from edgeprune.verify.inputs import as_input, compared, sample_inputs
from edgeprune.verify.locate import locate
from edgeprune.verify.off_board import verify_off_board
from edgeprune.verify.on_board import board_outputs, checked, with_parity
from edgeprune.verify.parity import FLOAT_LIMIT, INTEGER_LIMIT_STEPS, Comparison, is_flat, parity
from edgeprune.verify.tensor_errors import tensor_errors

__all__ = [
    "EXACT_REFERENCE",
    "FLOAT_LIMIT",
    "INTEGER_LIMIT_STEPS",
    "REWRITE_LIMIT",
    "Comparison",
    "HostModel",
    "TensorError",
    "accuracy",
    "answers_of",
    "as_input",
    "board_outputs",
    "check_conversion",
    "check_converted",
    "check_counts",
    "check_kept",
    "check_rewrite",
    "checked",
    "compared",
    "exact_outputs",
    "exact_parity",
    "gains_of",
    "is_flat",
    "locate",
    "parity",
    "reference_outputs",
    "rounding_of",
    "sample_inputs",
    "scores_by_part",
    "tensor_errors",
    "verify_off_board",
    "with_parity",
]
