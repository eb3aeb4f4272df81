"""What a search decides, on networks that are formulas."""

import dataclasses
import math

import numpy as np
import pytest
from auto.simulated import BOTH, DENSE, SimulatedLab, searched
from full_range import also, examples

from edgeprune.auto.candidates import (
    Candidate,
    Judged,
    SecondLook,
    hypervolume,
    losses_around,
)
from edgeprune.auto.engine import Clock, Notebook, Search
from edgeprune.auto.goal import Cost, Goal
from edgeprune.auto.moves import Move, Node, Shape
from edgeprune.auto.options import Options
from edgeprune.auto.study import Journal, Study, read_journal
from edgeprune.errors import ConfigError

GOAL = Goal(0.01, losses=losses_around(0.01))


def _search(lab, budget_s, notebook=None, goal=GOAL, options=BOTH, dense=DENSE):
    clock = Clock(budget_s, lab.now_s, 0.0)
    notebook = notebook or Notebook(lambda candidate: None)
    return Search(lab, goal, options, {"board": dense}, clock, notebook).run()


def _area(lab, outcome):
    points = [
        (lab.true_loss(one.node, one.mode), outcome.judged.saving(one, "board"))
        for one in outcome.judged.candidates
    ]
    return hypervolume(points, loss=0.03)


def _random(lab, budget_s, seed):
    """The same laboratory, whose networks are drawn and each trained from the user's model."""
    draw = np.random.default_rng(seed)
    judged = Judged(GOAL, {"board": DENSE}, [])
    for mode in ("none", "int8"):
        judged.candidates.append(lab.judge(Node(), mode))
    while lab.clock_s < budget_s:
        node = Node()
        macs, sparsity = draw.uniform(0.1, 1), draw.choice([0.0, draw.uniform(0.3, 0.95)])
        node = node.after(Move("channels", round(float(macs), 3), 8))
        lab.train(node)
        if sparsity:
            node = node.after(Move("prune", round(float(sparsity), 3), 8, "core", "kernel"))
            lab.train(node)
        for mode in ("none", "int8"):
            judged.candidates.append(lab.judge(node, mode))
    return judged


@pytest.mark.parametrize("seed", [k if k < 6 else also(k) for k in range(20)])
def test_what_it_recommends_keeps_the_limit_and_is_never_slower_than_dense(seed):
    lab = SimulatedLab(seed=seed, samples=4000)
    best = searched(lab, 600).judged.holders("board", 0.01)
    for one in best[:1]:
        assert lab.true_loss(one.node, one.mode) < 0.01 + 0.008  # two standard errors of 4,000
        assert one.costs["board"].time < DENSE.time


def test_channels_are_found_where_sparse_kernels_bring_nothing():
    lab = SimulatedLab(seed=5, sparse_cost=1.5, int8_cost=3.0)
    best = searched(lab, 600).judged.holders("board", 0.01)[0]
    assert best.node.shape.macs < 0.6
    assert not best.node.shape.sparsity


def test_without_int8_and_without_a_first_tuning_the_model_itself_is_where_all_begins():
    options = dataclasses.replace(BOTH, modes={"board": ("none",)}, tune_epochs=0)
    lab = SimulatedLab(seed=5)
    best = searched(lab, 600, options=options).judged.holders("board", 0.01)[0]
    assert best.node.moves[0].kind in ("channels", "prune")


def test_int8_and_channels_are_combined_where_both_bring_something():
    lab = SimulatedLab(seed=6, int8_cost=0.3)
    best = searched(lab, 600).judged.holders("board", 0.01)[0]
    assert best.mode == "int8"
    assert best.node.shape.macs < 1


def test_what_loses_most_by_rounding_is_trained_with_it():
    lab = SimulatedLab(seed=2, int8_cost=0.3)
    lab.rounding = 0.02
    judged = searched(lab, 900).judged
    assert any(one.node.is_rounded for one in judged.candidates)
    assert judged.holders("board", 0.01)[0].mode == "int8"


def test_nothing_is_trained_twice_and_nothing_before_its_parent():
    lab = SimulatedLab(seed=3)
    searched(lab, 900)
    assert len(lab.trained) == len(set(lab.trained))  # parents: the laboratory itself looks


def test_it_ends_in_time():
    lab = SimulatedLab(seed=5)
    searched(lab, 300)
    assert lab.clock_s < 300 + 5  # the screening


class Refusing(SimulatedLab):
    """Whose reported samples see networks lose that have few multiply-accumulates."""

    def look_again(self, candidate):
        self.looks.append(candidate)
        is_small = candidate.node.shape.macs < 0.5 or candidate.node.shape.sparsity > 0.6
        return SecondLook(0.03 if is_small else 0.0, 0.5)


def refusing(seed):
    lab = Refusing(seed=seed, int8_cost=3.0)
    lab.looks = []
    return lab


