"""A loaded model: its tensors, inferences, and their times."""

from __future__ import annotations

import gc
import time
from typing import Any

from edgeprune_agent.refusal import Refusal

_STEPS = 1 << 11
"""Default inputs are multiples of 1/2048 in [0, 1), which half floats hold exactly."""


class Tensor:
    """An input or output of the graph; unknown dimensions are 1.

    Attributes:
        index: The runtime's number of it.
        name: Its name in the graph.
        dtype: As numpy has it.
        shape: Its sizes.
        bytes: Its size in a blob.
    """

    def __init__(self, details: dict[str, Any]) -> None:
        import numpy as np

        self.index = int(details["index"])
        self.name = str(details["name"])
        self.dtype = np.dtype(details["dtype"])
        self.shape = [int(size) for size in details["shape"]]
        if self.dtype.kind in "OSU":
            raise Refusal(f"tensor {self.name} holds strings, which have no fixed size")
        self.bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def described(self) -> dict[str, Any]:
        """Its entry in the answer to ``load``."""
        return {
            "name": self.name,
            "type": self.dtype.name,
            "shape": self.shape,
            "bytes": self.bytes,
        }


class Model:
    """One model in one interpreter."""

    def __init__(self, interpreter: Any, path: str, threads: int) -> None:
        try:
            self._interpreter = interpreter(model_path=path, num_threads=threads)
            _fix_shapes(self._interpreter)
            self._interpreter.allocate_tensors()
            self.inputs = [Tensor(d) for d in self._interpreter.get_input_details()]
            self.outputs = [Tensor(d) for d in self._interpreter.get_output_details()]
        except (ValueError, RuntimeError, TypeError, SystemError) as error:
            raise Refusal(f"model {path}: {error}") from error  # SystemError: a numpy that is alien
        self.input_bytes = sum(tensor.bytes for tensor in self.inputs)
        self.output_bytes = sum(tensor.bytes for tensor in self.outputs)
        self._first_ns = 0
        self._has_inputs = False

    def set_inputs(self, blob: bytes, offset: int) -> None:
        """Sets all inputs to one sample of a blob."""
        import numpy as np

        for tensor in self.inputs:
            count = tensor.bytes // tensor.dtype.itemsize
            data = np.frombuffer(blob, tensor.dtype, count, offset).reshape(tensor.shape)
            self._interpreter.set_tensor(tensor.index, data)
            offset += tensor.bytes
        self._has_inputs = True

    def run(self) -> None:
        """One inference."""
        begin_ns = time.monotonic_ns()
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise Refusal(f"inference: {error}") from error
        self._first_ns = self._first_ns or time.monotonic_ns() - begin_ns

    def outputs_as_bytes(self) -> bytes:
        """All outputs of the last inference, back to back."""
        values = [self._interpreter.get_tensor(tensor.index) for tensor in self.outputs]
        return b"".join(value.tobytes() for value in values)

    def time(self, warmup: int, runs: int, max_ns: int) -> dict[str, Any]:
        """Times inferences; the answer to ``time`` but for the memory."""
        if not self._has_inputs:
            self._set_pattern()
        for _ in range(warmup + (self._first_ns == 0)):
            self.run()
        gc.collect()
        gc.disable()  # between two clock readings there shall be nothing but the inference
        try:
            begin_ns = time.monotonic_ns()
            latency_ns = self._latencies(runs, max_ns, begin_ns)
            end_ns = time.monotonic_ns()
        except (ValueError, RuntimeError) as error:
            raise Refusal(f"inference: {error}") from error
        finally:
            gc.enable()
        return {
            "begin_ns": begin_ns,
            "end_ns": end_ns,
            "first_ns": self._first_ns,
            "latency_ns": latency_ns,
        }

    def _latencies(self, runs: int, max_ns: int, begin_ns: int) -> list[int]:
        invoke, clock_ns = self._interpreter.invoke, time.monotonic_ns
        latency_ns = [0] * runs
        for k in range(runs):
            start_ns = clock_ns()
            invoke()
            end_ns = clock_ns()
            latency_ns[k] = end_ns - start_ns
            if max_ns and end_ns - begin_ns >= max_ns:
                return latency_ns[: k + 1]
        return latency_ns

    def _set_pattern(self) -> None:
        """Values that any model may be given; what they are is said in PROTOCOL.md."""
        import numpy as np

        random = np.random.RandomState(1)
        for tensor in self.inputs:
            value = np.zeros(tensor.shape, tensor.dtype)
            if tensor.dtype.kind == "f":
                value = (random.randint(0, _STEPS, tensor.shape) / _STEPS).astype(tensor.dtype)
            elif tensor.dtype.kind in "iu" and tensor.dtype.itemsize <= 2:
                value = random.randint(0, 1 << 16, tensor.shape).astype(tensor.dtype)
            self._interpreter.set_tensor(tensor.index, value)
        self._has_inputs = True


def _fix_shapes(interpreter: Any) -> None:
    """Sets unknown dimensions to 1."""
    for details in interpreter.get_input_details():
        wanted = [1 if size < 0 else int(size) for size in details["shape_signature"]]
        if wanted and wanted != [int(size) for size in details["shape"]]:
            interpreter.resize_tensor_input(details["index"], wanted)
