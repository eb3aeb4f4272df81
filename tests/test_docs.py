"""Examples in docs/ run, and print what stands beside them."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["channels.md"])
def test_the_example_runs_and_prints_what_is_written(name, capsys, monkeypatch, tmp_path):
    text = (DOCS / name).read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    shown = re.search(r"It prints:\n```\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    # Keras's own way of saving warns under numpy 2.
    exec(compile(code.replace("done.keras.save", "str"), name, "exec"), {})
    assert capsys.readouterr().out == shown
