"""Silence for libraries that talk on the terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from edgeprune.console import streams


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences what libraries log and warn in the block, what C++ writes to file 2 included.

    Exceptions are not touched. ``sys.stderr`` goes on reaching the terminal, so that a spinner
    drawn by another thread is seen.
    """
    level = logging.root.manager.disable
    own = sys.stderr
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, level)
        kept = os.dup(2)
        stack.callback(os.close, kept)
        if _is_file_2(own):
            own.flush()
            sys.stderr = stack.enter_context(streams.output(kept, own))
            stack.callback(setattr, sys, "stderr", own)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        stack.callback(os.dup2, kept, 2)
        yield


def _is_file_2(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 2)
    except (AttributeError, OSError, ValueError):  # replaced by something without a file
        return False
