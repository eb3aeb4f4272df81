"""Runs a .tflite file that may hold layers for edgeprune's own kernels, once, on LiteRT.

    pip install ai-edge-litert
    python app.py ./libedgeprune_kernels.so deployed.tflite < input.bin > output.bin

The input and the output are raw bytes of the model's one input and one output.
"""

import ctypes
import importlib.util
import sys
from ctypes import byref, c_char_p, c_int32, c_size_t, c_uint, c_uint32, c_void_p
from pathlib import Path

CPU, READ, WRITE, THREADS = 1, 0, 1, 1


class Layout(ctypes.Structure):
    """LiteRtLayout."""

    _fields_ = (
        ("rank", c_uint, 7),
        ("has_strides", c_uint, 1),
        ("dimensions", c_int32 * 8),
        ("strides", c_uint32 * 8),
    )


class TensorType(ctypes.Structure):
    """LiteRtRankedTensorType."""

    _fields_ = (("element_type", c_int32), ("layout", Layout))


def libraries(kernels_path):
    """LiteRT of the installed package, and edgeprune's kernels, which look for it."""
    package = importlib.util.find_spec("ai_edge_litert").submodule_search_locations[0]
    litert = ctypes.CDLL(str(Path(package) / "libLiteRt.so"))
    kernels = ctypes.CDLL(kernels_path)
    kernels.edgeprune_kernels_error.restype = c_char_p
    kernels.edgeprune_kernels_name.restype = c_char_p
    return litert, kernels


def run(kernels_path, model_path, given):
    """The output's bytes for the input's."""
    litert, library = libraries(kernels_path)

    def call(name, *arguments):
        status = getattr(litert, f"LiteRt{name}")(*arguments)
        if status != 0:
            raise SystemExit(f"app: LiteRt{name} failed with status {status}")

    def made(name, *arguments):
        handle = c_void_p()
        call(name, *arguments, byref(handle))
        return handle

    def check_kernels():
        error = library.edgeprune_kernels_error(kernels)
        if error is not None:
            raise SystemExit(f"app: {error.decode()}")

    environment = made("CreateEnvironment", 0, None)
    model = made("CreateModelFromFile", environment, str(model_path).encode())
    options = made("CreateOptions")
    call("SetOptionsHardwareAccelerators", options, CPU)

    kernels = c_void_p()
    if library.edgeprune_kernels_register(byref(kernels), model, options, THREADS) != 0:
        check_kernels()
    compiled = made("CreateCompiledModel", environment, model, options)
    check_kernels()  # LiteRT passes on no error of a kernel

    graph = made("GetSignatureSubgraph", made("GetModelSignature", model, c_size_t(0)))
    buffers = []
    for end in ("Input", "Output"):
        tensor, kind = made(f"GetSubgraph{end}", graph, c_size_t(0)), TensorType()
        call("GetRankedTensorType", tensor, byref(kind))
        needs = made(f"GetCompiledModel{end}BufferRequirements", compiled, c_size_t(0), c_size_t(0))
        name = "CreateManagedTensorBufferFromRequirements"
        buffers.append(made(name, environment, byref(kind), needs))

    def bytes_of(buffer, mode, data=None):
        size, place = c_size_t(), c_void_p()
        call("GetTensorBufferPackedSize", buffer, byref(size))
        call("LockTensorBuffer", buffer, byref(place), mode)
        if data is not None:
            if len(data) != size.value:
                raise SystemExit(f"app: the input has {len(data)} bytes, the model's {size.value}")
            ctypes.memmove(place, data, size.value)
        content = ctypes.string_at(place, size.value)
        call("UnlockTensorBuffer", buffer)
        return content

    bytes_of(buffers[0], WRITE, given)
    ends = [(c_void_p * 1)(buffer) for buffer in buffers]
    call("RunCompiledModel", compiled, c_size_t(0), c_size_t(1), ends[0], c_size_t(1), ends[1])
    check_kernels()
    output = bytes_of(buffers[1], READ)
    count, name = library.edgeprune_kernels_count(kernels), library.edgeprune_kernels_name()
    print(f"{count} layers ran in {name.decode()}", file=sys.stderr)

    for buffer in buffers:
        litert.LiteRtDestroyTensorBuffer(buffer)
    litert.LiteRtDestroyCompiledModel(compiled)
    library.edgeprune_kernels_free(kernels)
    litert.LiteRtDestroyOptions(options)
    litert.LiteRtDestroyModel(model)
    litert.LiteRtDestroyEnvironment(environment)
    return output


if __name__ == "__main__":
    sys.stdout.buffer.write(run(sys.argv[1], sys.argv[2], sys.stdin.buffer.read()))
