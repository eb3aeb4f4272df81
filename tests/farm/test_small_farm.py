"""One night over sshd, adb and on an emulated board, judged by the agents' own logs."""

import pytest
from farm_rig import Served, double_bookings, small_farm
from int8_layers import random_layer

PLAN = """
[[jobs]]
models = ["net.tflite"]
boards = ["lab-pi", "lab-phone", "mps2-an386"]
recipes = ["as-is"]
sessions = 1
runs = 5
"""


@pytest.mark.device
@pytest.mark.full_range
def test_a_night_on_real_ways_ends_each_job_once_and_leaves_nothing_running():
    with small_farm() as farm:
        (farm.folder / "net.tflite").write_bytes(random_layer(1, "CONV_2D").tflite)
        (farm.folder / "p.toml").write_text(PLAN)
        log = farm.folder / "log"
        assert farm.start(farm.folder / "p.toml", log=log).wait(580) == 0, log.read_text()
        assert farm.faults() == []
        served = {folder: len(entries) for folder, entries in farm.agents_logs().items()}
        assert set(served) == {"lab/device/tmp", "phone/tmp"} and min(served.values()) > 5
        assert farm.asked("SELECT state, count(*) FROM farm_jobs GROUP BY 1") == [("done", 3)]
        assert farm.left_running() == []


def test_a_double_booking_is_noticed():
    older, newer = Served(True, 5, 1, 10, 10), Served(True, 6, 2, 20, 20)
    assert double_bookings([older, Served(False, 5, 1, 11, 19), newer]) == []
    late = Served(False, 5, 1, 19, 1_000_021)
    assert double_bookings([older, late, newer]) == ["epoch 5 was served 1.0 ms into 6"]
