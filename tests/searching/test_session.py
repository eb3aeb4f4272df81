"""A whole search on two boards that anybody has: what it writes, and that it can be repeated."""

import dataclasses
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
import searched_net
from full_range import also
from html_page import Page
from rich.console import Console

from edgeprune import pipeline
from edgeprune.auto.study import read_journal
from edgeprune.errors import ConfigError, ModelError
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, load_recipe
from edgeprune.searching.front import read_front
from edgeprune.searching.request import SearchRequest
from edgeprune.searching.session import run_search

BOARDS = ("rpi4-emulated", "mps2-an386")
BUDGET_S = searched_net.SMALL_BUDGET_S
pytestmark = pytest.mark.usefixtures("few_inputs")
FAST = dataclasses.replace(Recipe(), run=dataclasses.replace(Recipe().run, sessions=1, runs=2))


def searched(request):
    log = io.StringIO()
    with Progress(Console(file=log, width=1000), brief=True) as progress:
        return run_search(request, progress), log.getvalue()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRUNE_HOME", str(tmp_path_factory.mktemp("home")))
        with searched_net.short_trainings():
            yield


@pytest.fixture(scope="module")
def asked(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    model, data = searched_net.write(folder)
    each = Request(model, BOARDS[0], FAST, data=str(data), output=folder / "out")
    return SearchRequest(each, BOARDS, budget_s=BUDGET_S)


@pytest.fixture(scope="module")
def found(asked):
    return searched(asked)


@pytest.mark.device
def test_every_board_has_a_network_that_was_measured_and_keeps_the_limit(found, asked):
    front, log = found
    assert front.is_complete and front.exit_code == 0, log
    for board in BOARDS:
        one = front.board(board)
        assert one.chosen.is_measured and one.chosen.keeps_limit
        assert one.chosen.lost <= 0.01 and one.chosen.accuracy.samples == 300
        assert not one.chosen.is_slower
        assert 1 <= len(one.points) <= 6
    assert "searching for at most 3 seconds" in log
    assert "300 of the 600 test samples choose among networks" in log


@pytest.mark.device
def test_its_folder_holds_what_the_answer_names(found, asked):
    front, folder = found[0], asked.folder
    assert read_front(folder) == front
    for board in front.boards:
        assert (folder / board.best).is_file()
        for point in board.points:
            for file in (point.recipe, point.file, point.report):
                assert (folder / file).is_file()
            result = json.loads((folder / point.report).with_name("result.json").read_text())
            assert result["variants"][-1]["name"] in ("deployed", "float32")
            assert result["board"] == board.board


@pytest.mark.device
def test_every_link_of_its_page_leads_somewhere(found, asked):
    text = (asked.folder / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    links = [link for link in re.findall(r'href="([^"]+)"', text) if not link.startswith("#")]
    assert len(links) >= 4 * sum(len(one.points) for one in found[0].boards)
    for link in links:
        assert (asked.folder / link).is_file(), link
    for board in found[0].boards:
        assert board.sentence in page.text


@pytest.mark.device
@pytest.mark.parametrize("board", [also(BOARDS[0]), BOARDS[1]])
def test_deploy_repeats_the_recommended_network_exactly(found, asked, board, tmp_path, monkeypatch):
    one = found[0].board(board)
    recipe = load_recipe(str(asked.folder / one.best))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))  # where nothing is kept
    request = dataclasses.replace(asked.each, board=board, recipe=recipe, output=tmp_path / "again")
    with Progress(Console(file=io.StringIO()), brief=True) as progress:
        outcome = pipeline.deploy(request, progress)
    before = (asked.folder / one.chosen.file).read_bytes()
    assert (tmp_path / "again" / "deployed.tflite").read_bytes() == before
    assert outcome.result.deployed.accuracy == one.chosen.accuracy


@pytest.mark.device
def test_the_same_command_goes_on_and_judges_nothing_twice(found, asked):
    front, log = searched(asked)
    record = read_journal(asked.folder / "state" / "search.journal")
    rows = [(one.node, one.mode, bool(one.kept_layers)) for one in record.candidates]
    assert len(rows) == len(set(rows))
    assert "are gone" in log
    assert front.trained >= found[0].trained
    assert front.exit_code == 0


def test_another_search_in_the_folder_is_refused(found, asked):
    other = dataclasses.replace(asked, limit=0.02)
    with pytest.raises(ConfigError, match=r"holds another search \(another --max-accuracy-drop\)"):
        searched(other)
    few = dataclasses.replace(asked, boards=BOARDS[:1])
    with pytest.raises(ConfigError, match=r"holds another search \(other boards\)"):
        searched(few)


def test_a_folder_of_something_else_is_refused(asked, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    each = dataclasses.replace(asked.each, output=tmp_path / "mine")
    with pytest.raises(ConfigError, match="is not empty, and no search is in it"):
        searched(dataclasses.replace(asked, each=each))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"boards": ()}, "name at least one board"),
        ({"boards": ("rpi4-emulated", "rpi4-emulated")}, "each board once"),
        ({"boards": ("rpi44",)}, "rpi4"),
        ({"limit": 0.0}, "must be above 0%"),
        ({"hosts": {"rpi5": "pi"}}, "no --board is called so"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(asked, tmp_path, changes, told):
    each = dataclasses.replace(asked.each, output=tmp_path / "out")
    with pytest.raises(ConfigError, match=told) as refused:
        searched(dataclasses.replace(asked, each=each, **changes))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_limit_of_memory_without_a_microcontroller_is_refused(asked, tmp_path):
    each = dataclasses.replace(asked.each, output=tmp_path / "out", max_memory=100)
    with pytest.raises(ConfigError, match="limits RAM of a microcontroller, and no --board is"):
        searched(dataclasses.replace(asked, each=each, boards=("rpi4-emulated",)))


def test_data_without_labels_cannot_be_searched_with_for_values(asked, tmp_path):
    import numpy as np

    file = tmp_path / "unlabelled.npz"
    x = np.load(asked.each.data)["x_test"]
    np.savez(file, x_test=x)
    task = dataclasses.replace(asked.each.recipe.task, kind="regression")
    recipe = dataclasses.replace(asked.each.recipe, task=task)
    each = dataclasses.replace(asked.each, output=tmp_path / "out", data=str(file), recipe=recipe)
    with pytest.raises(ModelError, match="has no y_test"):
        searched(dataclasses.replace(asked, each=each))


def test_front_json_is_read_back_and_a_wrong_one_refused(tmp_path):
    file = tmp_path / "front.json"
    file.write_text('{"version": 1}')
    with pytest.raises(ConfigError, match="not what a search wrote"):
        read_front(file)


def test_the_answer_holds_plain_values(found):
    document = msgspec.to_builtins(found[0])
    assert msgspec.convert(json.loads(json.dumps(document)), type(found[0])) == found[0]
    assert Path(document["boards"][0]["best"]).name == "best-rpi4-emulated.toml"
