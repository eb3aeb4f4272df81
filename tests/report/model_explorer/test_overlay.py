import json
import re
import shlex
from pathlib import Path

import pytest
from json_schemas import jsonschema
from nets import Net
from results import changed, counted, layer, result_of, variant

from edgeprune.artifacts.tensor_error import TensorError
from edgeprune.errors import ConfigError, ModelError
from edgeprune.models.tflite import graph
from edgeprune.report.model_explorer import write_overlays
from edgeprune.report.tensor_errors import write_tensor_errors

SPMM, DENSE = "Convolution (NCHW, F32) SPMM", "Convolution (NCHW, F32) DWConv"

NODE_DATA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["results"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "results": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {
                        "value": {"type": ["number", "string"]},
                        "bgColor": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                        "textColor": {"type": "string"},
                    },
                },
            },
            "thresholds": {"type": "array"},
            "gradient": {"type": "array"},
            "hideAggregatedStats": {
                "type": "array", "items": {"enum": ["min", "max", "sum", "avg"]},
            },
        },
    },
}  # fmt: skip
"""ModelNodeData. Source: model-explorer 0.1.34, ``model_explorer/node_data_builder.py``."""

ADAPTER = {
    "net": {"0": "t2", "1": "stem", "2": "twice", "3": "twice", "4": "", "5": "point", "6": "mean"},
    "signed": {"0": "point", "1": "mean"},
}
"""Each graph, by the name that Model Explorer gives it, and its operators' outputs by node.

Source: ``ConvertFlatbufferDirectlyToJson`` of ai-edge-model-explorer-adapter 0.2.1.
"""


def named(net, tensor, name):
    net.graph.tensors[tensor].name = name.encode()
    return tensor


def plain():
    """A graph with a name of its own, an int8 filter, an unnamed output and two of one name."""
    net = Net()
    net.graph.name = b"net"
    x = named(net, net.conv(net.input(1, 8, 8, 4), 4, kernel=3, storage="int8"), "stem")
    x = named(net, net.conv(x, 4), "twice")
    x = named(net, net.conv(x, 4), "twice")
    x = named(net, net.conv(x, 4), "")
    x = named(net, net.conv(x, 4, sparsity=0.75), "point")
    return net.build(named(net, net.mean(x), "mean"))


def signed():
    """A point and a mean; the graph has the name of its signature."""
    net = Net()
    x = named(net, net.conv(net.input(1, 8, 8, 4), 4, sparsity=0.75), "point")
    y = named(net, net.mean(x), "mean")
    tflite = net.build(y)
    model = graph.read(tflite)
    graph.add_signature(model, ["a"], ["b"])
    model.signatureDefs[0].signatureKey = b"signed"
    return graph.write(model)


def measured():
    """A result of two networks, whose files are not written yet."""
    dense = [layer("point", DENSE, latency_us=3.0), layer("mean", "Mean", latency_us=0.0)]
    sparse = [
        layer("stem", DENSE, latency_us=7.0), layer("twice", DENSE, latency_us=2.0),
        layer("point", SPMM, latency_us=1.23456), layer("mean", "Mean"), layer("Copy", "Copy"),
    ]  # fmt: skip
    return result_of(variant("dense", layers=dense), variant("deployed", layers=sparse))


def on_disk(folder, result, **files):
    """The result with its files in a folder."""
    folder.mkdir(exist_ok=True)
    sizes = {}
    for index, (name, tflite) in enumerate(files.items()):
        (folder / f"{name}.tflite").write_bytes(tflite)
        sizes[f"variants.{index}.bytes"] = len(tflite)
    return changed(result, sizes)


def shown(overlay, graph_id):
    """Values by quantity and node, as files that the format allows."""
    found = {}
    for file in overlay.files:
        content = json.loads(file.read_text())
        jsonschema.validate(content, NODE_DATA)
        assert list(content) == [graph_id]
        entries = content[graph_id]["results"]
        assert entries and all("bgColor" in entry for entry in entries.values())
        key = file.name.split(".")[1]
        found[key] = {node: entry["value"] for node, entry in entries.items()}
    return found


def test_each_node_gets_what_is_known_of_it_and_nothing_else(tmp_path):
    result = on_disk(tmp_path, measured(), dense=signed(), deployed=plain())
    write_tensor_errors(
        [
            TensorError("stem", "CONV_2D", "int8", 9, 1e-4, 40.0, 0.1, 0, 0, 9, 9),
            TensorError("point", "CONV_2D", "float32", 9, 0.0, None, 0.0, 0, 0, 9, 9),
            TensorError("mean", "CONV_2D", "int8", 9, 1.0, None, 1.0, 9, 0, 1, 9),
        ],
        tmp_path / "tensor-errors.json",
    )
    deployed, dense = write_overlays(result, tmp_path)
    found = shown(deployed, "net")
    assert found["kernel"] == {"stem": DENSE, "point": SPMM, "mean": "Mean"}
    assert found["time"] == {"stem": 7.0, "point": 1.235}
    assert found["sparsity"] == {"stem": 0.7, "point": 75.0}  # 1 of 144
    assert found["error"] == {"stem": 1.0, "point": 0.0}  # 40 dB; what has no ratio has no value
    assert found["change"] == {"stem": "new"}
    assert set(found["instructions-estimated"]) == {"stem", "point", "mean"}
    assert "instructions" not in found
    assert shown(dense, "signed")["time"] == {"point": 3.0, "mean": 0.0}
    assert any("2 of 5 kernels" in remark for remark in deployed.remarks)
    assert any("3 operators" in remark for remark in deployed.remarks)


