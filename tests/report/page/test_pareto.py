from results import counted, processes, result_of, top1, variant

from edgeprune.history import Run
from edgeprune.report.page.pareto import pareto


def run(number, result):
    return Run(number, "", "", "rpi4", "desk-pi", "ab" * 32, "net.h5", result)


def two(dense=200, deployed=100, size=5000, **rest):
    return result_of(
        counted("dense", dense, bytes=9000), counted("deployed", deployed, bytes=size), **rest
    )


def fronts(found):
    return {point.label: point.front for point in found.points}


def test_a_point_that_another_beats_in_everything_is_not_on_the_front():
    assert fronts(pareto(two(), [])) == {"dense": False, "deployed": True}
    assert fronts(pareto(two(size=9001), [])) == {"dense": True, "deployed": True}


def test_accuracy_counts_where_it_was_measured():
    scored = result_of(
        counted("dense", 200, bytes=9000, accuracy=top1(0.9)),
        counted("deployed", 100, bytes=5000, accuracy=top1(0.8)),
    )
    found = pareto(scored, [])
    assert fronts(found) == {"dense": True, "deployed": True}
    assert len(found.svgs) == 2 and not found.remarks
    loses = result_of(
        counted("dense", 200, bytes=9000, accuracy={"metric": "mse", "value": 0.5, "samples": 9}),
        counted(
            "deployed", 100, bytes=5000, accuracy={"metric": "mse", "value": 0.4, "samples": 9}
        ),
    )
    assert fronts(pareto(loses, [])) == {"dense": False, "deployed": True}


def test_earlier_runs_are_drawn_unless_they_are_not_valid_or_the_same():
    valid = run(3, two(deployed=90, size=6000))
    noisy = run(2, two(deployed=1, size=1, validity=("noisy", "a neighbour")))
    found = pareto(two(), [valid, noisy, run(1, two())])
    assert fronts(found) == {"dense": False, "deployed": True, "#3 deployed": True}


def test_earlier_variants_scored_on_other_samples_are_left_out_and_counted():
    own = result_of(counted("deployed", 100, accuracy=top1(0.8)))
    other = run(1, result_of(counted("deployed", 90, accuracy=top1(0.9, samples=10))))
    found = pareto(own, [other])
    assert [point.label for point in found.points] == ["deployed"]
    assert "1 variants of earlier runs are left out" in found.remarks[0]


def test_of_wrong_outputs_there_is_no_choice():
    found = pareto(two(validity=("invalid", "wrong")), [])
    assert found.points == () and "nothing to choose" in found.remarks[0]


def test_times_are_used_on_a_real_board_and_a_variant_without_one_is_left_out():
    found = pareto(result_of(variant("dense", processes(200)), variant("deployed")), [])
    assert [(point.label, point.cost_text[-2:]) for point in found.points] == [("dense", "us")]
    assert found.svgs == ()


def test_names_cover_neither_marks_nor_each_other():
    runs = [run(k, two(deployed=100 + k, size=5000 + k)) for k in range(1, 5)]
    (drawn,) = pareto(two(), runs).svgs
    rows = [part for part in str(drawn).split("<text ") if "deployed</text>" in part]
    assert len({row.split("class")[0] for row in rows}) == len(rows) == 5
