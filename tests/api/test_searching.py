"""``edgeprune.search``: what the command does, as an object."""

import pytest
import searched_net
from html_page import Page

import edgeprune
from edgeprune.errors import ConfigError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return searched_net.write(tmp_path_factory.mktemp("search"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.device
def test_a_search_is_an_object_that_a_notebook_shows_and_nothing_is_printed(here, files, capfd):
    told = []
    found = edgeprune.search(
        *files,
        boards=["rpi4-emulated"],
        output="out",
        budget_s=4,
        sessions=1,
        runs=2,
        progress=told.append,
    )
    assert capfd.readouterr() == ("", "")
    assert any("searching for at most 4 seconds" in line for line in told)
    best = found.best("rpi4-emulated")
    assert best in found.fronts["rpi4-emulated"]
    assert best.keeps_limit and best.is_measured and 0 <= best.accuracy <= 1
    assert best.recipe.is_file() and best.file.is_file() and best.report.is_file()
    assert best.figures.instructions > 0
    page = Page(found._repr_html_())
    assert best.what in page.text and "(take this one)" in page.text
    assert "rpi4-emulated: " in repr(found)
    assert found.to_dict()["boards"][0]["board"] == "rpi4-emulated"
    with pytest.raises(ConfigError, match="the search was for rpi4-emulated, not 'rpi4-emulatd'"):
        found.best("rpi4-emulatd")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"boards": []}, "at least one board"),
        ({"minimize": "latncy"}, "did you mean"),
        ({"budgt_s": 3}, "no such option: 'budgt_s'"),
        ({"max_accuracy_drop": 0.0}, "must be above 0%"),
    ],
)
def test_wrong_options_are_refused(files, options, told):
    given = {"boards": ["rpi4-emulated"], "output": "out"} | options
    with pytest.raises(ConfigError, match=told):
        edgeprune.search(*files, **given)
