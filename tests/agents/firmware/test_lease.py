"""A farm's lease of a microcontroller: a newer one ends what an older one had, and refuses it."""

import numpy as np
import pytest
from int8_layers import random_layer
from microcontroller import Scripted, emulated_line

from edgeprune.agents.firmware.session import EMULATED_PATIENCE_S, FirmwareSession
from edgeprune.errors import AgentRefusal, DeviceError
from edgeprune.firmware.facts import facts_of
from edgeprune.firmware.plan import compiled

EMULATED = {"mps2-an386": "dsp", "mps3-an547": "mve"}


@pytest.mark.device
@pytest.mark.parametrize("board", EMULATED)
def test_a_host_whose_lease_is_over_brings_nothing_home(board):
    layer = random_layer(1, "CONV_2D")
    plan = compiled(layer.tflite, EMULATED[board]).data
    sample = [layer.inputs[0][None]]
    with emulated_line(board) as line:
        older, newer = (
            FirmwareSession(line, board, EMULATED_PATIENCE_S, epoch) for epoch in (11, 12)
        )
        for host in (older, newer):
            host.hello()
            host.store(plan)
            host.load(facts_of(plan))
            host.infer(sample)
        for late in (older.profile, lambda: older.infer(sample), lambda: older.time(0, 1)):
            with pytest.raises(AgentRefusal, match="lease is over: a newer one has the board"):
                late()
        assert older.hello() == newer.hello()  # who asks only who is there disturbs nobody
        with pytest.raises(AgentRefusal, match="lease is over"):
            older.store(plan + bytes(32))
        np.testing.assert_array_equal(
            newer.infer(sample)[0].ravel(), layer.outputs().reshape(len(layer.inputs), -1)[0]
        )


@pytest.mark.parametrize("epoch", [0, -3, 1 << 32])
def test_an_epoch_that_firmware_cannot_count_to_is_refused(epoch):
    with pytest.raises(DeviceError, match="desk: firmware counts leases from 1 to 4,294,967,295"):
        FirmwareSession(Scripted(), "desk", epoch=epoch)
