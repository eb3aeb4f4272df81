"""Fills in the parts of pages that are made from the code: no key or option is written twice."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import commands  # noqa: E402 - found through the line above
import keys  # noqa: E402
import parts  # noqa: E402
import protocol  # noqa: E402
import python_api  # noqa: E402
import result_schema  # noqa: E402

GENERATED = {
    "recipe_keys": keys.recipe_keys,
    "example_recipe": keys.example_recipe,
    "shipped_recipes": keys.shipped_recipes,
    "board_keys": keys.board_keys,
    "example_board": keys.example_board,
    "bench_keys": keys.bench_keys,
    "plan_keys": keys.plan_keys,
    "commands": commands.page,
    "python": python_api.page,
    "result_fields": result_schema.fields,
    "result_schema": result_schema.schema,
    "parts": parts.page,
    "protocol": protocol.page,
}
"""What stands in place of ``<!-- generated: NAME -->`` in a page."""

_PLACE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills in what is made from the code."""
    return _PLACE.sub(lambda place: GENERATED[place[1]](), markdown)


def on_post_build(config: Any) -> None:
    """Leaves out what only servers and other languages need, and what holds the date."""
    site = Path(config.site_dir)
    shutil.rmtree(site / "assets" / "javascripts" / "lunr", ignore_errors=True)
    for unused in (*site.glob("sitemap.xml*"), *site.rglob("*.map")):
        unused.unlink()