@pytest.mark.parametrize("seed", [6, also(7), also(15)])
def test_where_the_reported_samples_refuse_a_network_a_larger_one_is_looked_for(seed):
    lab = refusing(seed)
    judged = searched(lab, 900).judged
    refused = [one for one in judged.candidates if one.second and not one.holds(0.01)]
    assert judged.refused == len(refused) >= 1
    best = judged.holders("board", 0.01)[0]
    assert best.node.shape.macs >= 0.5 and best.node.shape.sparsity <= 0.6
    assert best in judged.candidates[judged.candidates.index(refused[0]) :]


def test_only_what_would_be_taken_is_looked_at_twice():
    lab = refusing(5)
    judged = searched(lab, 900).judged
    seen = Judged(judged.goal, judged.dense)
    for one in judged.candidates[1:]:
        assert (one.second is not None) == seen.is_best(one, 0.01)
        seen.candidates.append(one)
    assert len(lab.looks) == sum(one.second is not None for one in judged.candidates)


def test_what_was_refused_stays_refused_in_the_journal(tmp_path):
    first = refusing(5)
    kept = _search(first, 900, _study(tmp_path / "journal"), Goal(0.01)).judged
    again = refusing(5)
    known = _search(again, 0, _study(tmp_path / "journal"), Goal(0.01)).judged
    assert kept.refused == known.refused >= 1
    assert not again.looks


def test_each_refusal_makes_the_next_look_stricter():
    one = Candidate(Node(), "none", 0.004, 0.03, {})
    allowed = [one.may_lose(0.01, 0.5, refused) for refused in (0, 1, 2)]
    assert allowed == sorted(allowed, reverse=True) and allowed[0] - allowed[1] > 0.005
    sure = dataclasses.replace(one, error=0.002)  # many samples are believed, however many looks
    assert sure.may_lose(0.01, 0.5, 0) == sure.may_lose(0.01, 0.5, 5) == 0.01


def test_looking_twice_finds_more_and_errs_no_more_with_few_samples():
    found = {}
    for reported in (0, 200):
        savings, wrong = [], 0
        for seed in range(30):
            lab = SimulatedLab(seed=seed, samples=200, reported=reported, int8_cost=1.5)
            judged = searched(lab, 600).judged
            second = dataclasses.replace(lab, reported=200)
            taken = [
                one
                for one in judged.holders("board", 0.01)[:5]
                if second.look_again(one).lost <= one.may_lose(0.01, 0.5)
            ]
            savings.append(judged.saving(taken[0], "board") if taken else 0.0)
            wrong += bool(taken) and lab.true_loss(taken[0].node, taken[0].mode) > 0.015
        found[reported] = (math.exp(np.mean(savings)), wrong)
    assert found[200][0] > 1.1 * found[0][0]
    assert found[200][1] <= found[0][1]


def test_a_training_that_fails_is_left_out_and_the_search_goes_on():
    lab = SimulatedLab(seed=6, breaks=0.3)
    outcome = searched(lab, 600)
    assert outcome.failed
    assert outcome.judged.holders("board", 0.01)


def test_a_budget_too_small_for_a_training_leaves_what_needs_none():
    outcome = searched(SimulatedLab(seed=6, seconds_each=500.0), 60)
    assert {one.node.epochs for one in outcome.judged.candidates} <= {0, BOTH.epochs}
    assert outcome.ended == "the time is over"


def test_without_training_zeros_are_halved_to_the_most_that_hold():
    options = dataclasses.replace(BOTH, epochs=0)
    lab = SimulatedLab(seed=6, at_once=0.01, samples=100_000)
    judged = searched(lab, 600, options=options).judged
    assert all(not one.node.epochs for one in judged.candidates)
    kept = [one.node.shape.sparsity for one in judged.holders("board", 0.01)]
    assert 0.3 <= max(kept) <= 0.75  # 0.01 * emptied**2 is a point at 63 %
    assert len(lab.trained) <= 4


def test_a_board_that_is_too_small_for_the_network_gets_what_fits_and_loses_least():
    class Small(SimulatedLab):
        def forecast(self, shape, mode, board):
            cost = super().forecast(shape, mode, board)
            return dataclasses.replace(cost, excess="" if shape.macs < 0.3 else "too large")

    lab = Small(seed=4)  # where that loses more than the limit
    lab.thinned, lab.base = 0.05, 0.0
    options = dataclasses.replace(BOTH, must_fit=["board"])
    judged = _search(lab, 600, options=options, dense=lab.forecast(Shape(), "none", "board")).judged
    assert judged.holders("board", 0.01) == []
    assert judged.closest("board").node.shape.macs == pytest.approx(0.27)


def test_half_the_time_is_worth_more_than_random_search_in_the_whole():
    shares = []
    for seed in range(examples(4, 10)):
        half, whole = SimulatedLab(seed=seed), SimulatedLab(seed=seed)
        area = _area(half, _search(half, 300))
        judged = _random(whole, 600, seed)
        points = [
            (whole.true_loss(one.node, one.mode), judged.saving(one, "board"))
            for one in judged.candidates
        ]
        shares.append(area / hypervolume(points, loss=0.03))
    assert np.mean(shares) > 1, shares


