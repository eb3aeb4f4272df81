"""The folder of a search: whose it is, one writer at a time, and what it keeps to go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from edgeprune.auto.study import Record, read_journal
from edgeprune.errors import ConfigError
from edgeprune.files import scratch
from edgeprune.files.whole_file import shown

STATE, JOURNAL, LOCK = "state", "search.journal", "lock"

_WORDS = {
    "model": "another model",
    "data": "other data",
    "boards": "other boards",
    "limit": "another --max-accuracy-drop",
    "minimize": "another --minimize",
    "options": "other options",
}


class SearchFolder:
    """A search's folder, held by its writer; a context manager."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            path: The folder.
            identity: What the search is of, as plain values: keys of ``_WORDS`` but for the data.
        """
        self.path, self._identity = path, dict(identity)
        self._descriptor = -1

    @property
    def state(self) -> Path:
        """What the search keeps to go on."""
        return self.path / STATE

    @property
    def journal(self) -> Path:
        """What was judged."""
        return self.state / JOURNAL

    @property
    def identity(self) -> str:
        """What the search is of, as text."""
        return json.dumps(self._identity)

    def record(self) -> Record:
        """What stands in the journal."""
        try:
            return read_journal(self.journal)
        except OSError:
            return Record()

    def __enter__(self) -> SearchFolder:
        """Takes the folder.

        Raises:
            ConfigError: It holds something else or another search, is in use, or cannot be written.
        """
        try:
            self._check()
            self.state.mkdir(parents=True, exist_ok=True)
            lock = self.state / LOCK
            self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            is_ours = self._is_locked(lock)
        except OSError as error:
            self._close()
            reason = error.strerror or error
            raise ConfigError(f"{shown(self.path)}: cannot be written: {reason}") from error
        if not is_ours:
            self._close()
            raise ConfigError(
                f"{shown(self.path)}: another edgeprune search writes there: wait for it, or name "
                "another folder"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _check(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ConfigError(f"{shown(self.path)}: is no folder; name another --output")
        if not self.journal.exists():
            if any(one.name != STATE for one in self.path.iterdir()):
                raise ConfigError(
                    f"{shown(self.path)}: is not empty, and no search is in it; name another "
                    "--output"
                )
            return
        told = self.record().identity
        before = {} if told is None else json.loads(told)
        others = [
            words
            for key, words in _WORDS.items()
            if key in before and key in self._identity and before[key] != self._identity[key]
        ]
        if others:
            raise ConfigError(
                f"{shown(self.path)}: holds another search ({', '.join(others)}): name another "
                "--output, or remove it"
            )

    def _is_locked(self, lock: Path) -> bool:
        try:
            return scratch.lock(self._descriptor, lock)
        except OSError as error:
            if scratch.has_no_locks(error):
                return True
            raise

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
