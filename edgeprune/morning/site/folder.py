"""The folder of a site: one writer at a time, and nothing is written that is there already."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from edgeprune.errors import ConfigError
from edgeprune.files import scratch
from edgeprune.files.whole_file import shown, write_whole

MARK = ".edgeprune-site"
"""The file that says that a folder is a site, and of which plan."""

LOCK_S = 120.0
"""How long to wait for another writer. Source: ours; a large site takes some minutes."""

_SOURCE = re.compile(r'<meta name="edgeprune-source" content="([0-9a-f]{64})">')
_HEAD_BYTES = 4096
"""In which a page says what it was made of."""


class SiteFolder:
    """A site's folder, held by its writer; a context manager."""

    def __init__(self, folder: Path, plan: str) -> None:
        """Nothing happens before the ``with`` block.

        Args:
            folder: The folder.
            plan: Whose nights it shows.
        """
        self._folder, self._plan = folder, plan
        self._descriptor = -1
        self._known: set[str] = set()
        self.written = 0

    def __enter__(self) -> SiteFolder:
        """Takes the folder.

        Raises:
            ConfigError: It is something else, belongs to another plan, is in use, or cannot be
                written.
        """
        try:
            check_folder(self._folder, self._plan)
            self._folder.mkdir(parents=True, exist_ok=True)
            mark = self._folder / MARK
            self._descriptor = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            is_ours = self._is_locked(mark)
        except OSError as error:
            self._close()
            raise ConfigError(
                f"{shown(self._folder)}: cannot be written: {error.strerror or error}"
            ) from error
        if not is_ours:
            self._close()
            raise ConfigError(
                f"{shown(self._folder)}: another edgeprune has been writing it for "
                f"{LOCK_S:.0f} s: try again when it is done"
            )
        if not os.fstat(self._descriptor).st_size:
            os.write(self._descriptor, f"{self._plan}\n".encode())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def is_made_of(self, name: str, source: str) -> bool:
        """Whether a page is there and was made of this source.

        Args:
            name: The page, from the site's folder on.
            source: 64 hex digits.
        """
        with contextlib.suppress(OSError), (self._folder / name).open("rb") as page:
            match = _SOURCE.search(page.read(_HEAD_BYTES).decode("utf-8", "replace"))
            return match is not None and match[1] == source
        return False

    def write(self, name: str, text: str) -> None:
        """Writes a page, unless it says that already.

        Raises:
            ConfigError: It cannot be written.
        """
        path, content = self._folder / name, text.encode()
        self._prepare(path.parent)
        with contextlib.suppress(OSError):
            if path.stat().st_size == len(content) and path.read_bytes() == content:
                return
        write_whole(path, content, replace=True, is_durable=False)
        self.written += 1

    def remove_nights(self, stems: Iterable[str]) -> None:
        """Removes the pages of nights, by the names of their folders."""
        for stem in stems:
            shutil.rmtree(self._folder / "nights" / stem, ignore_errors=True)

    def nights(self) -> set[str]:
        """Names of the folders of nights that are there."""
        with contextlib.suppress(OSError):
            return {one.name for one in (self._folder / "nights").iterdir()}
        return set()

    def _prepare(self, folder: Path) -> None:
        """Makes a folder of pages, and removes what a killed writer left there."""
        if str(folder) in self._known:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{shown(folder)}: cannot be made: {error.strerror or error}"
            ) from error
        scratch.remove_leftovers(folder)
        self._known.add(str(folder))

    def _is_locked(self, mark: Path) -> bool:
        try:
            return scratch.lock(self._descriptor, mark, LOCK_S)
        except OSError as error:
            if scratch.has_no_locks(error):
                return True
            raise

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def check_folder(folder: Path, plan: str) -> None:
    """Whether a site of a plan may be written into a folder.

    Raises:
        ConfigError: It is a file, holds something else, or the site of another plan.
        OSError: It cannot be looked at.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{shown(folder)}: is no folder; name one for the site")
    mark = folder / MARK
    if mark.exists():
        whose = mark.read_text(encoding="utf-8", errors="replace").strip()
        if whose not in ("", plan):
            raise ConfigError(
                f"{shown(folder)}: holds the site of the plan {shown(whose[:64])!r}; name another "
                "folder"
            )
    elif any(folder.iterdir()):
        raise ConfigError(
            f"{shown(folder)}: is not empty, and no site of edgeprune; name another folder"
        )
