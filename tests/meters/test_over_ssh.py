"""A sensor on a device behind ssh: its files are found, and sampled by the agent there."""

import time

import pytest

from edgeprune.agents import build
from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.start import start_agent
from edgeprune.devices.device import MeterTable
from edgeprune.meters.base import METERS, Site
from edgeprune.push import push

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]


def test_a_sensor_behind_ssh_is_found_and_sampled(lab, tmp_path):
    sensor = tmp_path / "hwmon 0"  # a space, as a path may have
    sensor.mkdir()
    for name, text in {"name": "ina226", "in1_input": "5000", "curr1_input": "400"}.items():
        (sensor / name).write_text(text + "\n")
    table = MeterTable("hwmon", at=str(tmp_path))
    with lab.ssh() as ssh:
        program = push(ssh, [build.agent("host")])[0].path
        with start_agent(ssh, program) as agent:
            with METERS.get("hwmon")(Site(ssh, AgentSampler(agent), table)) as meter:
                meter.start()
                begin_s = agent.clock_s()
                time.sleep(0.6)
                end_s = agent.clock_s()
                trace = meter.stop()
    assert trace.energy_between_j(begin_s, end_s) == pytest.approx(2.0 * (end_s - begin_s))
    assert trace.samples_between(begin_s, end_s) >= 10
