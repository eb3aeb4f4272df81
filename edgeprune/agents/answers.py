"""What the agent's answers hold, and the blobs of tensors that go back and forth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.errors import DeviceError


@dataclass(frozen=True)
class Hello:
    """What the agent says about itself and its device.

    Attributes:
        agent_version: Version of the agent.
        os: Kernel name and release.
        machine: The kernel's name of the architecture.
        cpu: Model name; Arm cores by their names.
        cores: Cores that are online.
        features: CPU features that the kernel reports.
        pid: The agent's process on the device.
        emulated: The agent knows that the device is emulated; the native one cannot tell.
    """

    agent_version: str
    os: str
    machine: str
    cpu: str
    cores: int
    features: tuple[str, ...]
    pid: int
    emulated: bool = False


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of the loaded model.

    Attributes:
        name: Name of the tensor in the model's graph.
        dtype: As numpy spells it.
        shape: With unknown dimensions set to 1.
        bytes: Size in the frame's blob.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class LoadedModel:
    """What the agent says about the model that it loaded.

    Attributes:
        load_ns: From the start of loading to a compiled model.
        inputs: In the order of the model's graph.
        outputs: In the order of the model's graph.
    """

    load_ns: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class Timing:
    """Times of one process's inferences.

    Attributes:
        begin_ns: The device's monotonic clock before the timed inferences.
        end_ns: It behind them.
        first_ns: The first inference since the load, before the warm-up.
        latency_ns: One entry per timed inference.
        peak_memory_bytes: VmHWM of the process, or None where the kernel does not say.
    """

    begin_ns: int
    end_ns: int
    first_ns: int
    latency_ns: tuple[int, ...]
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class ProfileEvent:
    """One thing that the runtime's profiler saw.

    Attributes:
        tag: The runtime's name of it: a kernel's, for a delegate's event.
        source: 0 LiteRT, 1 interpreter, 2 delegate.
        elapsed_us: Its duration; means nothing on an emulated device.
    """

    tag: str
    source: int
    elapsed_us: int


@dataclass(frozen=True)
class Profile:
    """What the runtime's profiler saw.

    Attributes:
        tags: Every name that occurs, once each, by first appearance.
        events: One tuple of events per inference, in the runtime's order.
    """

    tags: tuple[str, ...]
    events: tuple[tuple[ProfileEvent, ...], ...]


@contextmanager
def complete(answer: Mapping[str, Any], command: str) -> Iterator[None]:
    """Turns a missing or mistyped key of an answer into a DeviceError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError) as error:
        keys = ", ".join(answer)
        raise DeviceError(
            f"{command}: the agent's answer is malformed ({error!r}); it has {keys}"
        ) from error


def tensor_info(entry: Mapping[str, Any]) -> TensorInfo:
    """An entry of ``inputs`` or ``outputs``."""
    shape = tuple(int(size) for size in entry["shape"])
    return TensorInfo(str(entry["name"]), str(entry["type"]), shape, int(entry["bytes"]))


def _dtype(tensor: TensorInfo) -> np.dtype[Any]:
    try:
        return np.dtype(tensor.dtype)
    except TypeError as error:
        raise DeviceError(
            f"tensor {tensor.name} holds {tensor.dtype}, which numpy does not know"
        ) from error


def input_blob(sample: Sequence[Array], inputs: tuple[TensorInfo, ...]) -> bytes:
    """One sample's bytes.

    Raises:
        DeviceError: The sample does not fit the model's inputs.
    """
    if len(sample) != len(inputs):
        raise DeviceError(f"a sample has {len(sample)} arrays, the model {len(inputs)} inputs")
    for array, tensor in zip(sample, inputs, strict=True):
        if array.dtype != _dtype(tensor) or array.nbytes != tensor.bytes:
            raise DeviceError(
                f"input {tensor.name} is {tensor.dtype}{list(tensor.shape)}, the sample has "
                f"{array.dtype}{list(array.shape)}"
            )
    return b"".join(np.ascontiguousarray(array).tobytes() for array in sample)


def output_arrays(blob: bytes, samples: int, outputs: tuple[TensorInfo, ...]) -> list[list[Array]]:
    """The arrays in the blob of an ``infer`` answer: per sample one per output.

    Raises:
        DeviceError: The blob has another size.
    """
    if len(blob) != samples * sum(tensor.bytes for tensor in outputs):
        raise DeviceError(f"the agent sent {len(blob)} bytes of outputs for {samples} samples")
    position = 0
    arrays: list[list[Array]] = []
    for _ in range(samples):
        row: list[Array] = []
        for tensor in outputs:
            data = np.frombuffer(blob[position : position + tensor.bytes], _dtype(tensor))
            row.append(data.reshape(tensor.shape))
            position += tensor.bytes
        arrays.append(row)
    return arrays
