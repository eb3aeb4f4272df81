"""Every key of a recipe, a board, a bench and a plan, from the dataclasses that read them."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

import docstrings

from edgeprune import recipe
from edgeprune.devices import bench, boards, device
from edgeprune.farm import plan
from edgeprune.files import paths
from edgeprune.recipe import steps, tune_table

_NO_KEYS = ("| `name` |", "| `own` |")
"""Fields of a device that edgeprune fills in itself."""


def recipe_keys() -> str:
    """All keys of a recipe, table by table; of its steps, what no other table has."""
    hints = typing.get_type_hints(recipe.Recipe)
    fields = [field.name for field in dataclasses.fields(recipe.Recipe)]
    tables = {name: hints[name] for name in fields if dataclasses.is_dataclass(hints[name])}
    text = "".join(_table(f"[{name}]", table) for name, table in tables.items())
    return text + _table("[[steps]]", steps.Step) + _table("[steps.tune]", tune_table.TuneTable)


def example_recipe() -> str:
    """A short shipped recipe."""
    return _toml(recipe._SHIPPED / "int8.toml")


def shipped_recipes() -> str:
    """All shipped recipes as they stand."""
    files = sorted(recipe._SHIPPED.glob("*.toml"))
    return "\n".join(f"### {file.stem}\n\n{_toml(file)}" for file in files)


def example_board() -> str:
    """A shipped board."""
    return _toml(paths.shipped("boards") / "rpi4.toml")


def board_keys() -> str:
    """All keys of a board file, table by table."""
    text = _table("Top of the file", boards.Board)
    hints = typing.get_type_hints(boards.Board)
    for field in dataclasses.fields(boards.Board):
        for kind in (hints[field.name], *typing.get_args(hints[field.name])):
            if dataclasses.is_dataclass(kind):
                text += _table(f"[{field.name}]", kind)
    return text


def bench_keys() -> str:
    """All keys of a bench file, table by table."""
    lines = _table("[devices.NAME]", device.Device).splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith(_NO_KEYS))
    text += _table("[devices.NAME.meter]", device.MeterTable)
    return text + _table("[grid]", type(bench.WORLD))


def plan_keys() -> str:
    """All keys of a farm's plan, table by table."""
    titles = (("Top of the file", plan.Plan), ("[golden]", plan.GoldenTable),
              ("[[jobs]]", plan.JobsTable), ("[morning]", plan.MorningTable))  # fmt: skip
    return "".join(_table(title, table) for title, table in titles)


def _toml(file: Path) -> str:
    return f"```toml\n{file.read_text(encoding='utf-8')}```\n"


def _table(title: str, table: typing.Any) -> str:
    name = f"`{title}`" if title.startswith("[") else title
    told = " ".join(docstrings.sections(table).get("", "").split())
    # "Table `[x]`: what it is" stands below a heading that says the first half already.
    told = re.sub(r"^Table ``\[[\w.]+\]``(: |\. ?)", "", told)
    told = docstrings.named_values(
        docstrings.markdown(told[:1].upper() + told[1:]), table.__module__
    )
    return f"\n## {name}\n\n{told}\n\n" + docstrings.field_table(table)
