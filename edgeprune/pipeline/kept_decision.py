"""Decisions of earlier searches: the same command gets the same answer, at once.

What a search decides depends on how far it came in its time. A farm that runs every night, and a
user who runs a command again, must not get another network for that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.errors import ConfigError, EdgepruneError
from edgeprune.files.whole_file import write_whole
from edgeprune.pipeline.ground import Prepared
from edgeprune.pipeline.request import Request
from edgeprune.recipe import Recipe, load_recipe, write_recipe
from edgeprune.training.store import identity_after, make_room, place_of, store_folder
from edgeprune.training.training_data import training_data

_RECIPE, _SAID = "recipe.toml", "said.json"


class KeptDecision:
    """Where the decision on one request is kept.

    Args:
        request: What the user asked for.
        recipe: In force.
        prepared: The model and its data.
        options: All else that the decision depends on, as JSON can hold it.
    """

    def __init__(
        self, request: Request, recipe: Recipe, prepared: Prepared, options: dict[str, Any]
    ) -> None:
        self._recipe = recipe
        loaded, data = prepared.loaded, prepared.choosing
        known = None if loaded.keras is None else training_data(data, loaded.keras)
        done = {
            "search": options,
            "tests": [_digest(one) for one in (data.x_test, data.y_test) if one is not None],
            "cpus": {name: repr(cpu) for name, cpu in prepared.cpus.items()},
            "room": [request.max_size, request.max_memory, request.must_fit],
            "mode": recipe.quantize.mode,
            "fixed": list(recipe.fixed),
        }
        place = place_of(identity_after(loaded, done, known))
        self._folder = None if place is None else place.folder

    def read(self) -> tuple[Recipe, tuple[str, ...]] | None:
        """What an earlier search chose, and what was told of it.

        Returns:
            None where there was none, or where its files are damaged.
        """
        if self._folder is None or not (self._folder / _SAID).is_file():
            return None
        try:
            said = json.loads((self._folder / _SAID).read_text())
            why, lines = str(said["why"]), tuple(str(line) for line in said["lines"])
            recipe = load_recipe(str(self._folder / _RECIPE))
            (self._folder / _SAID).touch()
        except (OSError, ValueError, KeyError, TypeError, EdgepruneError):
            return None
        named = dataclasses.replace(
            recipe, name=self._recipe.name, why=why, fixed=self._recipe.fixed
        )
        return named, lines

    def write(self, recipe: Recipe, lines: Sequence[str]) -> None:
        """Keeps a choice; where nothing can be written, the next search decides again."""
        if self._folder is None:
            return
        said = json.dumps({"why": recipe.why, "lines": list(lines)}).encode()
        with contextlib.suppress(OSError, ConfigError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_recipe(recipe, self._folder / _RECIPE)
            write_whole(self._folder / _SAID, said, replace=True)
            make_room(store_folder())


def _digest(array: Array) -> str:
    raw = np.ascontiguousarray(array)
    about = f"{raw.dtype}{raw.shape}".encode()
    return hashlib.sha256(about + raw.tobytes()).hexdigest()
