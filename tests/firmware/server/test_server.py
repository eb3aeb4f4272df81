"""The firmware on an emulated board does what PROTOCOL.md says."""

import zlib

import numpy as np
import pytest
import serial_line
from full_range import also
from int8_layers import random_layer

from edgeprune.firmware.build import ports
from edgeprune.firmware.plan import compiled

EMULATED = {"mps2-an386": "dsp", "mps3-an547": "mve"}
pytestmark = pytest.mark.device


@pytest.fixture(scope="module", params=["mps2-an386", also("mps3-an547")])
def board(request):
    return request.param


@pytest.fixture
def line(board):
    with serial_line.emulated(board) as line:
        yield line


def layer_and_plan(board, seed, op="CONV_2D"):
    layer = random_layer(seed, op)
    return layer, compiled(layer.tflite, EMULATED[board]).data


def test_every_emulated_board_has_a_port():
    assert set(EMULATED) <= set(ports())


@pytest.mark.parametrize("board", EMULATED, indirect=True)
def test_a_stored_network_gives_the_outputs_of_the_reference(board, line):
    layer, plan = layer_and_plan(board, 1)
    assert line.ask("hello")[0]["slot"] == -1
    assert line.store(plan) == {"slot": 0, "sequence": 1}
    loaded = line.load()
    assert loaded["inputs"][0]["bytes"] == layer.inputs[0].size
    got = b"".join(line.outputs_of(one.tobytes()) for one in layer.inputs)
    np.testing.assert_array_equal(np.frombuffer(got, np.int8), layer.outputs().ravel())
    hello = line.ask("hello")[0]
    assert hello["plan_crc32"] == zlib.crc32(plan)
    assert (hello["slot"], hello["plan_bytes"], hello["fell_back"]) == (0, len(plan), False)


def test_time_and_profile_count_ticks(board, line):
    _, plan = layer_and_plan(board, 2)
    line.store(plan)
    line.load()
    answer, blob = line.ask("time", warmup=1, runs=5)
    assert np.frombuffer(blob, "<u4").sum() == answer["total_ticks"]
    records = np.frombuffer(line.ask("profile")[1], "<u4,u1,u1,u1,u1,<u4")
    assert [record[1] for record in records] == [1]


def test_a_plan_stays_over_a_new_start(board, line):
    _, plan = layer_and_plan(board, 3)
    line.store(plan)
    line.restart()
    assert line.ask("hello")[0]["plan_crc32"] == zlib.crc32(plan)
    line.load()
    line.ask("infer")


def test_a_plan_that_is_not_what_was_announced_is_not_used(board, line):
    _, plan = layer_and_plan(board, 4)
    line.store(plan)
    other = plan[:-1] + bytes([plan[-1] ^ 1])
    line.ask("store_begin", bytes=len(other), crc32=zlib.crc32(other) ^ 1)
    for at in range(0, len(other), 4096):
        line.ask("store", other[at : at + 4096], at=at)
    with pytest.raises(serial_line.Refused, match="differs from what was announced"):
        line.ask("store_end")
    assert line.ask("hello")[0]["plan_crc32"] == zlib.crc32(plan)


def test_an_upload_goes_on_where_a_pulled_cable_left_it(board, line):
    _, plan = layer_and_plan(board, 5)
    plan += bytes(range(1, 256)) * 64  # what stands behind a plan is stored with it
    begin = {"bytes": len(plan), "crc32": zlib.crc32(plan)}
    assert line.ask("store_begin", **begin)[0]["at"] == 0
    line.ask("store", plan[:4096], at=0)
    line.ask("store", plan[4096:8192], at=4096)
    line.send(b"EPF2\x10\0\0\0\0\x10\0\0crc_half a frame")
    at = line.ask_until_answered("store_begin", **begin)["at"]
    assert at == 4096  # the page before the end is written again: its last unit may be torn
    while at < len(plan):
        at = line.ask("store", plan[at : at + 4096], at=at)[0]["at"]
    assert line.ask("store_end")[0] == {"slot": 0, "sequence": 1}


