"""What all meters that read files on the device have in common."""

import dataclasses

import numpy as np
import pytest

from edgeprune.errors import DeviceError
from edgeprune.meters.base import FileMeter, Plan, Row, Site

PLAN = Plan("rails", ("rails",), lambda numbers: numbers.sum(axis=1))


class Rails(FileMeter):
    """A meter whose one file holds a number a rail."""

    def plan(self):
        def parse(texts):
            return [float(word) for word in texts[0].split()]

        return dataclasses.replace(PLAN, parse=parse)


class Told:
    """Brings back the texts that it was given."""

    def __init__(self, texts):
        self.texts = texts

    def start(self, files, command, period_s):
        pass

    def stop(self):
        return [Row(0.1 * number, (text,)) for number, text in enumerate(self.texts)]


def record(*texts):
    meter = Rails(Site(None, Told(texts), None))
    meter.open()
    meter.start()
    return meter.stop()


def test_the_rails_of_each_sample_are_converted_together():
    assert record("1 2", "3 4").power_w.tolist() == [3, 7]


@pytest.mark.parametrize(
    "texts", [("1 2", "1"), ("1", "1 2"), ("1 2", "1 2", "1 2 3"), ("1 2", None, "1"), ("", "1")]
)
def test_rails_that_come_or_go_end_the_record(texts):
    """Their sum would be that of other rails from there on."""
    with pytest.raises(DeviceError, match="rails came or went while it was read"):
        record(*texts)


def test_a_sample_that_cannot_be_read_is_a_gap():
    trace = record("1 2", None, "x 2", "3 4")
    assert np.allclose(trace.time_s, [0.0, 0.3]) and trace.power_w.tolist() == [3, 7]


def test_a_record_without_a_sample_is_an_error():
    with pytest.raises(DeviceError, match="none of 2 samples could be read"):
        record(None, "x")
