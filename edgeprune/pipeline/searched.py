"""The host half where ``auto`` searches: decides on some samples, and scores on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edgeprune.auto.for_core import for_core
from edgeprune.devices.boards import Cpu
from edgeprune.errors import ModelError, VerifyError
from edgeprune.pipeline.choosing import Counts, kept_apart, looked_at_twice
from edgeprune.pipeline.compressed import Compressed, lost_most
from edgeprune.pipeline.decision import DEFAULT_BUDGET_S, DEFAULT_DROP, Decision, as_it_is, decide
from edgeprune.pipeline.file_size import TooLarge
from edgeprune.pipeline.ground import SMALLER_MODES, Prepared
from edgeprune.pipeline.host_half import compress
from edgeprune.pipeline.kept_decision import KeptDecision
from edgeprune.pipeline.read import Read, scored_apart
from edgeprune.pipeline.request import Request
from edgeprune.pipeline.users_data import limit_lines
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.tasks import ROUNDING, amount_text
from edgeprune.text.duration import duration_text
from edgeprune.training.context import StageContext


def compress_searched(
    request: Request, cpu: Cpu, read: Read, progress: Progress
) -> Compressed | None:
    """Searches the best network that keeps the limit, and makes it in full.

    Args:
        request: What the user asked for.
        cpu: The board's cores.
        read: The model and its data.
        progress: Shows what is going on.

    Returns:
        None where no limit means anything on these data, and the user gave none.

    Raises:
        ModelError: The model or the data cannot be treated so.
    """
    data = read.data
    if data is None or read.loaded.stored != "float32":  # what somebody made small before stays so
        return None
    limit = DEFAULT_DROP if request.max_accuracy_drop is None else request.max_accuracy_drop
    choosing, reported, which = kept_apart(data)
    own = scored_apart(read)
    try:
        lines = limit_lines(reported, own.score, limit)
    except ModelError:
        if request.max_accuracy_drop is None:
            return None
        raise
    if request.max_accuracy_drop is None:
        lines = [f"{line} (--max-accuracy-drop sets another)" for line in lines]
    lines, budget_s = [*lines, which], request.budget_s
    budget_s = DEFAULT_BUDGET_S if budget_s is None else budget_s
    for line in lines if request.instead is None else ():
        progress.note(line)
    recipe = for_core(request.recipe, cpu)
    context = StageContext(data, progress.say, recipe.prune.seed, cpu, None, read.loaded)
    prepared = Prepared(
        read.loaded, read.dense, choosing, {request.board: cpu}, looked_at_twice(choosing, reported)
    )
    kept = KeptDecision(request, recipe, prepared, {"limit": limit, "budget_s": budget_s})
    others = as_it_is(recipe, context, cpu)
    if request.instead is not None:
        found, told = _first_of(request, cpu, own, progress, request.instead.recipes, limit)
        if found is None:
            raise VerifyError("no other network of the search keeps the limit")
        compressed, others = found, request.instead.recipes[1 + len(told) :]
        told = [*request.instead.lines, *told]
        kept.write(compressed.recipe, told)
    elif (known := kept.read()) is not None:
        progress.note(
            "the same search was made before, and what it chose is made again; another --budget "
            "searches anew"
        )
        compressed, told = _made(request, known[0], cpu, own, progress), list(known[1])
    else:
        with progress.stage("search"):
            progress.note(f"searching for at most {duration_text(budget_s)} (--budget)")
            counts = Counts.of(choosing, reported)
            decision = decide(request, recipe, prepared, context, progress, counts)
        compressed, told = _first_that_holds(request, cpu, own, progress, decision, limit)
        others, told = (*decision.others, *others), [*decision.lines, *told]
        kept.write(compressed.recipe, told)
    compressed = dataclasses.replace(compressed, others=others, told=tuple(told))
    return dataclasses.replace(compressed, notes=(*compressed.notes, *lines, *told))


def _first_of(
    request: Request,
    cpu: Cpu,
    read: Read,
    progress: Progress,
    recipes: Sequence[Recipe],
    limit: float,
    allowed: Sequence[float] = (),
) -> tuple[Compressed | None, list[str]]:
    """Makes one network after the other until one keeps the limit on the reported samples too.

    Args:
        request: What the user asked for.
        cpu: The board's cores.
        read: The model, and the samples that are reported.
        progress: Is told what loses too much.
        recipes: What to make.
        limit: What may be lost.
        allowed: What each may lose so that chance is allowed for; empty for the limit itself.

    Returns:
        It, or None where none does; and a line for each that was lost before.
    """
    told: list[str] = []
    for recipe, most in zip(recipes, allowed or [limit] * len(recipes), strict=True):
        try:
            compressed, wrong = _as_it_holds(request, cpu, read, progress, recipe, most)
            if wrong and lost_most(compressed)[1] <= limit + ROUNDING:
                wrong = f"{wrong}, too much to be sure of the limit"
        except TooLarge as error:
            wrong = str(error)
        if not wrong:
            return compressed, told
        told.append(f"not taken: {recipe.why}: {wrong}")
        progress.note(told[-1])
    return None, told


def _first_that_holds(
    request: Request,
    cpu: Cpu,
    read: Read,
    progress: Progress,
    decision: Decision,
    limit: float,
) -> tuple[Compressed, list[str]]:
    """The same of what a search found, or else what is left of the dense network.

    Raises:
        VerifyError: The user's limit is lost by the way to store weights that the user asked for,
            or that the board needs.
        TooLarge: It takes more than the user allows.
    """
    recipes, allowed = decision.recipes, decision.allowed
    compressed, told = _first_of(request, cpu, read, progress, recipes, limit, allowed)
    if compressed is not None:
        return compressed, told
    recipe = decision.fallback(told)
    compressed, wrong = _as_it_holds(request, cpu, read, progress, recipe, limit)
    if wrong and request.max_accuracy_drop is not None:
        raise VerifyError(
            f"--max-accuracy-drop {100 * limit:.6g}% cannot be kept: {recipe.quantize.mode} alone "
            f"{wrong}, and {recipe.why}; what would help: another --quantize, more training data "
            "or a larger --budget"
        )
    return compressed, told


def _as_it_holds(
    request: Request, cpu: Cpu, read: Read, progress: Progress, recipe: Recipe, limit: float
) -> tuple[Compressed, str]:
    """One network, stored in as few bytes as keep a limit on the reported samples.

    Returns:
        It, and what is wrong with it as it is stored last; empty where nothing is.

    Raises:
        TooLarge: It takes more than the user allows as its recipe stores it.
    """
    storages = _storages(recipe, cpu)
    compressed, wrong = _made(request, storages[0], cpu, read, progress), ""
    for stored in storages:
        if stored is not recipe:
            try:
                compressed = _made(request, stored, cpu, read, progress)
            except TooLarge:  # what lost more was not
                break
        head, lost = lost_most(compressed)
        if lost <= limit + ROUNDING:
            return compressed, ""
        amount = amount_text(head.metric, lost) if lost > 0 else "nothing"
        samples = compressed.scores["deployed"].samples
        wrong = f"loses {amount} on the {samples:,} samples that are reported"
    return compressed, wrong


def _storages(recipe: Recipe, cpu: Cpu) -> list[Recipe]:
    """The recipe, and then the same with the storages that take more bytes and lose less."""
    mode = recipe.quantize.mode
    if "quantize" in recipe.fixed or cpu.is_microcontroller or mode not in SMALLER_MODES:
        return [recipe]
    others = [*SMALLER_MODES[SMALLER_MODES.index(mode) + 1 :], "none"]
    tables = [dataclasses.replace(recipe.quantize, mode=one) for one in others]
    return [recipe, *(dataclasses.replace(recipe, quantize=table) for table in tables)]


def _made(request: Request, recipe: Recipe, cpu: Cpu, read: Read, progress: Progress) -> Compressed:
    # The search has its own limit, which no training watches.
    asked = dataclasses.replace(request, recipe=recipe, max_accuracy_drop=None)
    return compress(asked, cpu, progress, read)
