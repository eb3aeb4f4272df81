"""What is measured again, on this machine: kept files in turns, or one by itself."""

import json

import nets
import pytest

from edgeprune.farm import kept
from edgeprune.farm.child import Order, ending_of
from edgeprune.farm.executor import Assignment, Lease
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.history import runs
from edgeprune.history.result_file import parse_result
from edgeprune.load.digest import digest_of


@pytest.fixture
def files(home, tmp_path):
    """Digests of two kept files."""
    digests = []
    for name, content in (("old", nets.eligible()), ("new", nets.eligible(sparsity=0.8))):
        (tmp_path / f"{name}.tflite").write_bytes(content)
        digests.append(digest_of(tmp_path / f"{name}.tflite"))
        assert kept.keep(tmp_path / f"{name}.tflite", digests[-1]) == ""
    return digests


def again(tmp_path, files, how):
    options = {"how": how, "metric": "latency_us", "files": files,
               "timing": {"effort": "quick", "sessions": 1, "runs": 1, "warmup": 0}}  # fmt: skip
    job = Job(0, Kind.CONFIRM, "/nets/kws.h5", files[1], "auto", "local", "local", options=options)
    assignment = Assignment("a" * 32, "night", job, Lease("local", 1, "me"), 300.0)
    return ending_of(Order(assignment, None, None, str(tmp_path / "out")))


def test_two_files_are_measured_in_turns_in_many_processes(tmp_path, files, monkeypatch):
    monkeypatch.setattr("edgeprune.farm.trends.confirmation.SESSIONS", 3)
    ending = again(tmp_path, files, "turns")
    assert ending.error_kind is None, ending.message
    sides = (*ending.beside, ending.run)
    results = [parse_result(json.loads(side.result)) for side in sides]
    assert results[0].sitting == results[1].sitting and results[0].model.path == "/nets/kws.h5"
    assert [side.model_sha256 for side in sides] == files
    assert [one.deployed.sha256 for one in results] == files
    for side, result in zip(sides, results, strict=True):
        assert len(result.deployed.processes) == 3
        if result.validity.verdict == "valid":
            assert len(side.sessions["latency_us"]) == 3
    assert runs() == []


def test_a_file_by_itself_is_run_thrice(tmp_path, files):
    ending = again(tmp_path, files, "repeat")
    assert ending.error_kind is None, ending.message
    assert [side.model_sha256 for side in (*ending.beside, ending.run)] == [files[1]] * 3
    assert json.loads(ending.run.result)["recipe"]["run"]["sessions"] == 1


def test_a_file_that_is_not_kept_any_more_is_the_jobs_error(tmp_path, files):
    for file in tmp_path.rglob(f"{files[0]}.tflite"):
        file.unlink()
    ending = again(tmp_path, files, "turns")
    assert ending.error_kind is ErrorKind.JOB
    assert ending.message == "the file that was measured then is not kept on this host"
