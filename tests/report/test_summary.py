import io

import pytest
from results import ESTIMATE, counted, processes, result_of, top1, variant
from rich.console import Console

from edgeprune.artifacts.measurement import TAKEN
from edgeprune.report.next_step import next_step
from edgeprune.report.summary import LINES, print_summary, table_lines
from edgeprune.report.treatment import treatment_of

PARITY = {
    "reference": "host", "max_abs_diff": 1e-6, "argmax_agreement": 1.0, "samples": 16,
    "where": "rpi4",
}  # fmt: skip


HEAD = {
    "name": "digit", "task": "classification", "labels": "class-number", "gives": "softmax",
    "classes": 10, "loss": "categorical_crossentropy", "metric": "top1",
}  # fmt: skip


def printed(result, **size):
    text = io.StringIO()
    console = Console(file=text, width=80, **size)
    print_summary(result, "out (result.json, report.txt, report.html)", "out", console)
    return text.getvalue()


def deployed(**rest):
    values = {
        "accuracy": top1(0.961, 359), "parity": PARITY, "bytes": 36_784, "sparsity": 0.746,
        "sparse_layers_run": 5, "sparse_layers_expected": 5,
    }  # fmt: skip
    return counted("deployed", 821_550, **(values | rest))


def dense(**rest):
    return counted("dense", 1_837_255, **({"accuracy": top1(0.9916, 359), "bytes": 218_800} | rest))


@pytest.mark.parametrize(
    "taken",
    [
        {"parity": PARITY | {"where": f"rpi4-emulated, {TAKEN}"}},
        {"instructions": {"per_inference": 821_550, "source": f"QEMU plugin; {TAKEN}"}},
    ],
)
def test_what_an_earlier_run_found_is_said_to_be(taken):
    said = printed(result_of(variant("deployed", **({"parity": PARITY} | taken))))
    assert "earlier run of the same file found (--again makes it anew)" in " ".join(said.split())


def rival():
    return variant("dense-fine-tuned", accuracy=top1(0.9944, 359))


def demo(*variants, **rest):
    recipe = {
        "name": "auto",
        "prune": {"sparsity": 0.8, "pattern": "kernel", "epochs": 4},
        "quantize": {"mode": "int8-weights"},
    }
    task = {"line": "task", "train": 1438, "test": 359, "heads": [HEAD]}
    values = {"verdict": "faster", "speedup": 2.236, "recipe": recipe, "task": task}
    return result_of(*(variants or (dense(), deployed(), rival())), **(values | rest))


def test_the_answer_comes_first_and_the_whole_fits():
    lines = printed(demo()).splitlines()
    assert lines[0] == (
        "net.h5 on rpi4: 2.24x fewer instructions (emulated), 3.06 points less accurate, "
        "5.95x smaller"
    )
    assert lines[1] == (
        "made: pruned to 74.6% zeros (the fastest pattern for each layer), trained for 4 epochs, "
        "stored with int8 weights"
    )
    assert len(lines) <= LINES


def test_the_table_has_dense_deployed_and_what_changed():
    text = printed(demo())
    assert "instructions (emulated)    1.837 M    821.5 k   2.24x fewer" in text
    assert "file                      218.8 kB   36.78 kB   5.95x smaller" in text
    assert "99.16%     96.10%   3.06 points less accurate, dense trained as long: 99.44%" in text
    assert "359 samples" in text


def test_what_ran_and_whether_it_is_right_is_said():
    assert "outputs are right on 16 inputs; 5 of 5 layers ran sparse kernels\n" in printed(demo())


def test_a_layer_that_ran_dense_is_a_warning():
    text = printed(demo(dense(), deployed(sparse_layers_run=3)))
    assert "warning: deployed: 2 of 5 sparse layers ran dense" in text


def test_energy_has_a_row_where_it_was_measured():
    energy = {"idle_subtracted": True, "source": "meter"}
    text = printed(
        demo(
            dense(energy_uj=energy | {"per_inference": 300.0}),
            deployed(energy_uj=energy | {"per_inference": 100.0}),
        )
    )
    assert "energy per inference" in text and "3.00x less" in text
    assert "energy" not in printed(demo())


@pytest.mark.parametrize("validity", ["throttled", "contaminated", "noisy"])
def test_a_doubtful_run_stays_within_its_lines_and_says_what_to_do(validity):
    reasons = [f"dense: reason {n}: close other programs, and run again" for n in range(9)]
    text = printed(demo(validity=(validity, *reasons)))
    assert len(text.splitlines()) <= LINES
    assert "next: close other programs, and run again" in text
    assert "warning: dense: reason 0" in text and "8 more of this kind" in text


def test_many_outputs_stay_within_the_lines():
    heads = [{"name": f"head{n}", "metric": "top1", "value": 0.9} for n in range(30)]
    score = top1(0.9) | {"heads": heads}
    text = printed(demo(dense(accuracy=score), deployed(accuracy=score, profiling_only=True)))
    assert len(text.splitlines()) <= LINES
    assert "accuracy of head0" in text and "28 more in report.txt" in text


