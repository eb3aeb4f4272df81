import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from nets import Net

from edgeprune.devices.boards import load_board, resolved_cpu
from edgeprune.errors import ModelError
from edgeprune.models.tflite import file, graph
from edgeprune.models.tflite.file import TfliteFile, opened
from edgeprune.pipeline.host_half import compress
from edgeprune.pipeline.read import read_model
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import load_recipe
from edgeprune.sandbox import messages

BOARD = "rpi4-emulated"


def net() -> bytes:
    net = Net()
    x = net.conv(net.input(1, 8, 8, 3), 16, kernel=3, stride=2)
    x = net.conv(net.depthwise(x), 32, kernel=1)
    return bytes(net.build(net.dense(net.mean(x), 10)))


def test_a_whole_compression_parses_each_file_once_and_changes_none_that_others_hold(
    tmp_path, monkeypatch
):
    parses, files, real = Counter(), [], file.parsed

    def parsed(content):
        parses[bytes(content)] += 1
        files.append(content)
        return real(content)

    monkeypatch.setattr(file, "parsed", parsed)
    monkeypatch.setattr(graph, "parsed", parsed)
    (tmp_path / "net.tflite").write_bytes(net())
    request = Request(tmp_path / "net.tflite", BOARD, load_recipe("auto"))
    with Progress() as progress:
        cpu = resolved_cpu(load_board(BOARD).cpu)
        compress(request, cpu, progress, read_model(request, progress))
    assert set(parses.values()) == {1}
    assert len(parses) == 3  # as it came, with its zeros, as it is stored in the end
    for one in files:
        assert isinstance(one, TfliteFile)
        as_held, afresh = file.copied(one.graph), real(bytes(one))
        assert graph.write(as_held) == graph.write(afresh)


def test_a_copy_may_be_changed_and_the_file_stays_as_it_is():
    content = opened(net())
    mine = graph.read(content)
    first = mine.subgraphs[0]
    first.operators.pop()
    first.tensors[0].name = b"other"
    first.tensors[0].shape[0] = 7
    mine.buffers[1].data = None
    assert graph.write(graph.read(content)) == graph.write(graph.read(net()))
    assert graph.view(content) is graph.view(content)


def test_nobody_writes_into_a_files_weights_by_mistake():
    model = graph.read(opened(net()))
    data = max((b.data for b in model.buffers if b.data is not None), key=len)
    with pytest.raises(ValueError, match="read-only"):
        data[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(data, np.uint8).view(np.float32)[0] = 1.0


@pytest.mark.parametrize("damage", [b"", b"TFL3", net()[:200], b"\0" * 500])
def test_a_damaged_file_is_refused_where_it_comes_in(damage):
    with pytest.raises(ModelError, match=r"TFLite file"):
        opened(damage)


def test_its_bytes_alone_travel():
    content = opened(net())
    again = pickle.loads(pickle.dumps(content))
    assert again == content and "graph" not in vars(again)
    assert copy.deepcopy(content) is content
    assert messages.decoded(messages.encoded(content), bytes) == content
