"""The site is whole, needs no network, and tells what the code has."""

import ast
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.cli.docs import docs as docs_command
from edgeprune.files import paths

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, built as ``./check`` and the wheel build them."""
    folder = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Loads(HTMLParser):
    """What a page loads by itself, and the text that it shows."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "link" and named.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.loaded.append(named["href"])
        elif "src" in named:
            self.loaded.append(named["src"])

    def handle_data(self, data):
        self.words.append(data)


def page(site, name):
    return Loads((site / name).read_text(encoding="utf-8"))


def test_every_page_loads_files_of_the_site_alone(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for file in pages:
        if file.name == "404.html":  # only a server shows it
            continue
        for address in page(site, file.relative_to(site)).loaded:
            assert "//" not in address, f"{file.name} loads {address}"
            assert (file.parent / address).is_file(), f"{file.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", style.read_text(encoding="utf-8"))


def test_the_search_needs_no_server(site):
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    entries = json.loads(index[index.index("{") :].rstrip().rstrip(";"))["docs"]
    found = {
        entry["location"].partition("#")[0] for entry in entries if "energy_idle_s" in entry["text"]
    }
    assert "how-to/recipe.html" in found


def test_nothing_is_left_to_generate_and_no_docstrings_markup_is_left(site):
    for file in sorted(site.rglob("*.html")):
        text = file.read_text(encoding="utf-8")
        assert "generated:" not in text, file
        if file.parent.name in ("how-to", "reference") and file.name != "result.html":
            assert not re.search(r":(data|class|func|mod|meth):`", text), file


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_stands_in_the_reference_with_all_options(site, name):
    shown = page(site, "reference/commands.html").text
    assert f"edgeprune {name}" in shown
    command = cli.edgeprune.get_command(None, name)
    for option in command.params:
        for spelt in option.opts if not getattr(option, "hidden", False) else ():
            assert not spelt.startswith("--") or spelt in shown, f"{name} {spelt}"


@pytest.mark.parametrize("name", ["how-to/recipe", "how-to/board", "how-to/bench"])
def test_every_key_is_explained(site, name):
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr>\n<td><code>(\w+)</code></td>\n(.*?)</tr>", text, re.DOTALL)
    assert rows
    for key, cells in rows:
        meaning = re.findall(r"<td>(.*?)</td>", cells, re.DOTALL)[-1]
        assert len(meaning) > 3, f"{name}: {key} has no docstring"


def literals():
    """Every text of the code, with {} where a value stands."""
    found = []
    for file in (ROOT / "edgeprune").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_every_message_of_the_troubleshooting_is_one_of_the_code():
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    known = literals()
    messages = re.findall(r"^### (.*)$", text.replace("…", "{}"), re.MULTILINE)
    assert len(messages) > 15
    assert [message for message in messages if message not in known] == []


def test_the_glossary_is_in_order():
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)[2:]
    assert words == sorted(words, key=str.lower) and len(words) == len(set(words)) > 30


def test_every_extra_stands_on_the_installation_page():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    written = (DOCS / "install.md").read_text(encoding="utf-8")
    inner = {"dev", "docs", "release"}  # for those who work on edgeprune itself
    for extra in project["optional-dependencies"].keys() - inner:
        assert f"'edgeprune[{extra}]'" in written or f"'.[{extra}]'" in written, extra


@pytest.fixture
def built(monkeypatch, tmp_path):
    (tmp_path / "index.html").write_text("<h1>edgeprune</h1>")
    monkeypatch.setattr(paths, "documentation", lambda: tmp_path)
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "index.html"


def test_docs_prints_where_it_is_where_there_is_no_browser(built):
    done = CliRunner().invoke(docs_command)
    assert (done.exit_code, done.stdout) == (0, f"{built}\n")
    done = CliRunner().invoke(docs_command, ["--json"])
    assert json.loads(done.stdout) == {"index": str(built)}


def test_docs_opens_the_browser_that_the_user_names(built, tmp_path):
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    script.chmod(0o755)
    env = os.environ | {"BROWSER": str(script)}
    code = (
        "import pathlib; from edgeprune.files import paths; from edgeprune import cli; "
        f"paths.documentation = lambda: pathlib.Path({str(tmp_path)!r}); cli.main(['docs'])"
    )
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=300)
    assert (tmp_path / "opened").read_text() == f"{built.as_uri()}\n"


def test_docs_that_are_not_built_are_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "documentation", lambda: tmp_path)
    with pytest.raises(SystemExit) as done:
        cli.main(["docs"])
    assert done.value.code == 2
    assert "the documentation is not built: run `mkdocs build`" in capsys.readouterr().err
