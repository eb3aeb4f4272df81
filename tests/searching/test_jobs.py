"""A portion of a search, in this process."""

import io

import pytest
import searched_net
from rich.console import Console

from edgeprune.auto.goal import Goal
from edgeprune.devices.boards import Cpu
from edgeprune.models.tflite import graph
from edgeprune.pipeline import timed_here
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.recipe import Recipe
from edgeprune.searching import jobs
from edgeprune.searching.jobs import SearchJob, search_on


@pytest.fixture
def portion(tmp_path, monkeypatch):
    """Searches on this machine, a PC; what was timed and what was told."""
    monkeypatch.setattr(jobs, "_cpu", lambda board: Cpu("host", "x86_64", ("avx",)))
    model, data = searched_net.write(tmp_path)
    request = Request(model, "local", Recipe(), data=str(data))

    def ratio(tflite, beside):
        timed.append(tflite)
        return 0.5 if graph.computes_on_integers(graph.view(tflite)) else 1.0

    timed = []
    monkeypatch.setattr(timed_here, "time_ratio", ratio)

    def run(is_first=True):
        timed.clear()
        log, journal = io.StringIO(), tmp_path / "search.journal"
        job = SearchJob(
            request,
            ("local",),
            Goal(0.01),
            journal,
            "{}",
            searched_net.NO_TRAINING_S,
            0.0,
            is_first,
        )
        with Progress(Console(file=log, width=1000), brief=True) as progress:
            return search_on(job, progress), len(timed), log.getvalue()

    return run


def test_what_one_process_timed_the_next_one_does_not_time_again(portion):
    line = "int8 takes 0.51 of float32's time on this machine, timed"
    first, timed, log = portion()
    assert timed == 1 and log.count(line) == 1
    again, timed, log = portion(is_first=False)
    assert timed == 0 and line not in log
    found = [
        [one.candidate.costs for one in portion.choices["local"]] for portion in (first, again)
    ]
    assert found[0] == found[1] and len(found[0]) == 2
