"""The conversation with firmware on an emulated board, over a good line and over bad ones."""

import numpy as np
import pytest
from int8_layers import random_layer
from microcontroller import Damaging, session

from edgeprune.errors import AgentRefusal, DeviceError
from edgeprune.firmware.facts import facts_of, kernel_of
from edgeprune.firmware.plan import compiled

pytestmark = pytest.mark.device


def layer_and_plan(seed, op="CONV_2D"):
    layer = random_layer(seed, op)
    return layer, compiled(layer.tflite, "dsp").data


def outputs(talk, layer):
    found = [talk.infer([values[None]])[0].ravel() for values in layer.inputs]
    return np.concatenate(found)


def test_a_pushed_plan_gives_the_outputs_of_the_reference():
    layer, plan = layer_and_plan(1)
    told = []
    with session() as talk:
        assert talk.hello().plan_crc32 is None
        talk.store(plan, lambda done, all_: told.append((done, all_)))
        assert talk.load(facts_of(plan)) == facts_of(plan).arena_bytes
        np.testing.assert_array_equal(outputs(talk, layer), layer.outputs())
    assert told[-1] == (len(plan), len(plan))


def test_a_plan_that_is_there_is_not_sent_again():
    _, plan = layer_and_plan(2)
    told = []
    with session() as talk:
        talk.store(plan)
        talk.store(plan, lambda done, all_: told.append(done))
        assert not told
        _, other = layer_and_plan(3)
        talk.store(other, lambda done, all_: told.append(done))
        assert told[-1] == len(other)
        talk.load(facts_of(other))


def test_a_profile_names_the_kernel_of_each_operation_and_times_are_as_many_as_asked_for():
    _, plan = layer_and_plan(4)
    with session() as talk:
        talk.store(plan)
        talk.load(facts_of(plan))
        (op,) = talk.profile()
        kernel = kernel_of(op.kind, op.pattern, op.isa)
        assert kernel.name.startswith("ep_s8_conv_2d_dense__") and not kernel.is_sparse
        assert len(talk.time(1, 3)) == 3


def test_instructions_are_the_same_each_time_and_are_counted_apart_for_each_kernel():
    layer, plan = layer_and_plan(5)
    with session() as talk:
        talk.store(plan)
        talk.load(facts_of(plan))
        for _ in range(2):
            talk.infer([layer.inputs[0][None]])
        first, second = talk.counts()
    assert first == second
    whole, kernel = first
    assert 0.5 * whole < kernel < whole


def test_a_damaged_answer_costs_a_question_more_and_nothing_else():
    layer, plan = layer_and_plan(6)
    lines = []

    def noisy(line):
        lines.append(Damaging(line, read_share=0.05))
        return lines[0]

    with session(noisy) as talk:
        talk.store(plan)
        talk.load(facts_of(plan))
        np.testing.assert_array_equal(outputs(talk, layer), layer.outputs())
        for _ in range(20):
            talk.infer([layer.inputs[0][None]])
    assert lines[0].damaged


def test_a_damaged_question_is_asked_again_once_the_firmware_has_dropped_it():
    layer, plan = layer_and_plan(7)
    # The greeting, and a piece of the plan: the beginning of an upload is waited for a minute.
    with session(lambda line: Damaging(line, written=(0, 4)), patience_s=5.0) as talk:
        talk.store(plan)
        talk.load(facts_of(plan))
        np.testing.assert_array_equal(outputs(talk, layer), layer.outputs())


def test_a_sample_of_another_size_is_not_sent():
    _, plan = layer_and_plan(8)
    with session() as talk:
        talk.store(plan)
        talk.load(facts_of(plan))
        with pytest.raises(DeviceError, match="an input is int8"):
            talk.infer([np.zeros(3, np.int8)])


def test_a_plan_that_the_firmware_refuses_leaves_the_one_before_in_use():
    layer, plan = layer_and_plan(9)
    broken = bytearray(plan)
    broken[100] ^= 1
    with session() as talk:
        talk.store(plan)
        with pytest.raises(AgentRefusal):
            talk.store(bytes(broken))
        talk.load(facts_of(plan))
        np.testing.assert_array_equal(outputs(talk, layer), layer.outputs())