def test_a_piece_whose_answer_was_lost_may_come_again(line):
    plan = bytes(8192)
    line.ask("store_begin", bytes=len(plan), crc32=zlib.crc32(plan))
    for at in (0, 0, 4096, 4096):
        assert line.ask("store", plan[at : at + 4096], at=at)[0]["at"] == at + 4096
    with pytest.raises(serial_line.Refused, match="these bytes are no plan"):
        line.ask("store_end")


def test_a_newer_lease_ends_what_an_older_one_had_and_refuses_its_requests(board, line):
    layer, plan = layer_and_plan(board, 6)
    line.lease = {"epoch": 7}
    line.store(plan)
    line.load()
    line.lease = {"epoch": 1 << 31}
    with pytest.raises(serial_line.Refused, match="send load first"):
        line.ask("infer")
    line.load()
    expected = line.outputs_of(layer.inputs[0].tobytes())
    for command in ("load", "infer", "store_end", "reset"):
        with pytest.raises(serial_line.Refused, match="lease is over: a newer one has the board"):
            line.ask(command, epoch=(1 << 31) - 1)
    assert line.outputs_of(layer.inputs[0].tobytes()) == expected
    line.lease = {}  # a person's
    line.ask("infer")


def test_a_new_start_forgets_the_lease_with_what_was_loaded(board, line):
    _, plan = layer_and_plan(board, 7)
    line.store(plan)
    line.ask("load", epoch=8)
    line.restart()
    with pytest.raises(serial_line.Refused, match="send load first"):
        line.ask("infer", epoch=7)
    line.ask("load", epoch=8)
    with pytest.raises(serial_line.Refused, match="lease is over"):
        line.ask("infer", epoch=7)


def test_a_long_time_is_ended_by_the_next_request(board, line):
    _, plan = layer_and_plan(board, 8)
    line.store(plan)
    line.load()
    line.send_frame({"id": 900, "cmd": "time", "warmup": 1024, "runs": 1024})
    line.send(b"\r\n\0\xff")  # ends of lines and noise end nothing
    line.send_frame({"id": 901, "cmd": "hello"})
    stopped = line.read_frame()[0]
    assert stopped == {"id": 900, "ok": False, "error": "stopped by another request"}
    assert line.read_frame()[0]["id"] == 901


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"cmd": "fly"}, "no such cmd"),
        ({"cmd": "infer"}, "send load first"),
        ({"cmd": "load"}, "there is no plan"),
        ({"cmd": "store", "at": 0}, "send store_begin"),
        ({"cmd": "store_end"}, "store_begin first"),
        ({"cmd": "store_begin", "bytes": 0, "crc32": 0}, "larger than a slot"),
        ({"cmd": "store_begin", "bytes": 1 << 40, "crc32": 0}, "no integer of 32 bits"),
        ({"cmd": "store_begin", "bytes": 1}, "is missing"),
        ({"cmd": "hello", "extra": 1}, "does not know"),
        ({"cmd": "hello", "extra": 1, "epoch": 1}, "does not know"),
        ({"cmd": "hello", "epoch": 0}, "epoch of a lease is an integer of 32 bits, and not 0"),
        ({"cmd": "hello", "epoch": 1 << 32}, "epoch of a lease"),
        ({"cmd": "hello", "epoch": "1"}, "epoch of a lease"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_plain_line(shared_line, request_, why):
    with pytest.raises(serial_line.Refused, match=why):
        shared_line.ask(**request_)


@pytest.fixture(scope="module")
def shared_line(board):
    with serial_line.emulated(board) as line:
        yield line


def test_a_damaged_frame_is_dropped_and_the_next_one_answered(shared_line):
    shared_line.send(b'EPF2\x05\0\0\0\0\0\0\0abcd{"id"')
    assert shared_line.ask("hello")[0]["protocol"] == 2
