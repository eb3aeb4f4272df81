"""What the tests of the small graph passes share: apply one, and compare outputs on the host."""

from __future__ import annotations

import emulated
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeprune import verify
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.prediction import explain
from edgeprune.sparsify import sparsify

A72 = Cpu("cortex-a72", "aarch64", ())
TOLERANCE = 1e-5


def operators(tflite):
    """Names of a file's operators, in order."""
    model = graph.read(tflite)
    return [graph.op_name(model, op) for op in model.subgraphs[0].operators]


def find(model, name, number=0):
    """The operator ``name`` of a parsed model; the first one, or that of another number."""
    ops = [op for op in model.subgraphs[0].operators if graph.op_name(model, op) == name]
    return ops[number]


def output_names(tflite):
    model = graph.read(tflite)
    tensors = model.subgraphs[0].tensors
    return [graph.tensor_name(tensors[i]) for i in model.subgraphs[0].outputs]


def wrong_shapes(tflite):
    """Names of tensors whose shape in the file is not the one that the runtime computes."""
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    runtime = Interpreter(model_content=tflite, experimental_op_resolver_type=resolver)
    runtime.allocate_tensors()
    tensors = graph.read(tflite).subgraphs[0].tensors
    return [
        graph.tensor_name(tensor)
        for found, tensor in zip(runtime.get_tensor_details(), tensors, strict=False)
        if tuple(found["shape"]) != graph.shape_of(tensor)
    ]


def applied(tflite, apply):
    """The rewritten file and the notes, once its outputs were found to be the old ones."""
    model = graph.read(tflite)
    notes = apply(model)
    after = graph.write(model)
    assert output_names(after) == output_names(tflite)
    assert not wrong_shapes(after)
    samples = verify.sample_inputs(tflite, None, 3)
    right = verify.reference_outputs(tflite, samples)
    assert emulated.difference(verify.reference_outputs(after, samples), right) < TOLERANCE
    return after, notes


def sparse_layers(tflite):
    """Names of layers that explain() says can run sparse."""
    return explain(tflite, A72, assume_hint=True).sparse


def runs_sparse_and_right(tflite, folder):
    """Whether explain()'s layers, at least one, run sparse on the emulated board, and right."""
    stored = sparsify(tflite, A72)
    ran = [layer.name for layer in emulated.kernels(stored.tflite, folder) if layer.sparse]
    assert emulated.relative_error(stored.tflite, folder) < TOLERANCE
    return len(ran) > 0 and sorted(ran) == sorted(stored.expected)
