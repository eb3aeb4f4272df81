"""Recipes: what to do at each stage, one TOML table a stage."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from edgeprune.channels_table import (
    CHANNEL,
    CHANNEL_RATIO,
    ChannelLimit,
    ChannelsTable,
    channel_faults,
)
from edgeprune.errors import ConfigError
from edgeprune.tables import read_table, read_toml

PATTERN_FORMS = {"blocks": r"([1-9]\d*)x([1-9]\d*)", "n_of_m": r"([1-9]\d*):([1-9]\d*)"}
"""Kinds of patterns that have numbers in their names, and how those look.

Of weights written ``(out_channels, in_channels)``, ``2x1`` removes two output channels' weights for
one input channel at once, and ``2:4`` keeps two of four input channels' weights.
"""

PATTERN_NAMES = ("unstructured", "kernel", CHANNEL)
"""The other patterns. ``kernel`` chooses for each layer, by the board's core."""

PATTERNS_HELP = "unstructured, kernel, channel, blocks such as 2x1 and 1x4, and N of M such as 2:4"

ALLOCATIONS = ("uniform", "global", "erk")
SCHEDULES = ("gradual", "iterative", "one_shot", "rigl")
CRITERIA = (
    "magnitude",
    "l1",
    "l2",
    "random",
    "taylor",
    "wanda",
    "batch_norm_scale",
    "second_order",
)
WHILE_TRAINING = CRITERIA[:5]
"""Criteria that can choose anew while a model is trained; the others prune in one shot."""

RECOVERIES = ("batch_norm", "bias")
"""In the order in which they are done: biases make up for what the statistics leave."""

REWINDS = ("weights", "learning-rate")
LAYERS = ("paying", "all")
MODES = ("none", "fp16", "int8", "int8-weights", "int16x8")
CLUSTER_INITS = ("linear", "density", "random", "kmeans++")

_SHIPPED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Limit:
    """An entry of ``limits`` in the table ``[prune]``.

    Attributes:
        layer: Name, or pattern of the shell.
        sparsity: Most share of zeros, in [0, 1).
    """

    layer: str
    sparsity: float


@dataclass(frozen=True)
class PruneTable:
    """Table ``[prune]``.

    Attributes:
        sparsity: Share of zeros in each pruned tensor, in [0, 1); 0 prunes nothing. A recipe file
            that has a table ``[channels]`` and does not say it has 0.
        pattern: Shape of what is left: one of :data:`PATTERN_NAMES`, or of the forms of
            :data:`PATTERN_FORMS`.
        allocation: How much of the sparsity each layer takes, one of :data:`ALLOCATIONS`.
        layers: ``paying``: pointwise convolutions and dense layers, whose sparse kernels exist;
            ``all``: every convolution as well, which makes the file smaller but nothing faster.
        ignored: Layers to leave alone: names, or patterns of the shell such as ``block1/*``.
        limits: Layers that may not be pruned as far as the others.
        criterion: What tells which weights matter least, one of :data:`CRITERIA`. The last three
            need the schedule ``one_shot``, ``rigl`` has a criterion of its own.
        calibration_samples: Training samples that a criterion looks at, and ``recovery``.
        recovery: What makes up for some of the damage of ``one_shot`` before or without training,
            of :data:`RECOVERIES`.
        schedule: What happens to masks and weights during training, one of :data:`SCHEDULES`.
        rounds: How often ``iterative`` prunes.
        rewind: What ``iterative`` sets back after each pruning, one of :data:`REWINDS`.
        rewind_step: The training step to whose weights it does.
        epochs: Passes over the training data while and after pruning; with ``iterative``, in each
            of its ``rounds + 1`` trainings. 0, with ``one_shot`` only, trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start.
        distillation: Weight, in [0, 1], of the dense model's answers in the loss; the targets have
            the rest. With 0 it is not asked.
        temperature: Divides the logits of classes in distillation, so that more than the first
            class counts; > 0. Other outputs have none.
        seed: Of shuffling and random inputs.
        control: Train the dense model exactly as long, so that accuracies can be compared.
    """

    sparsity: float = 0.8
    pattern: str = "unstructured"
    allocation: str = "uniform"
    layers: str = "paying"
    ignored: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    criterion: str = "magnitude"
    calibration_samples: int = 512
    recovery: tuple[str, ...] = RECOVERIES
    schedule: str = "gradual"
    rounds: int = 5
    rewind: str = "weights"
    rewind_step: int = 0
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 1e-3
    distillation: float = 0.0
    temperature: float = 4.0
    seed: int = 0
    control: bool = True


