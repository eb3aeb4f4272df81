import odd_nets

from edgeprune.models.tflite import graph
from edgeprune.models.tflite.loop_turns import MAX_TURNS, turns


def turns_of(tflite):
    model = graph.read(tflite)
    (op,) = [op for op in model.subgraphs[0].operators if graph.op_name(model, op) == "WHILE"]
    return turns(model, model.subgraphs[0], op)


def test_a_counter_says_how_often_a_body_runs():
    assert [turns_of(odd_nets.loop(n)) for n in (0, 1, 10, 64)] == [0, 1, 10, 64]


def test_turns_that_depend_on_the_data_or_never_end_are_not_known():
    assert turns_of(odd_nets.loop(counts_on_data=True)) is None
    assert turns_of(odd_nets.loop(MAX_TURNS - 1)) == MAX_TURNS - 1
    assert turns_of(odd_nets.loop(MAX_TURNS)) is None
