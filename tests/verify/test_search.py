"""The search on random graphs, against a plain look at every operator."""

import math

import nets
import pytest
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.verify.search import first_wrong


@st.composite
def graphs(draw):
    """A random graph of sums; the model, its values, what each reads, and what is broken there."""
    count = draw(st.integers(1, 25))
    net = nets.Net()
    values = [net.input(1, 4)]
    reads = {}
    for k in range(count):
        index = st.integers(max(0, k - 5), k)
        pair = (values[draw(index)], values[draw(index)])
        values.append(net.add(*pair))
        reads[values[-1]] = pair
    made = values[1:]
    broken = draw(st.sets(st.sampled_from(made), max_size=3))
    dumb = draw(st.sets(st.sampled_from(made), max_size=6))
    model = graph.read(net.build(made[-1]))
    return model, made, reads, broken, dumb


def wrong_values(made, reads, broken):
    wrong = set()
    for value in made:
        if value in broken or wrong & set(reads[value]):
            wrong.add(value)
    return wrong


@settings(max_examples=examples(75, 300))
@given(graphs())
def test_the_first_wrong_operator_is_found_or_named_among_the_suspects(drawn):
    model, made, reads, broken, dumb = drawn
    wrong = wrong_values(made, reads, broken | {made[-1]})
    asked = []

    def judge(value):
        asked.append(value)
        return None if value in dumb else value in wrong

    found = first_wrong(model, made[-1], judge, lambda: True)
    assert found.wrong in wrong
    assert len(asked) == len(set(asked))
    assert set(found.suspects) <= dumb
    for value in reads[found.wrong]:
        assert value not in wrong or value in found.suspects


def chain(length):
    net = nets.Net()
    values = [net.input(1, 4)]
    for _ in range(length):
        values.append(net.relu(values[-1]))
    return graph.read(net.build(values[-1])), values[1:]


def test_a_chain_takes_the_logarithm_of_its_length():
    model, values = chain(1000)
    for broken in (0, 1, 333, 998, 999):
        asked = []

        def judge(value, broken=broken, asked=asked):
            asked.append(value)
            return values.index(value) >= broken

        found = first_wrong(model, values[-1], judge, lambda: True)
        assert (found.wrong, found.suspects) == (values[broken], ())
        assert len(asked) <= math.ceil(math.log2(1000))


def test_a_search_that_is_stopped_names_all_that_is_left():
    model, values = chain(8)
    found = first_wrong(model, values[-1], lambda value: True, lambda: False)
    assert (found.wrong, found.suspects) == (values[-1], tuple(values[:-1]))


def asked_of(length, broken, unknown=(), stop_after=99):
    """Places of a chain in the order in which they are judged, and what is found."""
    model, values = chain(length)
    asked = []

    def judge(value):
        place = values.index(value)
        asked.append(place)
        return None if place in unknown else place >= broken

    found = first_wrong(model, values[-1], judge, lambda: len(asked) < stop_after)
    return asked, values.index(found.wrong), [values.index(value) for value in found.suspects]


def test_the_value_in_the_middle_of_what_may_be_wrong_is_judged_next():
    assert asked_of(8, 4) == ([3, 5, 4], 4, [])
    assert asked_of(8, 0) == ([3, 1, 0], 0, [])
    assert asked_of(8, 7) == ([3, 5, 6], 7, [])
    assert asked_of(9, 8) == ([3, 5, 6, 7], 8, [])  # of two in the middle the first
    assert asked_of(1, 0) == ([], 0, [])


def test_a_value_that_cannot_be_judged_is_asked_for_once_and_stays_a_suspect():
    assert asked_of(8, 4, unknown={3}) == ([3, 2, 4], 4, [3])
    assert asked_of(4, 1, unknown={0, 1, 2}) == ([1, 0, 2], 3, [0, 1, 2])


def test_a_search_is_stopped_before_the_next_judgement():
    assert asked_of(8, 0, stop_after=1) == ([3], 3, [0, 1, 2])
    assert asked_of(8, 8, stop_after=2) == ([3, 5], 7, [6])


def test_both_ways_into_a_sum_are_searched():
    net = nets.Net()
    x = net.input(1, 4)
    left, right = net.relu(x), net.relu(x)
    behind = {left: net.relu(left), right: net.relu(right)}
    total = net.add(*behind.values())
    model = graph.read(net.build(total))
    for broken in (left, right):
        wrong = {broken, behind[broken], total}
        found = first_wrong(model, total, wrong.__contains__, lambda: True)
        assert (found.wrong, found.suspects) == (broken, ())


def test_a_value_that_no_layer_computes_is_refused():
    model, _ = chain(3)
    with pytest.raises(ModelError, match="computed by no layer"):
        first_wrong(model, 0, lambda value: True, lambda: True)
