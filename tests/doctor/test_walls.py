import pytest

from edgeprune.doctor import walls
from edgeprune.doctor.walls import wall_checks
from edgeprune.sandbox import tried
from edgeprune.sandbox.switch import SANDBOX_SWITCH
from edgeprune.sandbox.walls import NAMES, Wall


def test_each_wall_is_tried_and_its_means_are_named():
    found = {check.name: check for check in wall_checks()}
    assert list(found) == [f"wall: {name}" for name in NAMES]
    assert {check.scope for check in found.values()} == {"walls"}
    network = found["wall: network"]
    assert network.state == "ok" and network.found.startswith("could not connect to this machine")


def test_a_wall_that_does_not_hold_is_missing_whatever_the_system_promises():
    attempts = [tried.Attempt("memory", "ask for more memory", "")]
    one = tried._found(Wall("memory", ("RLIMIT_DATA",)), attempts)
    check = walls._check(one)
    assert check.state == "missing" and "could ask for more memory" in check.found
    nothing = walls._check(tried._found(Wall("network", (), ("Landlock: no",)), []))
    assert nothing.state == "missing"
    assert nothing.found == "held by nothing; not held by Landlock: no"


def test_walls_that_are_switched_off_are_told_so(monkeypatch):
    monkeypatch.setenv(SANDBOX_SWITCH, "off")
    (check,) = wall_checks()
    assert (check.state, check.fix) == ("missing", f"unset {SANDBOX_SWITCH}")
    assert SANDBOX_SWITCH in check.found


@pytest.mark.parametrize("word", ["", "on", "1"])
def test_any_other_word_leaves_them_on(word, monkeypatch):
    from edgeprune.sandbox.switch import is_on

    monkeypatch.setenv(SANDBOX_SWITCH, word)
    assert is_on()