@dataclass(frozen=True)
class ClusterCount:
    """An entry of ``counts`` in the table ``[cluster]``.

    Attributes:
        layer: Name, or pattern of the shell.
        clusters: As in the table.
    """

    layer: str
    clusters: int


@dataclass(frozen=True)
class ClusterTable:
    """Table ``[cluster]``.

    Attributes:
        clusters: Most distinct values of a weight tensor beside zero; 0 clusters nothing.
        init: Where the centroids start, one of :data:`CLUSTER_INITS`.
        layers: As in the table ``[prune]``.
        counts: Layers with another number of clusters than the others; 0 leaves one alone.
        epochs: Passes over the training data in which the centroids are trained; 0 trains nothing.
        batch_size: Samples in a training step.
        learning_rate: Adam's, at the start. A centroid takes the gradients of all its weights, so
            it is lower than in the table ``[prune]``.
        distillation: As in the table ``[prune]``.
        temperature: Likewise.
        fold_batch_norm: Fold batch normalization into the layer in front of it before clustering.
            Without, the converter folds it, and each output channel has a codebook of its own.
        biases: Most distinct values of a layer's biases beside zero, trained like the others; 0
            leaves biases alone. They are a tenth of a small model packed as ``.epz`` otherwise.
        bfloat16: Round centroids to bfloat16 at the end: the container stores them in half the
            bits.
    """

    clusters: int = 0
    init: str = "linear"
    layers: str = "all"
    counts: tuple[ClusterCount, ...] = ()
    epochs: int = 2
    batch_size: int = 64
    learning_rate: float = 1e-4
    distillation: float = 0.0
    temperature: float = 4.0
    fold_batch_norm: bool = True
    biases: int = 0
    bfloat16: bool = False


@dataclass(frozen=True)
class QuantizeTable:
    """Table ``[quantize]``.

    Attributes:
        mode: One of :data:`MODES`.
        calibration_samples: Samples that int8 ranges are taken from.
        qat_epochs: Passes over the training data with weights, and for ``int8`` activations,
            rounded as they will be stored; 0 trains nothing.
        qat_batch_size: Samples in a training step of these.
        qat_learning_rate: Adam's, at the start of these.
        qat_distillation: As in the table ``[prune]``, for these.
        qat_temperature: Likewise.
    """

    mode: str = "none"
    calibration_samples: int = 128
    qat_epochs: int = 0
    qat_batch_size: int = 64
    qat_learning_rate: float = 1e-4
    qat_distillation: float = 0.0
    qat_temperature: float = 4.0


@dataclass(frozen=True)
class RewriteTable:
    """Table ``[rewrite]``.

    Attributes:
        enabled: Change the graph exactly, where its layers then run sparse and that is predicted to
            pay.
    """

    enabled: bool = True


@dataclass(frozen=True)
class SparsifyTable:
    """Table ``[sparsify]``.

    Attributes:
        encode: Store weights sparse where that is smaller and right.
    """

    encode: bool = True


@dataclass(frozen=True)
class VerifyTable:
    """Table ``[verify]``.

    Attributes:
        samples: Inputs whose outputs are compared on the board.
    """

    samples: int = 16


