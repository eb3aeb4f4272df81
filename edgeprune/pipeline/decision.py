"""What ``auto`` decides on where there is data: searched within a budget of time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.auto.candidates import Candidate
from edgeprune.auto.engine import Clock, Notebook, Outcome, Search
from edgeprune.auto.goal import Goal
from edgeprune.auto.moves import Node
from edgeprune.devices.boards import Cpu
from edgeprune.errors import VerifyError
from edgeprune.pipeline import search_clock
from edgeprune.pipeline.chain import Chain
from edgeprune.pipeline.choosing import Counts
from edgeprune.pipeline.ground import Ground, Prepared
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.recipe.channels_table import ChannelsTable
from edgeprune.recipe.cluster_table import ClusterTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.recipe.qat_table import QatTable
from edgeprune.training.context import StageContext

DEFAULT_DROP = 0.01
"""What ``auto`` may lose where the user gives no limit: a point of top-1 accuracy. Source: ours."""

DEFAULT_BUDGET_S = 600.0
"""Time in which ``auto`` decides where the user gives none. Source: ours, a coffee."""

MAX_CHOICES = 5
"""Networks that are made in full until one keeps the limit on the reported samples too. Ours."""

STAYS = "what the search chose ran slower than the dense network, which stays as it is"
"""Why a recipe changes nothing where a device did not run what was chosen faster."""


@dataclass(frozen=True)
class Decision:
    """What came of a search.

    Attributes:
        recipes: Those that keep the limit, what saves most first; none where nothing does.
        outcome: All that was judged.
        fallback: Says what is done where none of them keeps it on the reported samples either, of
            which it is given a line each: the dense network, in fewer bytes. Raises VerifyError
            where the board cannot take that.
        lines: What the user should know.
        others: The best one of each kind that keeps the limit: see :func:`kind_of`.
        allowed: What each of ``recipes`` may lose on the reported samples; where it is empty, the
            limit.
    """

    recipes: tuple[Recipe, ...]
    fallback: Callable[[Sequence[str]], Recipe]
    outcome: Outcome
    lines: tuple[str, ...]
    others: tuple[Recipe, ...] = ()
    allowed: tuple[float, ...] = ()


def searches(request: Request, data: Dataset | None, score: Accuracy | None) -> bool:
    """Whether the recipe is to be found by a search.

    Args:
        request: What the user asked for; a recipe that says why it was chosen is chosen already.
        data: The user's.
        score: The dense model's.
    """
    recipe = request.recipe
    is_left_open = (
        recipe.name == "auto"
        and not recipe.why
        and not {"sparsity", "pattern"} & set(recipe.fixed)
        and recipe.quantize.mode != "int16x8"
        and (recipe.prune, recipe.channels) == (PruneTable(), ChannelsTable())
        and (recipe.cluster, recipe.qat) == (ClusterTable(), QatTable())
        and not recipe.steps
        and not recipe.quantize.layers
    )
    return is_left_open and data is not None and data.task is not None and score is not None


def decide(
    request: Request,
    recipe: Recipe,
    prepared: Prepared,
    context: StageContext,
    progress: Progress,
    counts: Counts,
) -> Decision:
    """Searches the best network within the user's budget.

    Args:
        request: What the user asked for.
        recipe: In force.
        prepared: The model and its data.
        context: For the stages.
        progress: Is told each network that was judged.
        counts: How many samples choose, and how many others are reported.

    Raises:
        ModelError: The model cannot be judged on the data.
    """
    limit = DEFAULT_DROP if request.max_accuracy_drop is None else request.max_accuracy_drop
    budget_s = DEFAULT_BUDGET_S if request.budget_s is None else request.budget_s
    clock = Clock(budget_s, search_clock.now_s, search_clock.now_s())
    ground = Ground(request, recipe, prepared, context, budget_s)
    for line in ground.int8_lines():
        progress.note(line)
    ground.check_fits()
    notebook = Notebook(lambda one: progress.note(f"tried: {ground.text(one)}"))
    goal = Goal(limit)
    search = Search(ground.lab, goal, ground.options, ground.dense_costs, clock, notebook)
    outcome = search.run()
    board = next(iter(prepared.cpus))
    holders = outcome.judged.holders(board, limit)
    chosen = holders[:MAX_CHOICES]
    kept = [ground.recipe(one, limit, ground.text(one)) for one in chosen]
    allowed = tuple(counts.allowed_loss(one, limit) for one in chosen)
    # Nobody may ever ask for these: what it takes to store them in few bytes is not looked for.
    plain = [
        ground.chain.recipe_of(one.node, one.mode, ground.text(one), one.kept_layers)
        for one in holders
    ]
    firsts = {kind_of(recipe): recipe for recipe in reversed(plain)}
    others = [recipe for recipe in plain if recipe is firsts[kind_of(recipe)]]
    fallback = functools.partial(_fallback, request, ground, outcome, board)
    for line in ground.better(outcome):
        progress.note(line)
    lines = ground.lines(outcome)
    return Decision(tuple(kept), fallback, outcome, lines, tuple(others), allowed)


def kind_of(recipe: Recipe) -> tuple[bool, bool]:
    """Which kernels a network of a search runs: on integers or not, and sparse ones or not.

    Of two networks of one kind the one that was predicted to save less does not run faster.
    """
    return recipe.quantize.mode == "int8", any(step.prune for step in recipe.steps)


def as_it_is(recipe: Recipe, context: StageContext, cpu: Cpu) -> tuple[Recipe, ...]:
    """The recipe that leaves a network as the board runs it; none where the user fixed another."""
    mode = "int8" if cpu.is_microcontroller else "none"
    if "quantize" in recipe.fixed and recipe.quantize.mode != mode:
        return ()
    return (Chain(context, recipe, {}).recipe_of(Node(), mode, STAYS),)


def _fallback(
    request: Request, ground: Ground, outcome: Outcome, board: str, lost: Sequence[str]
) -> Recipe:
    """What is done where nothing that was judged keeps the limit, or ``lost`` it as reported.

    Raises:
        ModelError: The dense network does not fit into the board, and nothing else does.
        VerifyError: Something does, but loses more than the user allows.
    """
    closest = outcome.judged.closest(board)
    dense = Candidate(Node(), "none", 0.0, 0.0, ground.dense_costs)
    excess = ground.dense_costs[board].excess
    limit = request.max_accuracy_drop
    if not excess or not request.must_fit:
        why = (
            f"nothing cheaper keeps the limit on the samples that are reported; {lost[0]}"
            if lost
            else ground.nothing(closest, outcome)
        )
        return ground.recipe(dense, DEFAULT_DROP if limit is None else limit, why)
    if closest is None:
        raise ground.too_large(board)
    if limit is not None:
        raise VerifyError(
            f"--max-accuracy-drop {100 * limit:.6g}% cannot be kept by what fits: the closest is "
            f"{ground.text(closest)}; what would help: more training data, a larger --budget, or "
            "more room for the network"
        )
    why = f"{ground.text(closest)}; of what fits it loses least"
    return ground.recipe(closest, DEFAULT_DROP, why)
