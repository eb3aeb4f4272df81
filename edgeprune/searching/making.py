"""What a search found, made in full for one board: files, recipes, figures and pages."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeprune.auto.candidates import Candidate
from edgeprune.devices.boards import load_board
from edgeprune.errors import DeviceError, ModelError, VerifyError
from edgeprune.files.whole_file import write_whole
from edgeprune.pipeline.choosing import keeps
from edgeprune.pipeline.compressed import Compressed, lost_most
from edgeprune.pipeline.jobs import (
    CompressJob,
    answer_bytes_of,
    given_files,
    opened_files,
    store_folders,
)
from edgeprune.pipeline.outcome import Outcome
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe, write_recipe
from edgeprune.sandbox.parent import Reach
from edgeprune.searching.children import repeated
from edgeprune.searching.choices import MAX_POINTS
from edgeprune.searching.devices import Whole, measured
from edgeprune.searching.jobs import Choice, MakeJob, make_networks
from edgeprune.searching.request import SearchRequest


@dataclass(frozen=True)
class Network:
    """One network of a front, as far as it is known.

    Attributes:
        name: One of a kind on its board.
        candidate: As it was judged.
        recipe: Makes it.
        allowed: What it may lose on the reported samples: see :meth:`Counts.allowed_loss`.
        compressed: What was made; None where it was not made in full.
        outcome: What was measured; None where it was not.
    """

    name: str
    candidate: Candidate
    recipe: Recipe
    allowed: float
    compressed: Compressed | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class BoardNetworks:
    """What there is for one board.

    Attributes:
        networks: In the order of the choices.
        remark: Why nothing was measured; empty where it was.
        failed: Networks that could not be made, a line each.
    """

    networks: Sequence[Network]
    remark: str = ""
    failed: tuple[str, ...] = ()


def network(name: str, choice: Choice) -> Network:
    """A network that is not made in full yet."""
    return Network(name, choice.candidate, choice.recipe, choice.allowed)


def names_of(choices: Sequence[Choice]) -> list[str]:
    """Names of folders, each one of a kind."""
    names: list[str] = []
    for one in choices:
        stem = _stem(one.candidate, one.recipe)
        k = 1
        while (name := stem if k == 1 else f"{stem}-{k}") in names:
            k += 1
        names.append(name)
    return names


def _stem(candidate: Candidate, recipe: Recipe) -> str:
    shape, parts = candidate.node.shape, []
    if shape.macs < 1:
        parts.append(f"macs-{100 * shape.macs:.0f}")
    if shape.sparsity:
        parts.append(f"zeros-{100 * shape.sparsity:.0f}")
    if shape.is_whole:
        parts.append("tuned" if candidate.node.is_trained else "dense")
    if candidate.node.is_rounded:
        parts.append("qat")
    if recipe.quantize.mode != "none":
        parts.append("mixed" if candidate.kept_layers else recipe.quantize.mode)
    return "-".join(parts)


def made_for(
    request: SearchRequest, board: str, choices: Sequence[Choice], progress: Progress
) -> BoardNetworks:
    """Makes and measures networks for one board.

    Args:
        request: What was asked for.
        board: The board, as the user named it.
        choices: What to make; spares only where nothing else keeps the limit.
        progress: Shows what is going on.

    Raises:
        ConfigError: A folder cannot be written.
    """
    folder = request.folder / load_board(board).name
    _clear(folder)
    names = names_of(choices)
    asked = [
        dataclasses.replace(
            request.each,
            board=board,
            recipe=one.recipe,
            output=folder / name,
            host=request.hosts.get(board),
        )
        for one, name in zip(choices, names, strict=True)
    ]
    rows = [network(name, one) for one, name in zip(choices, names, strict=True)]
    first = [k for k, one in enumerate(choices) if not one.is_spare]
    compressed, failed = _made(asked, first, names, progress)
    spare = [k for k, one in enumerate(choices) if one.is_spare]
    if spare and not any(
        _keeps(compressed[k], choices[k], request.limit) for k in first[1:] if k in compressed
    ):
        more, also_failed = _made(asked, spare, names, progress)
        compressed, failed = compressed | more, (*failed, *also_failed)
    wholes = {k: Whole(names[k], asked[k], done) for k, done in sorted(compressed.items())}
    kept = {k: dataclasses.replace(rows[k], compressed=done) for k, done in compressed.items()}
    remark = ""
    try:
        outcomes = _measured(list(wholes.values()), progress) if wholes else {}
    except DeviceError as error:
        outcomes, remark = {}, str(error)
        progress.warn(of_board(load_board(board).name, f"{error}; its networks stay predicted"))
    for k, whole in wholes.items():
        outcome = outcomes.get(whole.name)
        if outcome is None and not remark:
            failed = (
                *failed,
                f"{load_board(board).name}: {whole.name}: its outputs are wrong there",
            )
            del kept[k]
        elif outcome is None:
            _write(whole)
        else:
            kept[k] = dataclasses.replace(kept[k], outcome=outcome)
    return BoardNetworks([kept[k] for k in sorted(kept)], remark, failed)


def of_board(name: str, line: str) -> str:
    """A line that says which board it is about."""
    return line if line.startswith(f"{name}: ") else f"{name}: {line}"


def _made(
    requests: Sequence[Request], which: Sequence[int], names: Sequence[str], progress: Progress
) -> tuple[dict[int, Compressed], tuple[str, ...]]:
    """What was made, by number, and what could not be."""
    chosen = [requests[k] for k in which]
    if not chosen:
        return {}, ()
    first = chosen[0]
    board = load_board(first.board)
    with progress.stage(f"make {board.name}"):
        answer = repeated(
            make_networks,
            lambda: MakeJob(tuple(chosen)),
            progress,
            reach=Reach(store_folders(first), given_files(CompressJob(first, board.cpu))),
            answer_bytes=MAX_POINTS * answer_bytes_of(first.model),
        )
    done, failed = {}, []
    for k, row in zip(which, answer.rows, strict=True):
        if row.compressed is None:
            failed.append(f"{board.name}: {names[k]}: {row.why}")
            progress.warn(failed[-1])
        else:
            done[k] = opened_files(row.compressed)
    return done, tuple(failed)


def _keeps(compressed: Compressed, choice: Choice, limit: float) -> bool:
    return keeps(choice.candidate, choice.allowed, lost_most(compressed)[1], limit)


def _measured(wholes: Sequence[Whole], progress: Progress) -> dict[str, Outcome]:
    """What was measured, by name: where a network's outputs are wrong, without it.

    Raises:
        DeviceError: The device or the way to it failed.
    """
    try:
        outcomes = measured(wholes, progress)
    except (VerifyError, ModelError) as error:
        if len(wholes) == 1:
            progress.warn(f"{wholes[0].name}: {error}")
            return {}
        progress.warn(f"{error}; each network is measured by itself")
        found: dict[str, Outcome] = {}
        for one in wholes:
            found |= _measured([one], progress)
        return found
    return {one.name: outcome for one, outcome in zip(wholes, outcomes, strict=True)}


def _write(one: Whole) -> None:
    """Writes a network that was not measured."""
    folder = one.request.output
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(one.compressed.recipe, folder / "recipe.toml")
    write_whole(folder / "deployed.tflite", one.compressed.sparsified.deployed, replace=True)


def _clear(folder: Path) -> None:
    """Removes what an earlier run of the search made for a board."""
    from edgeprune.report.folder import FILES, MARK

    # Nobody else writes here: the search's folder is held by this process.
    for one in folder.glob("*") if folder.is_dir() else ():
        if not one.is_dir() or one.is_symlink():
            continue
        for name in (*FILES, MARK):
            (one / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds something of the user's
            one.rmdir()