@pytest.mark.parametrize("make", [plain, signed])
def test_keys_are_names_that_the_viewer_has_once(make, tmp_path):
    tflite = make()
    layers = [layer(name) for name in ("stem", "twice", "point", "mean", "") if name]
    result = on_disk(tmp_path, result_of(counted("deployed", 9, layers=layers)), deployed=tflite)
    (overlay,) = write_overlays(result, tmp_path)
    for file in overlay.files:
        ((graph_id, content),) = json.loads(file.read_text()).items()
        names = list(ADAPTER[graph_id].values())
        assert all(names.count(key) == 1 for key in content["results"])


def test_an_emulated_board_has_instructions_and_no_times(tmp_path):
    layers = [layer("point", SPMM, instructions=0), layer("mean", instructions=5)]
    result = on_disk(tmp_path, result_of(counted("deployed", 9, layers=layers)), deployed=signed())
    (overlay,) = write_overlays(result, tmp_path)
    found = shown(overlay, "signed")
    assert found["instructions"] == {"point": 0, "mean": 5} and "time" not in found
    names = [json.loads(file.read_text())["signed"]["name"] for file in overlay.files]
    assert "instructions (emulated)" in names
    assert "instructions (estimated for cortex-a72)" in names
    assert any("an emulated board has none" in remark for remark in overlay.remarks)


def test_a_quantity_that_is_not_known_any_more_leaves_no_file(tmp_path):
    result = on_disk(tmp_path, measured(), dense=signed(), deployed=plain())
    assert (tmp_path / "model-explorer/dense.time.json") in write_overlays(result, tmp_path)[
        1
    ].files
    untimed = changed(result, {f"variants.0.layers.{k}.latency_us": None for k in (0, 1)})
    write_overlays(untimed, tmp_path)
    assert not (tmp_path / "model-explorer/dense.time.json").exists()


def test_times_of_a_noisy_result_are_called_so(tmp_path):
    noisy = changed(measured(), {"validity": {"verdict": "noisy", "reasons": ["a neighbour"]}})
    overlay, _ = write_overlays(
        on_disk(tmp_path, noisy, dense=signed(), deployed=plain()), tmp_path
    )
    assert any("cannot be relied on" in remark and "noisy" in remark for remark in overlay.remarks)


def test_a_board_that_is_not_known_here_costs_only_the_estimate(tmp_path):
    result = changed(measured(), {"board": "of-a-friend"})
    overlay, _ = write_overlays(
        on_disk(tmp_path, result, dense=signed(), deployed=plain()), tmp_path
    )
    assert "instructions-estimated" not in shown(overlay, "net")
    assert any("of-a-friend" in remark for remark in overlay.remarks)


def test_the_command_opens_the_network_with_its_files(tmp_path):
    folder = tmp_path / "of mine"
    overlay, _ = write_overlays(
        on_disk(folder, measured(), dense=signed(), deployed=plain()), folder
    )
    program, model, option, paths = shlex.split(overlay.command)
    assert (program, option) == ("model-explorer", "--node_data_paths")
    assert Path(model) == folder / "deployed.tflite"
    assert [Path(path) for path in paths.split(",")] == list(overlay.files)
    assert overlay.files[-1].name == "deployed.kernel.json"  # what the viewer shows first


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda file: file.unlink(), ConfigError, "name the folder that deploy wrote"),
        (lambda file: file.write_bytes(b"other"), ConfigError, "it is another file"),
        (lambda file: file.write_bytes(bytes(file.stat().st_size)), ModelError, "deployed.tflite"),
    ],
)
def test_only_the_file_that_was_measured_is_shown(spoil, error, words, tmp_path):
    result = on_disk(tmp_path, measured(), dense=signed(), deployed=plain())
    spoil(tmp_path / "deployed.tflite")
    with pytest.raises(error, match=re.escape(words)):
        write_overlays(result, tmp_path)
    assert not (tmp_path / "model-explorer").exists()


def test_a_network_that_is_named_like_a_path_is_refused(tmp_path):
    result = on_disk(tmp_path, result_of(counted("deployed", 9)), deployed=signed())
    evil = changed(result, {"variants.0.name": "../../deployed"})
    with pytest.raises(ConfigError, match="expected letters and digits"):
        write_overlays(evil, tmp_path)


@pytest.mark.parametrize("text", ['{"tensors": [{}]}', '{"tensors": 7}', "[]", '{"more": []}', "{"])
def test_a_damaged_table_of_errors_is_named(text, tmp_path):
    result = on_disk(tmp_path, measured(), dense=signed(), deployed=plain())
    (tmp_path / "tensor-errors.json").write_text(text)
    with pytest.raises(ConfigError, match=r"tensor-errors\.json"):
        write_overlays(result, tmp_path)


def adapter_nodes(tflite, folder):
    """What the viewer's own adapter makes of a file."""
    import ai_edge_model_explorer_adapter as adapter

    (folder / "net.tflite").write_bytes(tflite)
    text = adapter.ConvertFlatbufferDirectlyToJson(
        adapter.VisualizeConfig(), str(folder / "net.tflite")
    )
    ((graph_json,),) = (each["subgraphs"] for each in json.loads(text))
    names = {
        node["id"]: entry["value"]
        for node in graph_json["nodes"]
        if node["label"] not in ("GraphInputs", "pseudo_const")
        for output in node.get("outputsMetadata", ())
        for entry in output["attrs"]
        if entry["key"] == "tensor_name"
    }
    return graph_json["id"], names


@pytest.mark.full_range  # needs edgeprune[model-explorer], a viewer of 0.6 GB
@pytest.mark.parametrize("make", [plain, signed])
def test_what_is_recorded_is_what_the_viewer_makes_of_a_file(make, tmp_path):
    graph_id, names = adapter_nodes(make(), tmp_path)
    assert ADAPTER[graph_id] == names
