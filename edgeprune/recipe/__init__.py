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
from edgeprune.recipe.small_tables import (
    RewriteTable,
    SparsifyTable,
    VerifyTable,
    sparsify_faults,
    verify_faults,
)
from edgeprune.recipe.steps import Step, step_faults, with_channels_written_out
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
        steps: What is done first, in this order.
    """

    name: str = "auto"
    why: str = ""
    fixed: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
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
    # Who asks for fewer channels, or for steps, has not asked for zeros among what is left.
    is_alone = "channels" not in raw and "steps" not in raw
    prune = _with_sparsity(recipe.prune, raw, PruneTable.sparsity if is_alone else 0.0)
    steps = tuple(map(_with_step_sparsity, recipe.steps, _listed(raw.get("steps"))))
    return checked(dataclasses.replace(recipe, prune=prune, steps=steps))


def _with_sparsity(table: PruneTable, raw: object, unsaid: float) -> PruneTable:
    """A table ``[prune]`` with its sparsity where the file says none.

    Args:
        table: As it was read.
        raw: What holds it in the file.
        unsaid: What the pattern has that is not ``channel``.
    """
    said = raw.get("prune") if isinstance(raw, dict) else None
    if isinstance(said, dict) and "sparsity" in said:
        return table
    sparsity = CHANNEL_RATIO if table.pattern == CHANNEL else unsaid
    return dataclasses.replace(table, sparsity=sparsity)


def _with_step_sparsity(step: Step, raw: object) -> Step:
    if step.prune is None:
        return step
    return dataclasses.replace(step, prune=_with_sparsity(step.prune, raw, PruneTable.sparsity))


def _listed(raw: object) -> list[object]:
    return raw if isinstance(raw, list) else []


def with_channels(recipe: Recipe) -> Recipe:
    """The recipe with ``pattern = "channel"`` written out as a table ``[channels]``.

    ``sparsity``, ``ignored``, ``limits`` and the training of ``[prune]`` are then those of
    ``[channels]``, and nothing else is pruned. So it is in each step.
    """
    if recipe.steps:
        steps = tuple(map(with_channels_written_out, recipe.steps))
        recipe = dataclasses.replace(recipe, steps=steps)
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
        "sparsify": sparsify_faults(recipe.sparsify, recipe.quantize.mode),
        "verify": verify_faults(recipe.verify),
        "run": run_faults(recipe.run),
    }
    wrong = step_faults(recipe.steps, Step(channels=recipe.channels, prune=recipe.prune))
    wrong += [f"[{table}] {fault}" for table, found in faults.items() for fault in found]
    if wrong:
        raise ConfigError(f"recipe {recipe.name}: " + "; ".join(wrong))
    return recipe


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe as the TOML that :func:`load_recipe` reads back.

    Raises:
        ConfigError: The file cannot be written.
    """
    tables = {
        key: _without_none(value)
        for key, value in recipe_table(recipe).items()
        if isinstance(value, dict) or key in ("why", "steps")
    }
    if not recipe.steps:
        del tables["steps"]
    write_whole(path, tomli_w.dumps(tables), replace=True)


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain tables; a step has but the one that is given."""
    tables = dataclasses.asdict(recipe)
    return tables | {"steps": [_without_none(step) for step in tables["steps"]]}


def _without_none(value: Any) -> Any:
    """A table without what is not given, which TOML has no word for."""
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, (list, tuple)) else value