@dataclass(frozen=True)
class RunTable:
    """Table ``[run]``.

    Attributes:
        sessions: Fresh agent processes per variant, interleaved; the unit of all statistics.
        runs: Timed inferences in each.
        warmup: Inferences before them, not counted.
        threads: Threads of the runtime.
        max_s: A session stops timing after this many seconds, with the runs it has.
        energy_window_s: Where there is a meter: how long inferences run in the pass for energy;
            longer where its sensor is slow.
        energy_idle_s: How long the device stays idle before and after them.
    """

    sessions: int = 10
    runs: int = 70
    warmup: int = 10
    threads: int = 1
    max_s: float = 10.0
    energy_window_s: float = 10.0
    energy_idle_s: float = 10.0


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
    channels: ChannelsTable = field(default_factory=ChannelsTable)
    prune: PruneTable = field(default_factory=PruneTable)
    cluster: ClusterTable = field(default_factory=ClusterTable)
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
    if not path.is_file():
        raise ConfigError(f"no recipe is called {name!r}; there are: {', '.join(recipe_names())}")
    raw = read_toml(path)
    recipe = dataclasses.replace(read_table(Recipe, raw, str(path)), name=name)
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


def channels_of(prune: PruneTable, channels: ChannelsTable) -> tuple[PruneTable, ChannelsTable]:
    """The two tables with ``pattern = "channel"`` written out, see :func:`with_channels`."""
    if prune.pattern != CHANNEL:
        return prune, channels
    limits = tuple(ChannelLimit(one.layer, one.sparsity) for one in prune.limits)
    channels = dataclasses.replace(
        channels,
        pruning_ratio=prune.sparsity if channels.macs == 1 else 0.0,
        ignored=prune.ignored,
        limits=limits,
        epochs=prune.epochs,
        batch_size=prune.batch_size,
        learning_rate=prune.learning_rate,
    )
    plain = dataclasses.replace(prune, pattern="unstructured", sparsity=0.0, ignored=(), limits=())
    return plain, channels


def checked(recipe: Recipe) -> Recipe:
    """``recipe`` itself, if every value lies in its range.

    Raises:
        ConfigError: One does not; all faults are in one message.
    """
    prune, run = recipe.prune, recipe.run
    wrong = []
    if not 0 <= prune.sparsity < 1:
        wrong.append(f"sparsity must be in [0, 1), got {prune.sparsity:g}")
    if not is_pattern(prune.pattern):
        wrong.append(f"no pattern is called {prune.pattern!r}; there are {PATTERNS_HELP}")
    choices: dict[str, tuple[str, tuple[str, ...]]] = {
        "allocation": (prune.allocation, ALLOCATIONS),
        "criterion": (prune.criterion, CRITERIA),
        "schedule": (prune.schedule, SCHEDULES),
        "rewind": (prune.rewind, REWINDS),
        "layers": (prune.layers, LAYERS),
        "quantize": (recipe.quantize.mode, MODES),
    }
    wrong += [
        f"{key} {got!r} must be one of {', '.join(known)}"
        for key, (got, known) in choices.items()
        if got not in known
    ]
    wrong += [
        f"the limit of {limit.layer} must be in [0, 1), got {limit.sparsity:g}"
        for limit in prune.limits
        if not 0 <= limit.sparsity < 1
    ]
    wrong += criterion_faults(prune)
    wrong += channel_faults(recipe.channels, prune.pattern)
    wrong += distillation_faults("prune.", prune.distillation, prune.temperature)
    wrong += _cluster_faults(recipe.cluster)
    wrong += _qat_faults(recipe.quantize)
    at_least = {
        "prune.epochs": (prune.epochs, int(prune.schedule != "one_shot")),
        "prune.calibration_samples": (prune.calibration_samples, 1),
        "prune.batch_size": (prune.batch_size, 1),
        "prune.rounds": (prune.rounds, 1),
        "prune.rewind_step": (prune.rewind_step, 0),
        "quantize.calibration_samples": (recipe.quantize.calibration_samples, 1),
        "quantize.qat_epochs": (recipe.quantize.qat_epochs, 0),
        "quantize.qat_batch_size": (recipe.quantize.qat_batch_size, 1),
        "verify.samples": (recipe.verify.samples, 1),
        "run.sessions": (run.sessions, 1),
        "run.runs": (run.runs, 1),
        "run.warmup": (run.warmup, 0),
        "run.threads": (run.threads, 1),
    }
    wrong += [
        f"{key} must be >= {low}, got {got}" for key, (got, low) in at_least.items() if got < low
    ]
    if not prune.learning_rate > 0:
        wrong.append(f"prune.learning_rate must be > 0, got {prune.learning_rate:g}")
    for key in ("max_s", "energy_window_s", "energy_idle_s"):
        if not getattr(run, key) > 0:
            wrong.append(f"run.{key} must be > 0, got {getattr(run, key):g}")
    if wrong:
        raise ConfigError(f"recipe {recipe.name}: " + "; ".join(wrong))
    return recipe


