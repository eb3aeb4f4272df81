"""What the plug-in counted between readings of the clock, whole and damaged."""

import pytest

from edgeprune.artifacts.core_work import CoreWork, Misses
from edgeprune.errors import DeviceError
from edgeprune.measure.intervals import Interval, read_intervals

ADD, RETURN = bytes.fromhex("0000018b"), bytes.fromhex("c0035fd6")
WHOLE = (
    "interval 7 3 1 2 1 0 1\nblock 4 2\nblock 5 1\nblock 6 1\ninterval 1 0 0 0 0 0 0\nblock 5 1\n"
    "code 4 0000018bc0035fd6\ncode 5 c0035fd6\ncode 6 0000018bc0035fd6\nend\n"
)


def test_intervals_are_read_and_blocks_of_one_code_are_one(tmp_path):
    (tmp_path / "counts").write_text(WHOLE)
    first, second = read_intervals(tmp_path / "counts", 2)
    both = CoreWork(7, 3, {ADD + RETURN: 3, RETURN: 1}, (Misses(2, 1), Misses(0, 1)))
    assert first == Interval(both, 1)
    assert second == Interval(CoreWork(1, 0, {RETURN: 1}, (Misses(0, 0), Misses(0, 0))), 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("end\n", ""),
        ("block 5 1\n", ""),
        ("code 4", "code 9"),
        ("interval 7", "interval 8"),
        ("interval 7 3", "interval 7 -3"),
        ("c0035fd6\nend", "c0035f\nend"),
        (" 2 1 0 1", " 2 1"),
        ("block 4 2", "block 4 2 2"),
        ("block 4 2", "block 4 9999999999999999999"),
        (WHOLE, ""),
        (WHOLE, "\xff"),
    ],
)
def test_counts_that_are_not_whole_are_refused(tmp_path, old, new):
    assert old in WHOLE
    (tmp_path / "counts").write_text(WHOLE.replace(old, new), encoding="latin-1")
    with pytest.raises(DeviceError, match="no counts of what the core did: `edgeprune doctor`"):
        read_intervals(tmp_path / "counts", 2)


def test_missing_counts_are_refused(tmp_path):
    with pytest.raises(DeviceError, match="no counts of what the core did"):
        read_intervals(tmp_path / "counts", 2)
