"""The layer that loses most is named, and the fewest layers in float keep a limit."""

import numpy as np
import pytest
from full_range import also
from spread_net import agreement, samples, spread_net

from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.quantize import quantize
from edgeprune.quantize.fragile import fragile_layers, keep_fragile
from edgeprune.quantize.full_integer import Calibrated
from edgeprune.quantize.own_error import own_errors


def evenly(seed=0):
    """What int8 loses of the same network where all channels have like ranges, and 2 points."""
    tflite, _ = spread_net(seed, powers=0)
    return 1.02 - agreement(tflite)(quantize(tflite, "int8", samples()).tflite)


@pytest.mark.parametrize("seed", [0, also(1), also(2)])
def test_the_fragile_layer_is_named_and_int8_with_it_in_float_loses_no_more_than_without(seed):
    tflite, (wide, narrow) = spread_net(seed)
    score, limit = agreement(tflite), evenly(seed)
    kept = keep_fragile(tflite, samples(), score, limit)
    assert kept.float_score == 1 and kept.plain_score < 0.6
    assert kept.is_kept and kept.score >= 1 - limit
    assert kept.fragile[0].layer == wide and kept.fragile[0].lost > 0.15
    assert {wide, narrow} == {entry.layer for entry in kept.entries}
    again = quantize(tflite, "int8", samples(), layers=kept.entries).tflite
    assert score(again) == kept.score


def test_without_a_scorer_layers_are_ordered_by_their_own_errors():
    tflite, (wide, narrow) = spread_net()
    found = fragile_layers(tflite, samples())
    assert found[0].layer == wide and found[0].score is None
    assert [one.lost for one in found] == sorted((one.lost for one in found), reverse=True)
    assert [entry.layer for entry in found[0].entries] == [wide, narrow]


def test_scored_layers_come_first_the_best_one_in_front():
    tflite, (wide, _) = spread_net()
    calls = []
    score = agreement(tflite, 100)
    found = fragile_layers(
        tflite, samples(), lambda file: calls.append(file) or score(file), scorings=3
    )
    assert len(calls) == 3
    assert found[0].layer == wide
    assert [one.score is None for one in found[:4]] == [False, False, False, True]
    assert found[0].score > max(one.score for one in found[1:3])


def test_a_network_without_a_fragile_layer_needs_none():
    tflite, _ = spread_net(powers=0)
    kept = keep_fragile(tflite, samples(), agreement(tflite), 0.3)
    assert kept.is_kept and not kept.entries and kept.scorings == 2
    assert "without any layer in float" in kept.why


def test_scorings_are_bounded_and_a_limit_that_nothing_keeps_is_said():
    tflite, _ = spread_net()
    calls = []

    def worse(file):
        calls.append(file)
        return -float(len(calls) > 1)  # whatever is not the float file is bad

    kept = keep_fragile(tflite, samples(), worse, 0.5, scorings=7)
    assert len(calls) == kept.scorings <= 7
    assert not kept.is_kept and not kept.entries
    assert "no choice of some layers in float keeps to the limit" in kept.why


def test_layers_that_are_not_needed_are_taken_back():
    """Only both of two layers together help, and nothing else is kept."""
    tflite, _ = spread_net(powers=0)
    worst = fragile_layers(tflite, samples())
    needed = {worst[0].layer, worst[2].layer}

    def score(file):
        model = graph.view(file)
        floats = {
            graph.tensor_name(model.subgraphs[0].tensors[int(op.outputs[0])])
            for op in model.subgraphs[0].operators
            if graph.dtype_of(model.subgraphs[0].tensors[int(op.outputs[0])]) == np.float32
        }
        return float(needed <= floats)

    kept = keep_fragile(tflite, samples(), score, 0.5, scorings=40)
    assert kept.is_kept
    assert {entry.layer for entry in kept.entries} == needed


def test_16_bits_are_taken_where_they_are_asked_for_and_enough():
    tflite, (wide, narrow) = spread_net()
    kept = keep_fragile(tflite, samples(), agreement(tflite), evenly(), narrower=["int16x8"])
    assert {(one.layer, one.mode) for one in kept.entries} == {
        (wide, "int16x8"),
        (narrow, "int16x8"),
    }


def test_a_layer_answers_for_its_own_error_alone():
    """Behind the fragile value nothing is lost any more, though its inputs would be wrong."""
    tflite, (wide, _) = spread_net()
    calibrated = Calibrated(graph.read(tflite), samples())
    errors = own_errors(calibrated.model, calibrated.quantized("int8"), samples())
    by_layer = {one.layer: one for one in errors}
    assert by_layer[wide].lost > 0.2 and by_layer[wide].weights_lost < 0.01
    others = [one.lost for one in errors if one.layer != wide]
    assert max(others) < by_layer[wide].lost / 2


def test_a_file_on_integers_is_refused():
    tflite, _ = spread_net()
    file = quantize(tflite, "int8", samples()).tflite
    with pytest.raises(ModelError, match=r"cannot be quantized to int8: weights of .* are already"):
        fragile_layers(file, samples())