def criterion_faults(table: PruneTable) -> list[str]:
    """What is wrong with a criterion beside its schedule, and with the recovery."""
    wrong = [
        f"recovery {name!r} must be one of {', '.join(RECOVERIES)}"
        for name in table.recovery
        if name not in RECOVERIES
    ]
    criterion, schedule = table.criterion, table.schedule
    if criterion not in WHILE_TRAINING and criterion in CRITERIA and schedule != "one_shot":
        wrong.append(
            f"the criterion {criterion} prunes at once: set schedule to one_shot (the schedule "
            f"{schedule} takes {', '.join(WHILE_TRAINING)})"
        )
    elif schedule == "rigl" and criterion != "magnitude":
        wrong.append(
            f"the schedule rigl drops by magnitude and grows by gradient: criterion {criterion!r} "
            "is of no use to it, leave it out"
        )
    return wrong


def _qat_faults(table: QuantizeTable) -> list[str]:
    wrong = []
    if table.qat_epochs > 0 and not table.mode.startswith("int"):
        wrong.append(f"quantize.qat_epochs needs a mode with integer weights, got {table.mode!r}")
    if not 0 < table.qat_learning_rate < float("inf"):
        rate = table.qat_learning_rate
        wrong.append(f"quantize.qat_learning_rate must be > 0 and finite, got {rate:g}")
    wrong += distillation_faults("quantize.qat_", table.qat_distillation, table.qat_temperature)
    return wrong


def distillation_faults(prefix: str, weight: float, temperature: float) -> list[str]:
    """What is wrong with the two keys about distillation, whose names begin with ``prefix``."""
    wrong = []
    if not 0 <= weight <= 1:
        wrong.append(f"{prefix}distillation must be in [0, 1], got {weight:g}")
    if not 0 < temperature < float("inf"):
        wrong.append(f"{prefix}temperature must be > 0 and finite, got {temperature:g}")
    return wrong


def _cluster_faults(table: ClusterTable) -> list[str]:
    wrong = [
        f"cluster.{key} must be one of {', '.join(known)}, got {got!r}"
        for key, got, known in (
            ("init", table.init, CLUSTER_INITS),
            ("layers", table.layers, LAYERS),
        )
        if got not in known
    ]
    at_least = {
        "clusters": (table.clusters, 0),
        "biases": (table.biases, 0),
        **{f"counts of {one.layer}": (one.clusters, 0) for one in table.counts},
        "epochs": (table.epochs, 0),
        "batch_size": (table.batch_size, 1),
    }
    wrong += [
        f"cluster.{key} must be >= {low}, got {got}"
        for key, (got, low) in at_least.items()
        if got < low
    ]
    if not 0 < table.learning_rate < float("inf"):
        wrong.append(f"cluster.learning_rate must be > 0 and finite, got {table.learning_rate:g}")
    wrong += distillation_faults("cluster.", table.distillation, table.temperature)
    return wrong


def cluster_table_checked(table: ClusterTable) -> ClusterTable:
    """``table`` itself, if every value lies in its range.

    Raises:
        ConfigError: One does not; all faults are in one message.
    """
    wrong = _cluster_faults(table)
    if wrong:
        raise ConfigError("; ".join(wrong))
    return table


def is_pattern(name: str) -> bool:
    """Whether a pattern may be called so."""
    forms = PATTERN_FORMS.values()
    return name in PATTERN_NAMES or any(re.fullmatch(form, name) for form in forms)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe as the TOML that :func:`load_recipe` reads back."""
    lines = [f"why = {json.dumps(recipe.why)}"]
    for name, table in dataclasses.asdict(recipe).items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    """A value as TOML; JSON's numbers, booleans and strings are TOML's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