def test_a_run_without_data_says_what_is_missing():
    text = printed(demo(dense(accuracy=None), deployed(accuracy=None, profiling_only=True)))
    assert "accuracy not measured" in text.splitlines()[0]
    assert "warning: deployed was made without data: measure it, but do not use it" in text
    assert "next: give --data with labels" in text


@pytest.mark.parametrize(
    "path, expected",
    [
        (("net.tflite", "tflite"), "next: hand in the Keras model, which can be trained"),
        (("net.h5", "keras2-h5"), "next: set epochs in [prune] of the recipe"),
    ],
)
def test_a_file_that_could_not_be_trained_is_not_said_to_lack_data(path, expected):
    model = {"path": path[0], "sha256": "ab" * 32, "format": path[1]}
    once = deployed(accuracy=top1(0.1), profiling_only=True)
    text = printed(demo(dense(accuracy=top1(0.9)), once, model=model))
    assert "warning: deployed was pruned without training: measure it, but do not use it" in text
    assert "without data" not in text and "give --data" not in text and expected in text


def test_times_show_their_interval():
    result = result_of(
        variant("dense", processes(300)), variant("deployed", processes(200)),
        verdict="faster", speedup=1.5,
    )  # fmt: skip
    assert "1.50x faster (95% confidence: 1.47x to 1.53x)" in printed(result)


def test_a_file_measured_as_it_is_has_one_column():
    text = printed(result_of(counted("deployed", 1000)))
    assert "made: nothing, measured as it is" in text and "dense" not in text


def test_names_out_of_files_cannot_write_to_the_terminal():
    model = {"path": "a/\x1b[2Jnet.h5", "sha256": "ab" * 32, "format": "tflite"}
    assert "\x1b" not in printed(demo(model=model))


def test_colours_are_for_terminals():
    assert "\x1b[1;33m" in printed(demo(), force_terminal=True, color_system="standard")
    assert "\x1b" not in printed(demo())


def test_columns_stand_below_each_other():
    lines = table_lines(["a", "bb"], [("first", ["1", "22"], "x"), ("second", ["333", "4"], "")])
    assert lines == ["           a   bb", "first      1   22   x", "second   333    4"]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({}, "nothing, measured as it is"),
        ({"quantize": {"mode": "int8"}}, "stored in int8 throughout"),
        ({"channels": {"pruning_ratio": 0.5}}, "without 50.0% of its channels, stored in float32"),
        ({"channels": {"macs": 0.5}}, "so that 50.0% of the work is left"),
        ({"prune": {"sparsity": 0.8, "pattern": "2x1"}}, "pruned to 74.6% zeros (pattern 2x1)"),
        ({"cluster": {"clusters": 16}}, "clustered to 16 values a layer"),
        ({"quantize": "odd", "prune": None}, "nothing, measured as it is"),
    ],
)
def test_what_was_done_is_read_off_the_recipe(recipe, said):
    result = demo(recipe={"name": "x"} | recipe, task=None)
    assert said in treatment_of(result)


def test_nothing_is_said_of_training_where_nothing_could_be_trained():
    assert "trained for 4 epochs" in treatment_of(demo())
    model = {"path": "net.tflite", "sha256": "ab" * 32, "format": "tflite"}
    assert "trained" not in treatment_of(demo(model=model))


@pytest.mark.parametrize("table", [{"qat": {"epochs": 2}}, {"quantize": {"qat_epochs": 2}}])
def test_epochs_with_rounding_count_in_results_of_today_and_of_earlier(table):
    result = demo(recipe={"name": "x", "prune": {"sparsity": 0.8, "epochs": 4}} | table)
    assert "trained for 6 epochs" in treatment_of(result)


def test_the_next_step_fits_the_gravest_fault():
    assert "--layers names" in next_step(demo(validity=("invalid", "off")), "out")
    assert "--max-accuracy-drop 1%" in next_step(demo(), "out")
    good = demo(dense(), deployed(accuracy=top1(0.99)))
    assert next_step(good, "out") == (
        "instructions are no times: --board rpi4 --host ADDRESS measures them"
    )
    estimated = demo(dense(), deployed(accuracy=top1(0.99), estimated=ESTIMATE))
    told = next_step(estimated, "out")
    assert told == "times are estimated: --board rpi4 --host ADDRESS measures them"
    slow = demo(dense(), deployed(accuracy=top1(0.99)), verdict="slower", speedup=0.5)
    assert next_step(slow, "out").startswith("edgeprune explain models/net.h5 --board rpi4")
    timed = result_of(
        variant("dense", processes(300), accuracy=top1(0.9)),
        variant("deployed", processes(200), accuracy=top1(0.9)),
        verdict="faster", speedup=1.5,
    )  # fmt: skip
    assert next_step(timed, "out") == (
        "edgeprune report out --layers shows the kernel that ran each layer"
    )


def test_what_is_too_little_is_measured_longer_where_time_counts():
    reason = ("insufficient", "dense: 1 sessions, a confidence interval needs 5")
    timed = result_of(
        variant("dense", processes(300)), variant("deployed", processes(200)),
        verdict="faster", speedup=1.5, validity=reason,
    )  # fmt: skip
    assert next_step(timed, "out") == "measure longer, with --effort standard"
    assert "confidence" not in next_step(demo(validity=reason), "out")
