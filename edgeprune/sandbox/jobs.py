"""The jobs that a child may be asked to do; nothing else can be named."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable
from typing import Any

JOBS = frozenset(
    {
        "edgeprune.pipeline.firmware_jobs:forecast_for_firmware",
        "edgeprune.pipeline.jobs:compress_model",
        "edgeprune.pipeline.jobs:read_as_tflite",
        "edgeprune.pipeline.jobs:run_exactly",
        "edgeprune.pipeline.jobs:run_on_host",
        "edgeprune.sandbox.probe:probe",
        "edgeprune.searching.jobs:make_networks",
        "edgeprune.searching.jobs:search_on",
    }
)
"""Functions of a request and a :class:`edgeprune.progress.Progress`, by module and name."""

Job = Callable[..., Any]


def name_of(job: Job) -> str:
    """How a job is named to the child.

    Raises:
        ValueError: It is none.
    """
    return _listed(f"{job.__module__}:{job.__qualname__}")


def find(name: str) -> Job:
    """The job of a name.

    Raises:
        ValueError: There is none.
    """
    module, _, function = _listed(name).partition(":")
    job: Job = getattr(importlib.import_module(module), function)
    return job


def types_of(job: Job) -> tuple[Any, Any]:
    """What a job takes, and what it answers."""
    hints = typing.get_type_hints(job)
    return hints["request"], hints["return"]


def _listed(name: str) -> str:
    if name not in JOBS:
        raise ValueError(f"{name} is no job for a child")
    return name
