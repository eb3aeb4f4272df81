"""The networks of one board as points of a front, and the one to take."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import msgspec

from edgeprune.auto.goal import SIZE_SHARE, Cost, Goal, Objective
from edgeprune.devices.boards import load_board
from edgeprune.history.result import Accuracy, Variant, known
from edgeprune.pipeline.choosing import keeps
from edgeprune.pipeline.compressed import lost_most
from edgeprune.report.figures import bytes_text
from edgeprune.searching.front import BoardFront, Figures, Point
from edgeprune.searching.making import BoardNetworks, Network
from edgeprune.searching.request import SearchRequest
from edgeprune.searching.words import lost_text_on, named, speed_text
from edgeprune.tasks import ROUNDING, amount_text

UNSURE = "keeps the limit on these samples, which may be luck: with those that chose it is not sure"
"""Remark of a network that loses no more than the limit on the reported samples alone."""

_ENERGY: Objective = "energy"


def board_front(
    request: SearchRequest, board: str, dense: Cost, found: BoardNetworks, unit: str
) -> BoardFront:
    """What was found for one board, with the network to take.

    Args:
        request: What was asked for.
        board: The board, as the user named it.
        dense: What the user's model takes there, as predicted.
        found: The networks.
        unit: Metric of losses in words, where nothing was made that says it.
    """
    name = load_board(board).name
    own = _dense_figures(dense, found)
    points = [_point(request, name, board, one, dense, own, unit) for one in found.networks]
    points.sort(key=lambda one: (math.inf if one.lost is None else one.lost, -(one.speedup or 1)))
    chosen = recommended(request.goal, points, own)
    sentence = _sentence(request, name, chosen, points)
    best = None if chosen is None else f"best-{name}.toml"
    return BoardFront(
        board=name,
        dense=own,
        dense_accuracy=_dense_accuracy(found),
        points=tuple(points),
        recommended=None if chosen is None else chosen.name,
        sentence=sentence,
        next_command="" if best is None else _command(request, board, best),
        best=best,
        remark=found.remark,
    )


def recommended(goal: Goal, points: Sequence[Point], dense: Figures | None) -> Point | None:
    """The network to take: the cheapest that keeps the limit, and is not slower than the dense one.

    Where some were measured, only those count; what keeps the limit on the reported samples
    goes before what kept it on those that chose.

    Args:
        goal: What counts.
        points: The networks.
        dense: What the user's model takes; None where the board cannot take it.
    """
    able = [one for one in points if one.keeps_limit and not one.is_slower]
    if any(one.is_measured for one in points):
        able = [one for one in able if one.is_measured]
    if not able:
        return None
    base = dense or able[0].figures
    return max(able, key=lambda one: _saving(goal, one, base))


def _saving(goal: Goal, point: Point, dense: Figures) -> float:
    """Natural logarithm of how many times less a network takes, as :meth:`Goal.saving`."""
    ratios = []
    for objective in goal.minimize:
        ratio = _ratio(objective, point, dense)
        if ratio is not None:
            ratios.append(math.log(ratio))
    size = math.log(max(dense.bytes, 1) / max(point.figures.bytes, 1))
    return (sum(ratios) / len(ratios) if ratios else 0.0) + SIZE_SHARE * size


def _ratio(objective: Objective, point: Point, dense: Figures) -> float | None:
    now = point.figures
    if objective == "size":
        return dense.bytes / now.bytes if now.bytes and dense.bytes else None
    if objective == "memory":
        return (
            dense.memory_bytes / now.memory_bytes
            if now.memory_bytes and dense.memory_bytes
            else None
        )
    if objective == _ENERGY and now.energy_uj and dense.energy_uj:
        return dense.energy_uj / now.energy_uj
    return point.speedup


def _point(
    request: SearchRequest,
    name: str,
    board: str,
    one: Network,
    dense: Cost,
    own: Figures | None,
    unit: str,
) -> Point:
    cost = one.candidate.costs.get(board, dense)
    figures = _figures(one, cost)
    lost, text, accuracy = _lost(one, unit)
    folder = f"{name}/{one.name}"
    is_measured = one.outcome is not None and figures.time is not None
    speedup = None
    if is_measured and own is not None and own.time and figures.time:
        speedup = own.time / figures.time
    elif not is_measured and dense.time and cost.time and not dense.excess:
        speedup = dense.time / cost.time
    point = Point(
        name=one.name,
        what=_what(one),
        lost=lost if math.isfinite(lost) else None,
        lost_text=text,
        scored_on="choosing" if accuracy is None else "reported",
        accuracy=accuracy,
        keeps_limit=one.candidate.holds(request.limit)
        if accuracy is None
        else keeps(one.candidate, one.allowed, lost, request.limit),
        figures=figures,
        speedup=speedup,
        is_measured=is_measured,
        is_slower=_is_slower(one),
        recipe=f"{folder}/recipe.toml" if one.compressed is not None else None,
        file=f"{folder}/deployed.tflite" if one.compressed is not None else None,
        report=f"{folder}/report.html" if one.outcome is not None else None,
        remark=_validity(one),
    )
    if not _is_unsure(point, request.limit):
        return point
    remark = "; ".join(filter(None, [UNSURE, point.remark]))
    return msgspec.structs.replace(point, remark=remark)


def _is_unsure(point: Point, limit: float) -> bool:
    """Whether a network keeps the limit on the reported samples by what may be luck."""
    if point.keeps_limit or point.lost is None or point.scored_on != "reported":
        return False
    return point.lost <= limit + ROUNDING


def _what(one: Network) -> str:
    """What was done to the user's model, in words."""
    shape, parts = one.candidate.node.shape, []
    if not shape.is_whole:
        parts.append(shape.text())
    elif one.candidate.node.is_trained:
        parts.append("trained further")
    mode = one.recipe.quantize.mode
    if mode != "none":
        count = len(one.candidate.kept_layers)
        parts.append(mode + (f" but for {count} layers" if count else ""))
    if one.candidate.node.is_rounded:
        parts.append("trained with rounding")
    return ", ".join(parts) or "as it is"


