import pytest
from microcontroller import Scripted

from edgeprune.agents.firmware.talk import TRIES, Talk
from edgeprune.agents.wire import Frame, pack
from edgeprune.errors import AgentRefusal, BadFrame, DeviceError, DeviceTimeout

DAMAGED = pack(Frame({"id": 1, "ok": True}))[:-1] + b"!"


def talk(*answers):
    line = Scripted(*answers)
    return Talk(line, "desk-m4", 1.0), line


def test_an_answer_is_taken_without_its_id():
    ours, _ = talk(({"id": 1, "ok": True, "at": 3}, b"xy"))
    answer, blob = ours.ask("store", blob_bytes=2)
    assert (answer.integer("at", 0, 9), blob) == (3, b"xy")
    answer.end()


def test_text_before_a_frame_is_skipped():
    ours, _ = talk(b"m-init-done\r\nm-ready\r\n", {"id": 1, "ok": True})
    ours.ask("hello")[0].end()


def test_an_answer_to_a_question_that_was_given_up_is_passed_over():
    ours, line = talk(DAMAGED, {"id": 1, "ok": True, "late": 1}, {"id": 2, "ok": True})
    ours.ask_again("hello")[0].end()
    assert b'"id":2' in line.asked[1]


@pytest.mark.parametrize("number", [2, "1", None, True, 1.0])
def test_an_answer_to_a_question_that_was_not_asked_is_refused(number):
    ours, _ = talk({"id": number, "ok": True})
    with pytest.raises(DeviceError, match=r"desk-m4: hello: the device's answer is wrong: id is"):
        ours.ask("hello")


def test_a_refusal_is_said_in_the_firmwares_words_and_not_asked_again():
    ours, line = talk({"id": 1, "ok": False, "error": "there is no plan"})
    with pytest.raises(AgentRefusal, match="there is no plan"):
        ours.ask_again("load")
    assert len(line.asked) == 1


def test_a_damaged_answer_is_asked_for_again_with_a_new_id():
    ours, line = talk(DAMAGED, {"id": 2, "ok": True})
    ours.ask_again("hello")[0].end()
    assert [b'"id":1' in line.asked[0], b'"id":2' in line.asked[1]] == [True, True]


def test_nobody_asks_for_ever():
    ours, line = talk()
    with pytest.raises(DeviceTimeout, match="desk-m4: hello: no answer within 1"):
        ours.ask_again("hello")
    assert len(line.asked) == TRIES


def test_more_data_than_was_asked_for_is_refused_by_its_header():
    ours, _ = talk(({"id": 1, "ok": True}, bytes(100)))
    with pytest.raises(BadFrame, match=r"desk-m4: output: a frame of .* is too long"):
        ours.ask("output", blob_bytes=99)


class Watched(Scripted):
    """Remembers how long each read would have waited."""

    waits = ()

    def read(self, size, timeout_s):
        self.waits = (*self.waits, timeout_s)
        return super().read(size, timeout_s)


def test_a_damaged_length_is_given_up_long_before_the_patience_ends():
    whole = pack(Frame({"id": 1, "ok": True}))
    line = Watched(whole[:4] + bytes([whole[4] + 64]) + whole[5:])
    with pytest.raises(BadFrame, match="hello: a frame broke off in its middle"):
        Talk(line, "desk-m4", 1000.0).ask("hello")
    assert line.waits[0] > 900 and max(line.waits[1:]) <= 201
