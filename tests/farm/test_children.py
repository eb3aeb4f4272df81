"""Jobs in processes of their own: whose an error is, and that nothing of a job is left behind."""

import asyncio
import dataclasses
import json
import signal
from pathlib import Path

import nets
import numpy as np
import pytest

from edgeprune import errors
from edgeprune.devices.bench import Bench
from edgeprune.farm import children
from edgeprune.farm.child import Order, ending_of, kind_of
from edgeprune.farm.executor import Assignment, Lease
from edgeprune.farm.inventory import inventory
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.history import runs
from edgeprune.load.digest import digest_of
from edgeprune.pipeline import device_half


def ran(tmp_path, model="missing.tflite", timeout_s=300.0):
    """The ending of a job on this machine."""
    devices = inventory(Bench(), ["local"])
    (name,) = devices
    path = str(tmp_path / model)
    job = Job(0, Kind.MEASURE, path, "0" * 64, "as-is", "local", name)
    assignment = Assignment("a" * 32, "night", job, Lease(name, 1, "me"), timeout_s)
    executor = children.Children(devices, tmp_path / "out", None)
    return asyncio.run(executor.run(assignment))


def test_a_model_that_is_missing_is_the_jobs_error(tmp_path):
    ending = ran(tmp_path)
    assert ending.error_kind is ErrorKind.JOB and "no such file" in ending.message


def test_a_model_that_changed_since_the_night_began_is_not_measured(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(24))
    ending = ran(tmp_path, "net.tflite")
    assert ending.error_kind is ErrorKind.JOB and "has changed since" in ending.message


def test_a_search_takes_half_of_a_jobs_time_at_most(tmp_path, monkeypatch):
    asked = []

    def deploy(request, progress):
        asked.append(request)
        raise errors.ModelError("enough is known")

    monkeypatch.setattr("edgeprune.pipeline.deploy", deploy)
    (tmp_path / "net.tflite").write_bytes(nets.eligible(sparsity=0.0, size=16))
    path = tmp_path / "net.tflite"
    job = Job(0, Kind.MEASURE, str(path), digest_of(path), "auto", "local", "pc", time_budget_s=600)
    assignment = Assignment("a" * 32, "night", job, Lease("pc", 1, "me"), 900.0)
    ending = ending_of(Order(assignment, None, None, str(tmp_path / "out")))
    assert "enough is known" in ending.message
    assert [one.budget_s for one in asked] == [300.0]


def test_a_job_that_takes_too_long_is_ended(tmp_path):
    ending = ran(tmp_path, timeout_s=0.01)
    assert ending.error_kind is ErrorKind.JOB
    assert ending.message == "it took longer than its 0.01 s and was ended"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(-signal.SIGKILL, "infrastructure"), (-signal.SIGSEGV, "bug"), (70, "bug")],
)
def test_a_process_that_dies_is_told(code, kind, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"first\nlast \x1b[31mwords\n")
    ending = children._died(code, log)
    assert ending.error_kind == kind and ending.run is None and "\x1b" not in ending.message
    if kind == "bug":
        assert str(abs(code)) in ending.message and "last" in ending.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.DeviceTimeout, "infrastructure"),
        (errors.BadFrame, "infrastructure"),
        (errors.HostKeyError, "configuration"),
        (errors.UnknownPart, "configuration"),
        (errors.CodeRefused, "job"),
        (errors.VerifyError, "test"),
    ],
)
def test_every_error_is_somebodys(error, kind):
    assert kind_of(error("x")) == kind


def test_what_computed_wrong_outputs_is_kept_without_figures(tmp_path, home, monkeypatch):
    def off_by_some(*asked):
        host = expected(*asked)
        outputs = [[o + np.float32(0.01) for o in row] for row in host.outputs]
        return dataclasses.replace(host, outputs=outputs)

    expected = device_half.host_outputs_with_rounding
    monkeypatch.setattr(device_half, "host_outputs_with_rounding", off_by_some)
    file = tmp_path / "net.tflite"
    file.write_bytes(nets.eligible())
    job = Job(0, Kind.MEASURE, str(file), digest_of(file), "as-is", "local", "local",
              options={"sessions": 1, "runs": 1})  # fmt: skip
    assignment = Assignment("a" * 32, "night", job, Lease("local", 1, "me"), 300.0)
    ending = ending_of(Order(assignment, None, None, str(tmp_path / "out")))
    assert ending.error_kind is ErrorKind.TEST and "by 0.01" in ending.message
    document = json.loads(ending.run.result)
    assert document["validity"]["verdict"] == "invalid" and not ending.run.figures
    assert "differ" in document["notes"][0] and not (tmp_path / "out").exists()
    assert runs() == []


def test_names_of_folders_hold_nothing_that_leads_elsewhere():
    job = Job(0, Kind.MEASURE, "/m/$(reboot)..tflite", "", "auto", "rpi4", None)
    lease = Lease("../../pi;x", 3, "me")
    name = children.folder_name(Assignment("", "", job, lease, 1.0))
    assert Path(name).name == name and not set(name) & set("/;$() ")
