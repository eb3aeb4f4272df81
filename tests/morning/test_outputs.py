"""What a plan's table ``[morning]`` has written, and what becomes of it where something fails."""

import json
import re
import shutil
from xml.etree import ElementTree

import msgspec
import pytest
from farm_year import Year, fill, night_name

from edgeprune.cli.farm_morning import check_morning, write_morning
from edgeprune.errors import ConfigError
from edgeprune.farm.plan import read_plan
from edgeprune.morning.night import morning
from edgeprune.morning.site.folder import MARK
from edgeprune.morning.webhook import TOKEN_VARIABLE, URL_VARIABLE

NIGHT = night_name(2)
FILES = {"markdown": "night.md", "junit": "night.xml", "json": "night.json",
         "prometheus": "farm.prom"}  # fmt: skip
CLOSED = "http://127.0.0.1:9/hook?key=secret1"


@pytest.fixture
def planned(home):
    """Writes a plan with a table ``[morning]``, and reads it."""
    fill(Year(nights=3, devices=1, models=1, samples=4, quiet=True))

    def read(**table):
        lines = ['name = "nightly"', "[[jobs]]", 'models = ["a.h5"]', 'boards = ["rpi4"]']
        values = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
        (home / "p.toml").write_text("\n".join([*lines, "[morning]", values]))
        return read_plan(home / "p.toml")

    return read


def everything(home):
    return {str(one.relative_to(home)) for one in home.rglob("*")
            if one.is_file() and "edgeprune/" not in str(one.relative_to(home))}  # fmt: skip


def test_everything_is_written_beside_the_plan(planned, home, capsys):
    plan = planned(site="site", **FILES)
    check_morning(plan)
    assert everything(home) == {"p.toml", f"site/{MARK}"}
    assert write_morning(plan, NIGHT, 0) == 0
    assert f"written to {home}/site/index.html\n" == capsys.readouterr().err
    told = morning(NIGHT)
    assert json.loads((home / "night.json").read_text()) == json.loads(msgspec.json.encode(told))
    assert (home / "night.md").read_text().startswith("### nightly 2025-12-02\n**all well:")
    assert ElementTree.fromstring((home / "night.xml").read_text()).get("failures") == "0"
    assert "edgeprune_night_ok" in (home / "farm.prom").read_text()
    assert "All well" in (home / "site" / "index.html").read_text()
    assert not list(home.rglob("*.part"))


def test_a_plan_without_the_table_writes_nothing(home):
    (home / "p.toml").write_text('[[jobs]]\nmodels = ["a.h5"]\nboards = ["rpi4"]\n')
    plan = read_plan(home / "p.toml")
    check_morning(plan)
    assert (write_morning(plan, "x", 0), write_morning(plan, "x", 1)) == (0, 1)
    assert everything(home) == {"p.toml"}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"site": "."}, "morning.site: {home}: is not empty, and no site of edgeprune"),
        (
            {"markdown": "no/night.md"},
            "morning.markdown: {home}/no/night.md: cannot be written: No",
        ),
        ({"json": "x", "junit": "./x"}, "morning.json: another key names the same file: {home}/x"),
        ({"prometheus": "/dev/null"}, "morning.prometheus: /dev/null is no file; name one"),
        ({"webhook": True}, f"morning.webhook: {URL_VARIABLE}: must hold an https URL"),
        ({"webhook_file": "hook"}, "morning.webhook: {home}/hook: "),
        ({"webhook_file": "p.toml"}, "morning.webhook: {home}/p.toml: must hold an https URL"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_told_before_the_night(planned, home, table, line):
    plan = planned(**table)
    before = everything(home)
    with pytest.raises(ConfigError, match=re.escape(line.format(home=home))) as caught:
        check_morning(plan)
    assert str(caught.value).startswith(f"{home}/p.toml: ") and "\n" not in str(caught.value)
    assert everything(home) == before


def test_all_faults_are_in_one_message(planned, home):
    plan = planned(site="p.toml", markdown="no/a", webhook=True)
    with pytest.raises(ConfigError) as caught:
        check_morning(plan)
    assert [word in str(caught.value) for word in (".site", ".markdown", ".webhook")] == [True] * 3


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"keep_nights": 0}, "morning.keep_nights must be 1 or more, got 0"),
        ({"sites": "x"}, "unknown key 'morning.sites' (did you mean 'morning.site'?)"),
        ({"webhook": "https://example.org"}, "morning.webhook must be bool"),
    ],
    ids=str,
)
def test_the_table_is_checked_like_the_rest_of_the_plan(planned, table, line):
    with pytest.raises(ConfigError, match=re.escape(line)):
        planned(**table)


def test_what_fails_is_one_line_and_keeps_nothing_else(planned, home, capsys, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, CLOSED)
    monkeypatch.setenv(TOKEN_VARIABLE, "secret2")
    (home / "gone").mkdir()
    plan = planned(site="site", webhook=True, **FILES | {"markdown": "gone/night.md"})
    check_morning(plan)
    shutil.rmtree(home / "gone")
    assert write_morning(plan, NIGHT, 0) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"morning: {home}/gone/night.md: cannot be written: No such file")
    assert second.startswith("morning: webhook at 127.0.0.1: the morning was not delivered")
    assert all(line.endswith("`edgeprune farm report` writes it again") for line in (first, second))
    assert "secret" not in first + second
    assert all((home / FILES[key]).exists() for key in ("junit", "json", "prometheus"))
    assert (home / "site" / "index.html").exists()
    assert write_morning(plan, NIGHT, 1) == 1  # the night's own code says more


def test_a_webhook_that_is_down_gives_its_own_code(planned, home):
    (home / "hook").write_text(f"{CLOSED}\nsecret2\n")
    plan = planned(webhook_file="hook", json="night.json")
    check_morning(plan)
    assert write_morning(plan, NIGHT, 0) == 3
    (home / "night.json").unlink()
    assert write_morning(plan, NIGHT, 0, is_news=False) == 0  # nobody is called a second time
    assert (home / "night.json").exists()


def test_a_morning_that_is_not_well_gives_1_and_one_that_is_gone_2(home, planned, capsys):
    plan = planned(json="night.json")
    shutil.rmtree(home / "edgeprune")
    fill(Year(nights=3, devices=3, models=3, samples=4))
    assert write_morning(plan, NIGHT, 0) == 1
    assert write_morning(plan, "another", 0) == 2
    assert "no night is called 'another'" in capsys.readouterr().err
