"""A search's notebook on disk, kept by Optuna: what was judged, and what is worth a try besides."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec

from edgeprune.auto.candidates import Candidate
from edgeprune.auto.engine import Notebook
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Node, Shape
from edgeprune.auto.options import MACS, SPARSITIES, Options
from edgeprune.errors import ConfigError
from edgeprune.files.whole_file import shown

if TYPE_CHECKING:
    from optuna.storages.journal._file import BaseJournalFileLock

SUGGESTS_EVERY = 24
"""Candidates after which one suggestion comes.

Source: ours; on simulated networks 6, 12 and 24 were tried, and the fewest suggestions did best.
"""

_NAME, _CANDIDATE, _IDENTITY, _SPOILT = "search", "candidate", "identity", "spoilt"
_NOTHING = "nothing"


class Journal:
    """What a search keeps on disk: candidates as trials of an Optuna study, and notes.

    Args:
        file: The journal; is made where there is none.
        identity: What the search is of: model, data, boards, goal. Another one's is refused.
        boards: How many boards it is for.

    Raises:
        ConfigError: The file is damaged, or is another search's.
    """

    def __init__(self, file: Path, identity: str, boards: int) -> None:
        import optuna
        from optuna.storages import journal

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        _mend(file)
        backend = journal.JournalFileBackend(str(file), _lock(file))
        try:
            self.study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                study_name=_NAME,
                load_if_exists=True,
                directions=["minimize", *["maximize"] * boards],
                sampler=_sampler(optuna),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{shown(file)} is no journal of a search: {error}; remove it to begin anew"
            ) from error
        before = self.noted(_IDENTITY)
        if before is None:
            self.note(_IDENTITY, identity)
        elif before != identity:
            raise ConfigError(
                f"{shown(file)} is of another search (other model, data, boards or goal): give "
                "another folder, or remove this one"
            )

    def candidates(self) -> Sequence[Candidate]:
        """What was judged, in that order."""
        kept = [trial.user_attrs.get(_CANDIDATE) for trial in self.study.get_trials(deepcopy=False)]
        return [msgspec.json.decode(text, type=Candidate) for text in kept if text]

    def note(self, key: str, value: str) -> None:
        """Keeps a word under a key."""
        self.study.set_user_attr(key, value)

    def noted(self, key: str) -> str | None:
        """What was kept last under a key; None for nothing."""
        value = self.study.user_attrs.get(key)
        return None if value is None else str(value)


class Study(Notebook):
    """Keeps candidates in a journal, and suggests shapes.

    A multi-objective tree-structured Parzen estimator suggests shapes from what was judged: loss
    and, for each board, saving. Source: Ozaki et al. 2022, "Multiobjective Tree-Structured Parzen
    Estimator"; Optuna's ``TPESampler``.

    Args:
        journal: The search's.
        options: What may be suggested.
        goal: Makes savings of costs.
        dense: What the user's model takes, by board.
        say: Is told each candidate.
    """

    def __init__(
        self,
        journal: Journal,
        options: Options,
        goal: Goal,
        dense: Mapping[str, Cost],
        say: Callable[[Candidate], None],
    ) -> None:
        super().__init__(say)
        self._journal, self._study, self._optuna = journal, journal.study, journal.optuna
        self._options, self._goal, self._dense = options, goal, dense
        self._written = 0

    def known(self) -> Sequence[Candidate]:
        """What earlier runs judged."""
        return self._journal.candidates()

    def screened(self, shape: Shape) -> float | None:
        """What an earlier run saw a shape lose at once."""
        told = self._journal.noted(_screened(shape))
        return None if told is None else float(told)

    def keep_screened(self, shape: Shape, lost: float) -> None:
        """Keeps what a shape loses at once."""
        if self.screened(shape) is None:
            self._journal.note(_screened(shape), repr(lost))

    def spoilt(self) -> Sequence[Node]:
        """What earlier runs could not make, or saw no use in."""
        return msgspec.json.decode(self._journal.noted(_SPOILT) or "[]", type=list[Node])

    def keep_spoilt(self, node: Node) -> None:
        """Keeps that a network could not be made."""
        nodes = [*self.spoilt(), node]
        self._journal.note(_SPOILT, msgspec.json.encode(nodes).decode())

    def write(self, candidate: Candidate) -> None:
        """Keeps a candidate on disk, and says it."""
        shape = candidate.node.shape
        self._study.enqueue_trial(self._params(shape))
        trial = self._study.ask(self._space())
        trial.set_user_attr(_CANDIDATE, msgspec.json.encode(candidate).decode())
        savings = [
            self._goal.saving(candidate.costs[board], dense) if board in candidate.costs else None
            for board, dense in self._dense.items()
        ]
        lost = min(candidate.lost, 1.0)
        self._study.tell(trial, [lost, *(saving or 0.0 for saving in savings)])
        self._written += 1
        super().write(candidate)

    def suggest(self, *, now: bool = False) -> Shape | None:
        """A shape now and then, or ``now``."""
        if self._written < SUGGESTS_EVERY and not now:
            return None
        self._written = 0
        trial = self._study.ask(self._space())
        params = trial.params
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        sparsity = params["sparsity"]
        kernels, _, pattern = params["zeros"].partition(" ")
        if not sparsity or params["zeros"] == _NOTHING:
            return Shape(params["macs"])
        return Shape(params["macs"], sparsity, kernels, pattern)

    def _space(self) -> dict[str, Any]:
        choice = self._optuna.distributions.CategoricalDistribution
        macs = (1.0, *MACS) if self._options.removes_channels else (1.0,)
        zeros = [f"{core} {one}" for core, all_ in self._options.patterns.items() for one in all_]
        return {
            "macs": choice(macs),
            "sparsity": choice((0.0, *SPARSITIES) if zeros else (0.0,)),
            "zeros": choice([*zeros, _NOTHING]),
        }

    def _params(self, shape: Shape) -> dict[str, Any]:
        near = min((1.0, *MACS), key=lambda macs: abs(macs - shape.macs))
        zeros = f"{shape.kernels} {shape.pattern}" if shape.sparsity else _NOTHING
        return {"macs": near, "sparsity": shape.sparsity, "zeros": zeros}


@dataclass(frozen=True)
class Record:
    """What stands in a journal.

    Attributes:
        notes: By key.
        candidates: What was judged, in that order.
    """

    notes: Mapping[str, str] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()

    @property
    def identity(self) -> str | None:
        """What the search is of; None where nothing says it."""
        return self.notes.get(_IDENTITY)


def read_journal(file: Path) -> Record:
    """What stands in a journal, read without Optuna; a line that is no word of ours says nothing.

    Raises:
        OSError: The file cannot be read.
    """
    notes, candidates = {}, []
    with file.open("rb") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, AttributeError):
                told = json.loads(line).get("user_attr", {})
                if _CANDIDATE in told:
                    candidates.append(msgspec.json.decode(told[_CANDIDATE], type=Candidate))
                else:
                    notes.update(told)
    return Record(notes, tuple(candidates))


def _screened(shape: Shape) -> str:
    return f"at once: {shape.text()} {shape.kernels}"


def _sampler(optuna: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(multivariate=True, seed=0, n_startup_trials=8)


class _Lock:
    """Optuna's lock on a journal by the kernel, which drops it where a process is killed."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: TextIO | None = None

    def acquire(self) -> bool:
        """Waits for the lock."""
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Drops it."""
        if self._file is not None:
            self._file.close()


def _lock(file: Path) -> BaseJournalFileLock:
    return cast("BaseJournalFileLock", _Lock(file.with_suffix(".lock")))


def _mend(file: Path) -> None:
    """Cuts off the line that a process was writing when it was killed."""
    if not file.exists():
        return
    raw = file.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    try:
        for line in whole.splitlines()[-1:]:
            json.loads(line)
    except ValueError:
        whole = whole[: whole[:-1].rfind(b"\n") + 1]
    if len(whole) != len(raw):
        with file.open("r+b") as opened:
            opened.truncate(len(whole))
            os.fsync(opened.fileno())