def _lost(one: Network, unit: str) -> tuple[float, str, Accuracy | None]:
    """What it lost, the same in words, and its score on the reported samples."""
    from edgeprune.report.result import stored_accuracy

    done = one.compressed
    if done is None or done.task is None or "deployed" not in done.scores:
        lost = one.candidate.lost
        return lost, lost_text(unit, lost), None
    head, lost = lost_most(done)
    return lost, lost_text(head.metric, lost), stored_accuracy(done.scores["deployed"])


def lost_text(metric: str, lost: float) -> str:
    """A loss in words, as ``0.3 points worse``."""
    if not math.isfinite(lost):
        return "all lost"
    if abs(lost) <= ROUNDING:
        return "nothing lost"
    return f"{amount_text(metric, abs(lost))} {'worse' if lost > 0 else 'better'}"


def _dense_accuracy(found: BoardNetworks) -> Accuracy | None:
    from edgeprune.report.result import stored_accuracy

    for one in found.networks:
        if one.compressed is not None and one.compressed.scores:
            return stored_accuracy(one.compressed.scores[one.compressed.first_score])
    return None


def _is_slower(one: Network) -> bool:
    return one.outcome is not None and one.outcome.result.comparison.verdict == "slower"


def _validity(one: Network) -> str:
    """Why what was measured of it is not to be relied on; empty where it is."""
    if one.outcome is None:
        return ""
    validity = one.outcome.result.validity
    return "" if validity.verdict == "valid" else "; ".join(validity.reasons)


def _figures(one: Network, cost: Cost) -> Figures:
    """What a network takes, measured where it was."""
    if one.outcome is not None:
        variant = one.outcome.result.variant("deployed")
        if variant is not None:
            return _measured(variant, cost)
    size = cost.bytes if one.compressed is None else len(one.compressed.sparsified.deployed)
    is_plan = cost.memory_bytes is not None
    return Figures(
        bytes=cost.bytes if is_plan else size,
        memory_bytes=cost.memory_bytes,
        predicted_time=cost.time,
    )


def _measured(variant: Variant, cost: Cost) -> Figures:
    flash = known(variant.flash_bytes)
    energy = variant.energy_uj
    return Figures(
        bytes=variant.bytes if flash is None else flash,
        memory_bytes=variant.peak_memory_bytes,
        latency_us=variant.median_us,
        instructions=variant.instruction_count,
        energy_uj=None if energy is None else energy.per_inference,
        predicted_time=cost.time,
    )


def _dense_figures(dense: Cost, found: BoardNetworks) -> Figures | None:
    """What the user's model takes; None where the board cannot take it."""
    if dense.excess:
        return None
    for one in found.networks:
        variant = None if one.outcome is None else one.outcome.result.variant("dense")
        if variant is not None and (variant.median_us or variant.instruction_count):
            return _measured(variant, dense)
    for one in found.networks:
        if not one.candidate.node.moves and one.candidate.mode == "none":
            return _figures(one, dense)
    return Figures(bytes=dense.bytes, memory_bytes=dense.memory_bytes, predicted_time=dense.time)


def _sentence(
    request: SearchRequest, board: str, chosen: Point | None, points: Sequence[Point]
) -> str:
    percent = f"{100 * request.limit:.6g}%"
    if chosen is None:
        if not points:
            return f"{board}: nothing was found that the board can take."
        closest = points[0]
        return (
            f"{board}: nothing keeps --max-accuracy-drop {percent}; the closest is "
            f"{named(closest)} ({closest.lost_text}). What would help: more training data, or a "
            "larger --budget."
        )
    facts = [speed_text(chosen)] if chosen.speedup is not None else []
    facts += [bytes_text(chosen.figures.bytes), lost_text_on(chosen)]
    if chosen.name.startswith("dense"):
        how = "" if chosen.what == "as it is" else f", stored as {chosen.what}"
        why = _why_dense(points, request.limit)
        return f"{board}: keep the network as it is{how}: {why} ({', '.join(facts)})."
    return f"{board}: take {named(chosen)}: {', '.join(facts)}."


def _why_dense(points: Sequence[Point], limit: float) -> str:
    """Why nothing cheaper is taken."""
    if any(one.is_slower and one.keeps_limit for one in points):
        return "what is smaller was measured to be slower"
    percent = f"{100 * limit:.6g}%"
    if any(_is_unsure(one, limit) for one in points):
        return f"nothing cheaper surely keeps the limit of {percent}; more test samples may tell"
    return f"nothing cheaper keeps the limit of {percent}"


def _command(request: SearchRequest, board: str, best: str) -> str:
    """What deploys the recommended network, as a shell takes it."""
    each = request.each
    words = ["edgeprune", "deploy", str(each.model), "--board", board, "--data", str(each.data)]
    words += ["--recipe", str(request.folder / best)]
    if host := request.hosts.get(board):
        words += ["--host", host]
    if each.scale is not None:
        words.append(f"--scale={each.scale}")
    if each.augment != "auto":
        words += ["--augment", each.augment]
    if each.input_shape is not None:
        words += ["--input-shape", ",".join(map(str, each.input_shape))]
    words += ["--allow-weak"] * each.allow_weak + ["--allow-code"] * each.allow_code
    return shlex.join(words)
