"""The search on random graphs, against a plain look at every operator."""

import math

import nets
from full_range import examples
from hypothesis import given, settings
from hypothesis import strategies as st

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
