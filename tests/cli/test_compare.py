import json

import pytest
from results import changed, counted, processes, result_of, variant

from edgeprune import cli, history
from edgeprune.history.result_file import write_result


def emulated(count, **rest):
    return result_of(counted("dense", 9000), counted("deployed", count), **rest)


@pytest.fixture
def compared(home, monkeypatch, capsys):
    """Writes two results and gives exit code, stdout and stderr of comparing them."""
    monkeypatch.chdir(home)

    def compared(base, new, *options):
        write_result(base, home / "a")
        write_result(new, home / "b")
        with pytest.raises(SystemExit) as done:
            cli.main(["compare", "a", "b", *options])
        return done.value.code, *capsys.readouterr()

    return compared


def test_markdown_is_on_stdout_and_without_a_limit_nothing_fails(compared):
    code, out, err = compared(emulated(1000), emulated(2000))
    assert (code, err) == (0, "")
    assert out.startswith("### net.h5 on rpi4\n") and "+100.0%" in out


@pytest.mark.parametrize(
    ("new", "limit", "code", "said"),
    [
        (
            1100,
            "5%",
            1,
            "regression beyond 5%: deployed: instructions per inference (emulated) +10.0%",
        ),
        (1100, "10%", 0, "no regression beyond 10%"),
        (900, "0", 0, "no regression beyond 0%"),
    ],
)
def test_a_regression_beyond_the_limit_is_exit_code_1(compared, new, limit, code, said):
    found, out, err = compared(emulated(1000), emulated(new), "--max-regression", limit)
    assert found == code
    assert said in out and (said in err) == (code == 1)


@pytest.mark.parametrize(
    ("new", "options", "code", "said"),
    [
        (100_100, ["--max-regression", "5%"], 1, "beyond 0.05%: deployed: instructions"),
        (100_100, [], 1, "beyond 0.05%: deployed: instructions"),
        (100_040, ["--max-regression", "5%"], 0, "no regression beyond 5%, or 0.05% of instruct"),
        (100_040, [], 0, "no regression beyond 0.05% of instructions"),
    ],
)
def test_instructions_may_have_a_limit_of_their_own(compared, new, options, code, said):
    limit = ("--max-more-instructions", "0.05%")
    found, out, _ = compared(emulated(100_000), emulated(new), *limit, *options)
    assert found == code and said in out


def test_where_instructions_alone_are_limited_they_must_have_been_counted(compared):
    timed = result_of(variant("deployed", processes(100)), sitting="one")
    limit = ("--max-more-instructions", "0.05%")
    code, _, err = compared(timed, timed, *limit)
    assert code == 2 and "0.05% could not be checked" in err and "neither was counted" in err
    assert compared(timed, timed, *limit, "--max-regression", "5%")[0] == 0


def nights(*medians_us):
    """Records a run of one file on each of several nights."""
    for median_us in medians_us:
        golden = variant("deployed", processes(median_us), sha256="ef" * 32)
        history.record(result_of(golden))


def test_without_a_known_noise_from_run_to_run_there_is_no_verdict(compared):
    base, new = (result_of(variant("deployed", processes(us))) for us in (100, 150))
    nights(100, 101, 100, 99)
    code, out, err = compared(base, new, "--max-regression", "5%")
    assert code == 2 and "not measurable: the noise from run to run" in out
    assert "it takes 5 runs" not in err and "that takes 5 runs of one file" in err
    assert "there are 4 runs of 1 files" in err and "edgeprune run OLD.tflite NEW.tflite" in err
    found = json.loads(compared(base, new, "--json")[1])
    assert found["noise"] == {
        "is_known": False, "scale": pytest.approx(0.0082, abs=1e-4), "least_effect": None,
        "runs": 4, "files": 1, "control": None,
    }  # fmt: skip


def test_what_the_devices_history_explains_is_no_regression(compared):
    base, new = (result_of(variant("deployed", processes(us))) for us in (100, 112))
    nights(100, 110, 95, 104, 99, 101)
    code, out, _ = compared(base, new, "--max-regression", "5%")
    assert code == 0 and "no difference shown" in out and "in its history" in out
    nights(*[100, 101] * 40)
    assert compared(base, new, "--max-regression", "5%")[0] == 1


def beside(us, control_us, count=10):
    """A result with the same file as control."""
    control = {"path": "lab/golden.tflite", "sha256": "cd" * 32, "sessions_us": [control_us] * 7}
    file = variant("deployed", processes(us, count), sha256="ef" * 32)
    return result_of(file, control=control)


def test_what_changed_the_control_as_well_is_the_devices_and_taken_out(compared):
    for factor in (1.0, 1.06, 0.98, 1.03, 1.01, 1.05, 1.0):
        history.record(beside(100 * factor * (1 + factor / 1000), 50 * factor))
    base, same, slower = beside(100, 50), beside(106, 53), beside(106, 50)
    code, out, _ = compared(base, same, "--max-regression", "3%", "-v")
    assert code == 0 and "no difference shown" in out
    assert "golden.tflite, the same file in both, changed by +6.0%, which is taken out" in out
    assert "runs of one file beside golden.tflite differ by 0." in out
    code, out, err = compared(base, slower, "--max-regression", "3%")
    assert code == 1 and "latency, median +6.0%" in err
    found = json.loads(compared(base, slower, "--json")[1])
    assert found["noise"]["control"] == "golden.tflite" and found["noise"]["runs"] == 7


