"""A result as an overlay for Model Explorer: a file of node data for each quantity of a network.

The viewer colours the nodes of a ``.tflite`` file by such files. It takes the name of a node's
output tensor as the node's key, whichever of its adapters read the file; a name that several
tensors have says nothing, and its nodes get no data.

Source: google-ai-edge/model-explorer, ``model_explorer/node_data_builder.py`` (the format) and
``node_data_provider_extension_service.ts`` (how keys are looked up).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeprune.errors import ConfigError, ModelError
from edgeprune.files.read_file import read_bytes
from edgeprune.files.whole_file import shown, write_whole
from edgeprune.history.result import Result, Variant
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.file import TfliteFile
from edgeprune.report.model_explorer.nodes import Nodes
from edgeprune.report.model_explorer.quantities import Quantity, changes, errors, quantities
from edgeprune.report.tensor_errors import FILE_NAME, read_tensor_errors

FOLDER = "model-explorer"

_MAX_BYTES = 1 << 31
_PLAIN = re.compile(r"\w[\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class Overlay:
    """Files that were written for one network.

    Attributes:
        model: The ``.tflite`` file.
        files: The files of node data.
        remarks: What they leave out, a line each.
    """

    model: Path
    files: tuple[Path, ...]
    remarks: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the files of node data are."""
        return self.model.parent / FOLDER

    @property
    def command(self) -> str:
        """What opens them in the viewer."""
        paths = ",".join(str(file) for file in self.files)
        return shlex.join(["model-explorer", str(self.model), "--node_data_paths", paths])


def write_overlays(result: Result, folder: Path) -> list[Overlay]:
    """Writes ``model-explorer/<network>.<quantity>.json`` in a run's folder.

    Args:
        result: Of the run.
        folder: The run's, with its ``.tflite`` files.

    Returns:
        One for each network, the deployed one first.

    Raises:
        ConfigError: A file is not there, is not the one that was measured, or cannot be written.
        ModelError: A file is damaged.
    """
    files = {variant.name: _opened(variant, folder) for variant in result.variants}
    original = files.get("dense")
    overlays = []
    for variant in sorted(result.variants, key=lambda one: one is not result.deployed):
        nodes = Nodes(graph.view(files[variant.name]))
        found = quantities(result, variant, nodes)
        remarks = list(found.remarks)
        all_of = list(found.quantities)
        if variant is result.deployed:  # the viewer shows the last one first: kernels
            all_of[:0] = _of_deployed(nodes, original, folder, remarks)
        written = tuple(_written(all_of, variant, nodes.graph_id, folder / FOLDER))
        overlays.append(Overlay(folder / variant.file, written, tuple(remarks)))
    return overlays


def _of_deployed(
    nodes: Nodes, original: TfliteFile | None, folder: Path, remarks: list[str]
) -> Iterator[Quantity]:
    """What only the deployed network has: errors of quantization, and what is new in it."""
    yield errors(read_tensor_errors(folder / FILE_NAME), nodes)
    if original is not None:
        yield changes(Nodes(graph.view(original)), nodes)
    if not (folder / FILE_NAME).exists():
        remarks.append("no errors of weights: this run quantized none, or is of an older edgeprune")


def _opened(variant: Variant, folder: Path) -> TfliteFile:
    """The file that was measured.

    Raises:
        ConfigError: It is not there, or is another one.
        ModelError: It is damaged.
    """
    if not _PLAIN.fullmatch(variant.name):
        raise ConfigError(f"{shown(variant.name)}: no name for files; expected letters and digits")
    path = folder / variant.file
    if not path.is_file():
        line = f"{shown(path)}: is not there, and Model Explorer shows a model's file"
        raise ConfigError(f"{line}; name the folder that deploy wrote")
    content = read_bytes(path, _MAX_BYTES)
    if len(content) != variant.bytes:
        is_other = f"has {len(content):,} bytes, and the file that was measured {variant.bytes:,}"
        raise ConfigError(f"{shown(path)}: {is_other}; it is another file")
    try:
        return graph.opened(content)
    except ModelError as error:
        raise ModelError(f"{shown(path)}: {error}") from error


def _written(
    found: Sequence[Quantity], variant: Variant, graph_id: str, folder: Path
) -> Iterator[Path]:
    for quantity in found:
        file = folder / f"{variant.name}.{quantity.key}.json"
        if not quantity.values:  # an earlier one would show what is not known
            file.unlink(missing_ok=True)
            continue
        _make(folder)
        text = json.dumps({graph_id: _node_data(quantity)}, indent=1, ensure_ascii=False)
        write_whole(file, text + "\n", replace=True)
        yield file


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error


def _node_data(quantity: Quantity) -> dict[str, Any]:
    """A ``GraphNodeData`` of the viewer."""
    results = {
        name: {"value": value, "bgColor": quantity.colors[name]}
        for name, value in quantity.values.items()
    }
    hidden = {} if quantity.is_sum else {"hideAggregatedStats": ["sum", "avg"]}
    return {"name": quantity.name, "results": results} | hidden
