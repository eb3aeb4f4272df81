"""Which networks are made in full, and which one is recommended."""

import math

import msgspec
import pytest
from searching.test_schema import POINT

from edgeprune.auto.candidates import Candidate, Judged
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Move, Node
from edgeprune.searching.choices import MAX_POINTS, choices, further
from edgeprune.searching.front import Figures
from edgeprune.searching.points import recommended

DENSE = Cost(100.0, 1000)
GOAL = Goal(0.01)
LATENCY = Figures(bytes=1000, instructions=1000)


def candidate(macs, lost, kernels="", error=0.0):
    node = Node().after(Move("channels", macs, 1))
    if kernels:
        node = node.after(Move("prune", 0.9, 1, kernels, "kernel"))
    return Candidate(node, "none", lost, error, {"board": Cost(100 * macs, int(1000 * macs))})


def judged(*candidates):
    return Judged(GOAL, {"board": DENSE}, list(candidates))


def macs_of(rows):
    return [one.node.shape.macs for one in rows]


def test_the_cheapest_that_keep_the_limit_are_made_and_the_front_beside_them():
    rows = [candidate(0.9 - 0.08 * k, 0.003 * k) for k in range(10)]
    chosen = choices(judged(*rows), "board", "core")
    assert len(chosen) == MAX_POINTS - 1
    assert macs_of(chosen)[-1] == pytest.approx(0.9)
    holding = [one for one in rows if one.holds(0.01)]
    assert holding[-1] in chosen and holding[-2] in chosen
    assert max(one.lost for one in chosen) <= 0.03


def test_zeros_for_another_core_are_not_made():
    ours, others = candidate(0.5, 0.0, "a72"), candidate(0.4, 0.0, "a76")
    assert choices(judged(ours, others), "board", "a72") == [ours]


def test_what_saves_nothing_is_not_made():
    assert choices(judged(candidate(1.0, -0.01)), "board", "core") == []


def test_further_ones_are_those_that_keep_the_limit_and_were_not_made():
    rows = [candidate(0.9 - 0.1 * k, 0.0001 * k) for k in range(5)]
    made = rows[3:]
    assert further(judged(*rows), "board", "core", made) == [rows[2], rows[1], rows[0]]


def point(name, **changes):
    figures = Figures(bytes=changes.pop("bytes", 500), instructions=changes.pop("time", 500))
    return msgspec.structs.replace(
        POINT, name=name, figures=figures, **({"speedup": 2.0} | changes)
    )


def test_the_cheapest_is_taken():
    slow, fast = point("slow", speedup=1.5), point("fast", speedup=3.0)
    assert recommended(GOAL, [slow, fast], LATENCY) is fast


def test_one_that_breaks_the_limit_or_is_slower_is_never_taken():
    dense = point("dense", speedup=1.0, bytes=1000)
    wrong = point("wrong", speedup=9.0, keeps_limit=False)
    slower = point("slower", speedup=0.9, is_slower=True, bytes=1)
    assert recommended(GOAL, [dense, wrong, slower], LATENCY) is dense
    assert recommended(GOAL, [wrong, slower], LATENCY) is None


def test_what_was_measured_goes_before_what_was_predicted():
    predicted = point("predicted", speedup=9.0, is_measured=False)
    measured = point("measured", speedup=1.2)
    assert recommended(GOAL, [predicted, measured], LATENCY) is measured
    assert recommended(GOAL, [predicted], LATENCY) is predicted


def test_what_is_minimized_decides():
    small = point("small", speedup=1.1, bytes=100)
    fast = point("fast", speedup=4.0, bytes=900)
    assert recommended(Goal(0.01, ("size",)), [small, fast], LATENCY) is small
    assert recommended(Goal(0.01, ("latency",)), [small, fast], LATENCY) is fast
    both = Goal(0.01, ("latency", "size"))
    assert math.log(10) + math.log(1.1) > math.log(4) + math.log(1 / 0.9)
    assert recommended(both, [small, fast], LATENCY) is small


def test_of_equals_the_smaller_file_is_taken():
    big, small = point("big", bytes=900), point("small", bytes=300)
    assert recommended(GOAL, [big, small], LATENCY) is small
