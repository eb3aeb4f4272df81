"""Asks a runtime's own interpreter for the newest version of each operator that it has.

Prints a table of ``edgeprune/prediction/operator_versions.toml``: what is older than in the
installed LiteRT. FOLDER is an unpacked wheel of ``ai-edge-litert`` or ``tflite-runtime`` for this
machine; the latter wants numpy 1 in ``PYTHONPATH``.

    python benchmarks/operator_versions.py FOLDER "litert 2.1.0"
"""

import base64
import json
import subprocess
import sys
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

NEWEST = 15  # no operator of LiteRT 2.3.0 has come further than 14

ASK = """
import base64, json, sys
try:
    from tflite_runtime.interpreter import Interpreter
except ImportError:
    from ai_edge_litert.interpreter import Interpreter
found = {}
for name, versions in json.load(sys.stdin).items():
    found[name] = 0
    for version, content in enumerate(versions, 1):
        try:
            Interpreter(model_content=base64.b64decode(content))
            found[name] = version
        except ValueError as error:
            if "Registration failed" not in str(error):
                raise
json.dump(found, sys.stdout)
"""


def file_with(operator: int, version: int) -> bytes:
    """A model of one RELU that lists another operator as well; the runtime looks for both."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    model.operatorCodes = []
    for code, number in ((schema.BuiltinOperator.RELU, 1), (operator, version)):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
        entry.version = number
        model.operatorCodes.append(entry)
    graph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor in graph.tensors:
        tensor.shape, tensor.buffer = [1, 4], 0
    relu = schema.OperatorT()
    relu.opcodeIndex, relu.inputs, relu.outputs = 0, [0], [1]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [relu]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def asked(folder: str | None, files: dict[str, list[str]]) -> dict[str, int]:
    """Operator to its newest version; of the installed LiteRT without a folder."""
    start = f"import sys\nsys.path.insert(0, {folder!r})\n" if folder else ""
    argv = [sys.executable, "-c", start + ASK]
    done = subprocess.run(
        argv, input=json.dumps(files), capture_output=True, text=True, timeout=600, check=True
    )
    return dict(json.loads(done.stdout))


def main(folder: str, label: str) -> None:
    """Prints the table."""
    operators = {
        name: value
        for name, value in sorted(vars(schema.BuiltinOperator).items())
        if isinstance(value, int) and name not in ("CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES")
    }
    files = {
        name: [base64.b64encode(file_with(value, v)).decode() for v in range(1, NEWEST + 1)]
        for name, value in operators.items()
    }
    theirs, ours = asked(str(Path(folder).resolve()), files), asked(None, files)
    print(f'["{label}"]')
    for name, newest in theirs.items():
        if newest < ours[name]:
            print(f"{name} = {newest}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
