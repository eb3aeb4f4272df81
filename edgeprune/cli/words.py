"""Words on the command line: one of a few, or the name of something that there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from edgeprune.recipe.renamed import renamed_word
from edgeprune.text.near_names import did_you_mean


class Word(click.Choice[str]):
    """One of some words; a wrong one is answered with the one that is most like it."""

    def __init__(self, words: Sequence[str], key: str = "") -> None:
        """``key``: of the recipe, whose old words are answered with the new ones."""
        super().__init__(words)
        self._key = key

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Checks the word; click ends the command where it is none."""
        word = str(value)
        if word in self.choices:
            return word
        if new := renamed_word(self._key, word):
            self.fail(new, param, ctx)
        known = ", ".join(self.choices)
        self.fail(f"{word!r} is not one of {known}{did_you_mean(word, self.choices)}", param, ctx)