def test_a_control_in_another_state_or_of_another_file_decides_nothing(compared):
    for factor in (1.0, 1.06, 0.98, 1.03, 1.01, 1.05, 1.0):
        history.record(beside(100 * factor * (1 + factor / 1000), 50 * factor))
    code, out, _ = compared(beside(100, 50), beside(113, 56), "--max-regression", "3%")
    assert code == 2 and "the device was not in the same state" in out
    other = changed(beside(106, 50), {"control.sha256": "ab" * 32})
    assert json.loads(compared(beside(100, 50), other, "--json")[1])["noise"]["control"] is None
    warmer = changed(beside(106, 50), {"device.runtime_version": "LiteRT 2.4.0"})
    assert json.loads(compared(beside(100, 50), warmer, "--json")[1])["noise"]["control"] is None


def test_the_dense_network_is_a_deployments_control(compared):
    def both(dense_us, deployed_us):
        return result_of(
            variant("dense", processes(dense_us), sha256="cd" * 32),
            variant("deployed", processes(deployed_us), sha256="ef" * 32),
        )

    for factor in (1.0, 1.06, 0.98, 1.03, 1.01, 1.05):
        history.record(both(100 * factor, 50 * factor * (1 + factor / 1000)))
    out = compared(both(100, 50), both(106, 53), "-v")[1]
    latencies = [line for line in out.splitlines() if "latency" in line and line[0] == "|"]
    rows = {line.split(":")[0]: line for line in latencies}
    assert "no difference shown: the dense network, the same" in rows["| deployed"]
    assert "not tested: what the others are counted in" in rows["| dense"]
    assert compared(both(100, 50), both(106, 50 * 1.12), "--max-regression", "3%")[0] == 1


def test_files_side_by_side_need_no_history(compared):
    files = ({"path": name, "sha256": digit * 64, "format": "tflite"} for name, digit in
             (("old.tflite", "a"), ("new.tflite", "b")))  # fmt: skip
    base, new = (
        result_of(variant("deployed", processes(us)), sitting="one", model=model)
        for us, model in zip((100, 112), files, strict=True)
    )
    code, out, err = compared(base, new, "--max-regression", "5%")
    assert code == 1 and "in turns, in one sitting" in out and "latency, median +12.0%" in err
    assert json.loads(compared(base, new, "--json")[1])["noise"] is None
    other = changed(new, {"sitting": "two"})
    assert "different models" in compared(base, other)[1]


def test_a_slowdown_within_chance_is_no_regression(compared):
    nights(100, 100.1, 99.9, 100, 100.1)
    base, new = (result_of(variant("deployed", processes(us, spread=1.0))) for us in (100, 112))
    code, out, _ = compared(base, new, "--max-regression", "5%")
    assert code == 0 and "no difference shown" in out


def test_a_limit_that_cannot_be_checked_does_not_pass(compared):
    few = result_of(variant("deployed", processes(100, count=2)))
    code, out, err = compared(few, few, "--max-regression", "5%")
    assert code == 2 and "not measurable" in out
    assert err.startswith("edgeprune: the limit of 5% could not be checked: ")


def test_wrong_outputs_do_not_pass_a_limit(compared):
    wrong = emulated(500, validity=("invalid", "0.5 off"))
    code, out, err = compared(emulated(1000), wrong, "--max-regression", "5%")
    assert code == 1 and "B is invalid: 0.5 off" in out and "outputs are wrong" in err


def test_json_has_every_change_and_what_became_of_the_limit(compared):
    code, out, _ = compared(emulated(1000), emulated(1100), "--json", "--max-regression", "5%")
    found = json.loads(out)
    assert code == 1 and found["regressions"] == ["instructions"]
    assert found["changes"][0]["percent"] == pytest.approx(10)


def test_other_devices_need_to_be_asked_for(compared):
    other = emulated(1000, board="rpi5")
    code, out, err = compared(emulated(1000), other)
    assert (code, out) == (2, "") and "--across-devices" in err
    assert compared(emulated(1000), other, "--across-devices")[0] == 0


def test_recorded_runs_are_compared_by_number(home, monkeypatch, capsys):
    numbers = [history.record(emulated(count)) for count in (1000, 2000)]
    with pytest.raises(SystemExit) as done:
        cli.main(["compare", *map(str, numbers)])
    assert done.value.code == 0
    assert f"A is \\#{numbers[0]}, B is \\#{numbers[1]}." in capsys.readouterr().out


def test_a_second_output_that_got_worse_is_named_and_fails_the_limit(compared):
    def two(error):
        heads = [
            {"name": "cls", "metric": "top1", "value": 0.9},
            {"name": "box", "metric": "mse", "value": error},
        ]
        accuracy = {"metric": "top1", "value": 0.9, "samples": 100, "heads": heads}
        return result_of(counted("dense", 9000), counted("deployed", 1000, accuracy=accuracy))

    code, out, err = compared(two(1.0), two(1.5), "--max-regression", "5%")
    assert code == 1
    assert "regression beyond 5%: deployed: box: mean squared error +50.0%" in err
    assert "deployed: cls: accuracy (top1)" in out and "worse: lower is better" in out
    code, out, _ = compared(two(1.0), two(1.5), "--max-regression", "5%", "--json")
    assert json.loads(out)["regressions"] == ["box: mse"]
    code, out, err = compared(two(0.0), two(0.5), "--max-regression", "5%")
    assert code == 1 and "mean squared error from 0" in err


def test_no_limit_is_held_between_different_models(compared):
    def of(name, sha256):
        return emulated(1000, model={"path": name, "sha256": sha256 * 32, "format": "tflite"})

    code, out, err = compared(of("a.tflite", "ab"), of("b.tflite", "cd"), "--max-regression", "5%")
    assert (code, out) == (2, "") and "a.tflite and b.tflite are different models" in err