def _study(file, say=lambda candidate: None):
    return Study(Journal(file, "a", 1), BOTH, GOAL, {"board": DENSE}, say)


def test_a_search_in_small_portions_is_as_good_as_one_at_once(tmp_path):
    shares = []
    for seed in range(examples(1, 3)):
        whole, parts, portions = SimulatedLab(seed=seed), SimulatedLab(seed=seed), 0
        area = _area(whole, _search(whole, 900, _study(tmp_path / f"whole{seed}")))
        while True:
            notebook, clock = _study(tmp_path / f"parts{seed}"), Clock(900, parts.now_s, 0.0)
            outcome = Search(parts, GOAL, BOTH, {"board": DENSE}, clock, notebook, 10).run()
            portions += 1
            if outcome.is_over:
                break
        assert portions > 5
        assert len(parts.trained) == len(set(parts.trained))
        shares.append(_area(parts, outcome) / area)
    assert np.mean(shares) > 0.85, shares


def test_a_search_that_was_killed_goes_on_from_its_journal(tmp_path):
    file, told = tmp_path / "journal", []

    class Killed(BaseException):
        pass

    def say(candidate):
        told.append(candidate)
        if len(told) == 9:
            raise Killed

    lab = SimulatedLab(seed=1)
    with pytest.raises(Killed):
        _search(lab, 600, _study(file, say))
    raw = file.read_bytes()
    file.write_bytes(raw + b'{"op_code": 5, "wor')  # as it was writing a line
    again = _study(file)
    known = list(again.known())
    assert list(read_journal(file).candidates) == known
    assert [one.node for one in known] == [one.node for one in told]
    before = set(lab.trained)
    _search(lab, 900, again)
    assert len(lab.trained) == len(set(lab.trained))
    assert before < set(lab.trained)


def test_a_journal_of_another_search_is_refused(tmp_path):
    file = tmp_path / "journal"
    Journal(file, "a", 1)
    assert read_journal(file).identity == "a"
    with pytest.raises(ConfigError, match="another search"):
        Journal(file, "b", 1)


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    file = tmp_path / "journal"
    file.write_text("no journal\nat all\n")
    with pytest.raises(ConfigError, match="no journal of a search"):
        Journal(file, "a", 1)


def _candidate(lost, time, error=0.0):
    return Candidate(Node(), "none", lost, error, {"board": Cost(time, 1)})


def test_a_loss_within_its_sampling_error_of_the_limit_does_not_hold():
    assert _candidate(0.009, 1.0, 0.0005).holds(0.01)
    assert not _candidate(0.009, 1.0, 0.002).holds(0.01)
    assert not _candidate(math.inf, 1.0).holds(0.01)


def test_the_front_holds_what_nothing_beats():
    rows = [_candidate(0.0, 100e6), _candidate(0.01, 50e6), _candidate(0.02, 60e6)]
    judged = Judged(Goal(0.01), {"board": DENSE}, rows)
    assert judged.front("board") == rows[:2]


def test_what_a_board_cannot_take_is_no_candidate_for_it():
    large = Candidate(Node(), "none", 0.0, 0.0, {"board": Cost(1.0, 1, excess="too large")})
    judged = Judged(Goal(0.01), {"board": DENSE}, [large])
    assert judged.holders("board", 0.01) == []
    assert judged.closest("board") is None


def test_options_offer_no_channels_after_zeros():
    node = Node().after(Move("prune", 0.5, 4, "core", "kernel"))
    moves = BOTH.moves(node)
    assert {move.kind for move in moves} == {"prune"}
    assert min(move.amount for move in moves) > 0.5
    assert Options({"board": ("none",)}).moves(Node()) == []


def test_the_closest_saves_something():
    tuned = Candidate(Node().after(Move("tune", epochs=8)), "none", -0.01, 0.0, {"board": DENSE})
    cheaper = Cost((DENSE.time or 0) / 2, DENSE.bytes, DENSE.memory_bytes)
    small = Candidate(Node().after(Move("channels", 0.5, 8)), "none", 0.03, 0.0, {"board": cheaper})
    assert Judged(GOAL, {"board": DENSE}, [tuned, small]).closest("board") is small
    assert Judged(GOAL, {"board": DENSE}, [tuned]).closest("board") is None


def test_no_layers_are_looked_for_that_stay_precise_where_that_takes_too_long():
    class Slow(SimulatedLab):
        def keeping_seconds(self, node):
            return 1e6

        def keep_layers(self, node, mode, limit):
            raise AssertionError("there is no time for it")

    lab = Slow(seed=2, int8_cost=0.3)
    lab.rounding = 0.02
    searched(lab, 900, options=dataclasses.replace(BOTH, keeps_layers=True))
