"""What transports and meters have in common: they are open for as long as a block runs."""

from __future__ import annotations

import abc
from types import TracebackType
from typing import Self


class Opened(abc.ABC):
    """A context manager that is opened in ``__enter__``."""

    @abc.abstractmethod
    def open(self) -> None:
        """Opens it."""

    @abc.abstractmethod
    def close(self) -> None:
        """Closes it; harmless when closed already."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
