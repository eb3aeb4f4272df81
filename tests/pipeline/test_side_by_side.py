"""What the results of files that took turns say of each other."""

from pathlib import Path

from results import changed, processes, result_of, variant

from edgeprune.history.result import known
from edgeprune.pipeline.outcome import Outcome
from edgeprune.pipeline.side_by_side import _together


def outcome(name, us):
    result = result_of(variant("deployed", processes(us), sha256="ef" * 32))
    return Outcome(changed(result, {"model.path": name}), Path(name), (), ())


def test_a_control_is_kept_by_its_valid_sessions():
    control = outcome("golden.tflite", 50).result
    bad = {"verdict": "contaminated", "reason": "another process had the core"}
    values = {f"variants.0.sessions.{k}.{key}": bad[key] for k in (0, 3) for key in bad}
    control = changed(control, values)
    (one,) = _together([outcome("net.tflite", 100), Outcome(control, Path(), (), ())], 1)
    timed = known(one.result.control)
    assert timed is not None and (timed.path, timed.sha256) == ("golden.tflite", "ef" * 32)
    medians = [each.median_us for each in control.variants[0].processes]
    assert timed.sessions_us == tuple(us for k, us in enumerate(medians) if k not in (0, 3))
    assert known(one.result.sitting) is None and one.result.model.path == "net.tflite"


def test_files_of_one_sitting_share_its_number_and_the_control():
    both = _together([outcome(name, 100) for name in ("old", "new", "golden")], 2)
    assert len({known(one.result.sitting) for one in both} - {None}) == 1
    assert [known(one.result.control).path for one in both] == ["golden", "golden"]
    alone = _together([outcome(name, 100) for name in ("old", "new")], 2)
    assert [known(one.result.control) for one in alone] == [None, None]
