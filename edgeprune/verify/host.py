"""The host's own interpreter: the reference that a board's outputs are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array, Samples
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.progress import each
from edgeprune.sandbox import watch
from edgeprune.verify.parity import INTEGER_LIMIT_STEPS, real_values
from edgeprune.verify.steps import moved_by_steps

_BUILT_IN_THREADS = 1
"""With two, LiteRT 2.3.0's built-in convolution is wrong where SAME pads a map at its end only and
the kernel is as large as the map, as 2x2 on 2x2. Source: ours, ``tests/verify/test_host.py``.
"""


INFERENCE_S = 600.0
"""Longest that one inference may take in a child; a loop without an end takes longer."""


class HostModel:
    """A model in the host's own interpreter, and so in native code: only within walls.

    Where the model is a stranger's, that is in a child of :mod:`edgeprune.sandbox`.

    Args:
        tflite: The file's bytes.
        reference: Use the built-in kernels instead of XNNPACK.
        plain: Of these the plain ones, whose integers microcontrollers must reproduce bit for bit.
        threads: Of XNNPACK; built-in kernels run in one.
    """

    def __init__(
        self, tflite: bytes, *, reference: bool, plain: bool = False, threads: int = 2
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        model = graph.view(tflite)  # first: what native code makes of a damaged graph is not known
        resolver = (
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if reference else OpResolverType.AUTO
        )
        if plain:
            resolver, reference = OpResolverType.BUILTIN_REF, True
        try:
            with quiet():  # the runtime greets on stderr
                self._interpreter: Any = Interpreter(
                    model_content=tflite,
                    experimental_op_resolver_type=resolver,
                    num_threads=_BUILT_IN_THREADS if reference else threads,
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT on the host cannot run the model: {_line(error)}") from error
        self._inputs, self._outputs = graph.io_tensors(model)
        self.output_tensors = [model.subgraphs[0].tensors[i] for i in self._outputs]
        self.input_tensors = [model.subgraphs[0].tensors[i] for i in self._inputs]

    def __call__(self, sample: Sequence[Array]) -> list[Array]:
        """Outputs of one inference, in the graph's order.

        Raises:
            ModelError: The runtime refused.
        """
        try:
            for index, value in zip(self._inputs, sample, strict=True):
                self._interpreter.set_tensor(index, value)
            with watch.within("one inference in LiteRT on the host", INFERENCE_S):
                self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT on the host failed: {_line(error)}") from error
        return [np.array(self._interpreter.get_tensor(index)) for index in self._outputs]

    def again(self, times: int) -> None:
        """So many inferences more on the inputs of the last one, whose outputs nobody asks for.

        Raises:
            ModelError: The runtime refused.
        """
        try:
            with watch.within(f"{times} inferences in LiteRT on the host", times * INFERENCE_S):
                for _ in range(times):
                    self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"LiteRT on the host failed: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def reference_outputs(tflite: bytes, samples: Samples, *, xnnpack: bool = True) -> Samples:
    """Outputs of the host's trusted kernels for ``samples``.

    Args:
        tflite: A model that is stored dense.
        samples: Inputs.
        xnnpack: Whether the board runs XNNPACK, which rounds integers in its own way.

    Raises:
        ModelError: The host cannot run the model.
    """
    is_integer = graph.rounds_to_integers(graph.view(tflite))
    model = HostModel(tflite, reference=not (is_integer and xnnpack))
    return [model(sample) for sample in each(samples, "reference input")]


def rounding_of(tflite: bytes, samples: Samples, *, xnnpack: bool = True) -> list[float]:
    """How far right kernels differ on a network, because they sum or round in another way.

    Args:
        tflite: A model that is stored dense, so that neither of the two runs a sparse kernel.
        samples: Inputs.
        xnnpack: Whether the board runs XNNPACK.

    Returns:
        One number an output, in the units that it stands for: the largest difference between the
        host's built-in kernels and XNNPACK's, 0.0 where the two differ by what is no number. For
        networks with integers on XNNPACK, where built-in kernels are no second opinion, 0.0 for
        integer outputs, and for others by how
        much they change where each integer that becomes a float is as many steps larger as pass.

    Raises:
        ModelError: The host cannot run the model.
    """
    model = graph.view(tflite)
    count = len(graph.io_tensors(model)[1])
    if xnnpack and graph.rounds_to_integers(model):
        return _answer_to_steps(tflite, samples)
    built_in = HostModel(tflite, reference=True)
    fast = HostModel(tflite, reference=False)
    worst = np.zeros(count)
    for sample in each(samples, "reference input"):
        for k, (ours, theirs) in enumerate(zip(built_in(sample), fast(sample), strict=True)):
            tensor = built_in.output_tensors[k]
            gap = np.abs(real_values(ours, tensor) - real_values(theirs, tensor)).max(initial=0.0)
            worst[k] = max(worst[k], gap)
    return [float(gap) if np.isfinite(gap) else 0.0 for gap in worst]


def _answer_to_steps(tflite: bytes, samples: Samples) -> list[float]:
    """How far float outputs move with the integers that become floats inside a network.

    Raises:
        ModelError: The host cannot run the model.
    """
    moved = moved_by_steps(tflite, INTEGER_LIMIT_STEPS)
    before = HostModel(tflite, reference=False)
    worst = [0.0] * len(before.output_tensors)
    if moved is None:
        return worst
    after = HostModel(moved, reference=False)
    for sample in each(samples, "reference input"):
        for k, (old, new) in enumerate(zip(before(sample), after(sample), strict=True)):
            if old.dtype.kind == "f":
                gap = np.abs(new.astype(np.float64) - old).max(initial=0.0)
                worst[k] = max(worst[k], float(gap) if np.isfinite(gap) else 0.0)
    return worst
