"""What other parts may change in a training step; all of it is traced into the compiled step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Hook(Protocol):
    """Changes one training step, of either Keras."""

    def before(self) -> Callable[[], None]:
        """Called before the forward pass; what it returns is called after the gradients."""

    def gradient(self, gradient: Any, variable: Any) -> Any:
        """The gradient that the optimizer takes for a variable instead of this one."""
