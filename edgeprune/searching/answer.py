"""What a search leaves in its folder: recipes, ``front.json``, and the page that shows it last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeprune.files.whole_file import write_whole
from edgeprune.recipe import Recipe, write_recipe
from edgeprune.searching.front import Front, write_front
from edgeprune.searching.page import FILE_NAME, render


def write_answer(front: Front, recipes: Mapping[str, Recipe | None], folder: Path) -> None:
    """Writes the answer, each file whole.

    Args:
        front: What was found.
        recipes: Of the network to take, by board.
        folder: The search's.

    Raises:
        ConfigError: The folder cannot be written.
    """
    for board, recipe in recipes.items():
        file = folder / f"best-{board}.toml"
        if recipe is None:
            file.unlink(missing_ok=True)
        else:
            write_recipe(recipe, file)
    write_front(front, folder)
    write_whole(folder / FILE_NAME, render(front), replace=True)
