"""Functions of one value: they leave every channel where it is."""

from __future__ import annotations

from typing import Any

from edgeprune.channels.identities import Ids
from edgeprune.channels.rules.base import LayerCall, rule

ELEMENTWISE = frozenset(
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu "
    "linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign "
    "sparse_plus squareplus swish tanh tanh_shrink threshold".split()
)
"""Activation functions that look at one value at a time. Softmax, glu and the like do not."""

_LIBRARIES = ("keras", "tf_keras", "tensorflow")


def is_elementwise(activation: Any) -> bool:
    """Whether the library's own function looks at one value at a time; None is no function."""
    if activation is None:
        return True
    library = str(getattr(activation, "__module__", "")).partition(".")[0]
    return library in _LIBRARIES and function_name(activation) in ELEMENTWISE


def function_name(activation: Any) -> str:
    """The activation function's name, or that of the class of an activation layer."""
    return str(getattr(activation, "__name__", type(activation).__name__))


def after_activation(call: LayerCall, ids: Ids) -> list[Ids]:
    """The layer's output: fixed if its own activation function mixes channels."""
    activation = call.layer.activation
    if not is_elementwise(activation):
        name = function_name(activation)
        call.fix([ids], f"ends in the activation {name!r}, which may mix channels")
    return [ids]


@rule("Activation")
def activation_function(call: LayerCall) -> list[Ids]:
    """Passes on the channels of its input."""
    return after_activation(call, call.inputs[0])


@rule("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU")
def activation_layer(call: LayerCall) -> list[Ids]:
    """Passes on the channels of its input."""
    return [call.inputs[0]]


@rule("PReLU")
def parametric(call: LayerCall) -> list[Ids]:
    """Has a slope for each channel, unless they share one."""
    ids = call.inputs[0]
    if int(call.layer.alpha.shape[-1]) == len(ids):
        call.bind("alpha", -1, ids, "other")
    return [ids]
