"""Recipes: what to do at each stage, one TOML table a stage, each table in a file of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_table, read_toml
from edgeprune.files.whole_file import write_whole
from edgeprune.recipe.channels_table import (
    CHANNEL_RATIO,
    ChannelsTable,
    channel_faults,
    channels_of,
)
from edgeprune.recipe.cluster_table import ClusterTable, cluster_faults
from edgeprune.recipe.prune_parts import CHANNEL
from edgeprune.recipe.prune_table import PruneTable, prune_faults
from edgeprune.recipe.qat_table import QatTable, qat_faults
from edgeprune.recipe.quantize_table import QuantizeTable, quantize_faults
from edgeprune.recipe.renamed import RENAMED_KEYS
from edgeprune.recipe.run_table import RunTable, run_faults
from edgeprune.recipe.small_tables import RewriteTable, SparsifyTable, VerifyTable, verify_faults
from edgeprune.recipe.task_table import TaskTable, task_faults
from edgeprune.text.near_names import did_you_mean, file_beside

_SHIPPED = Path(__file__).with_name("shipped")


@dataclass(frozen=True)
class Recipe:
    """What to do at each stage.

    Attributes:
        name: Name of a shipped recipe, or path of the user's.
        why: Why this recipe, in one line.
        fixed: What the user set beside a named recipe, of ``sparsity``, ``pattern`` and
            ``quantize``; the recipe ``auto`` leaves it as it is.
    """

    name: str = "auto"
    why: str = ""
    fixed: tuple[str, ...] = ()
    task: TaskTable = field(default_factory=TaskTable)
    channels: ChannelsTable = field(default_factory=ChannelsTable)
    prune: PruneTable = field(default_factory=PruneTable)
    cluster: ClusterTable = field(default_factory=ClusterTable)
    qat: QatTable = field(default_factory=QatTable)
    rewrite: RewriteTable = field(default_factory=RewriteTable)
    quantize: QuantizeTable = field(default_factory=QuantizeTable)
    sparsify: SparsifyTable = field(default_factory=SparsifyTable)
    verify: VerifyTable = field(default_factory=VerifyTable)
    run: RunTable = field(default_factory=RunTable)


def recipe_names() -> list[str]:
    """Names of the shipped recipes, ``auto`` included."""
    return sorted({path.stem for path in _SHIPPED.glob("*.toml")} | {"auto"})


def load_recipe(name: str) -> Recipe:
    """Reads a shipped recipe, or a file where ``name`` ends in ``.toml``.

    Raises:
        ConfigError: There is no such recipe, or it is wrong; the message names file and key.
    """
    if name == "auto":
        return Recipe()
    path = Path(name) if name.endswith(".toml") else _SHIPPED / f"{name}.toml"
    if not path.is_file() and name.endswith(".toml"):
        raise ConfigError(f"--recipe {name}: no such file{file_beside(path)}")
    if not path.is_file():
        names = recipe_names()
        raise ConfigError(
            f"no recipe is called {name!r}; there are: {', '.join(names)}, and .toml files"
            f"{did_you_mean(name, names)}"
        )
    raw = read_toml(path)
    recipe = dataclasses.replace(read_table(Recipe, raw, str(path), RENAMED_KEYS), name=name)
    said = raw.get("prune")
    if not isinstance(said, dict) or "sparsity" not in said:
        prune = dataclasses.replace(recipe.prune, sparsity=_unsaid(recipe.prune, "channels" in raw))
        recipe = dataclasses.replace(recipe, prune=prune)
    return checked(recipe)


def _unsaid(table: PruneTable, has_channels: bool) -> float:
    """The sparsity of a recipe file that says none."""
    if table.pattern == CHANNEL:
        return CHANNEL_RATIO
    # Who asks for fewer channels has not asked for zeros among the weights that are left.
    return 0.0 if has_channels else table.sparsity


def with_channels(recipe: Recipe) -> Recipe:
    """The recipe with ``pattern = "channel"`` written out as a table ``[channels]``.

    ``sparsity``, ``ignored``, ``limits`` and the training of ``[prune]`` are then those of
    ``[channels]``, and nothing else is pruned.
    """
    if recipe.prune.pattern != CHANNEL:
        return recipe
    prune, channels = channels_of(recipe.prune, recipe.channels)
    fixed = tuple(dict.fromkeys([*recipe.fixed, "sparsity", "pattern"]))
    return dataclasses.replace(recipe, prune=prune, channels=channels, fixed=fixed)


def checked(recipe: Recipe) -> Recipe:
    """``recipe`` itself, if every value lies in its range.

    Raises:
        ConfigError: One does not; all faults are in one message.
    """
    faults = {
        "task": task_faults(recipe.task),
        "channels": channel_faults(recipe.channels, recipe.prune.pattern),
        "prune": prune_faults(recipe.prune),
        "cluster": cluster_faults(recipe.cluster),
        "qat": qat_faults(recipe.qat, recipe.quantize.mode),
        "quantize": quantize_faults(recipe.quantize),
        "verify": verify_faults(recipe.verify),
        "run": run_faults(recipe.run),
    }
    wrong = [f"[{table}] {fault}" for table, found in faults.items() for fault in found]
    if wrong:
        raise ConfigError(f"recipe {recipe.name}: " + "; ".join(wrong))
    return recipe


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe as the TOML that :func:`load_recipe` reads back.

    Raises:
        ConfigError: The file cannot be written.
    """
    tables = {
        name: _without_none(table)
        for name, table in dataclasses.asdict(recipe).items()
        if isinstance(table, dict)
    }
    write_whole(path, tomli_w.dumps({"why": recipe.why, **tables}), replace=True)


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """A table without what is not given, which TOML has no word for."""
    return {key: value for key, value in table.items() if value is not None}
