from dataclasses import dataclass, field

import pytest

from edgeprune.errors import ConfigError
from edgeprune.files.tables import read_table, read_toml


@dataclass(frozen=True)
class Inner:
    size: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    title: str
    ratio: float
    is_on: bool
    inner: Inner
    extra: Inner | None = None
    tables: dict[str, Inner] = field(default_factory=dict)


GOOD: dict[str, object] = {"title": "t", "ratio": 0.5, "is_on": True, "inner": {"size": 1}}


def fault(**changes: object) -> str:
    with pytest.raises(ConfigError) as caught:
        read_table(Outer, GOOD | changes, "some.toml")
    return str(caught.value)


def test_a_right_table_becomes_the_dataclass():
    raw = GOOD | {"tables": {"a": {"size": 2, "names": ["x", "y"]}}, "extra": {"size": 3}}
    assert read_table(Outer, raw, "some.toml") == Outer(
        "t", 0.5, True, Inner(1), Inner(3), {"a": Inner(2, ("x", "y"))}
    )


def test_a_whole_number_may_stand_for_a_float():
    assert read_table(Outer, GOOD | {"ratio": 1}, "some.toml").ratio == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 1}, "some.toml: title must be str, got 1"),
        ({"ratio": "0.5"}, "some.toml: ratio must be float, got '0.5'"),
        ({"ratio": True}, "some.toml: ratio must be float, got True"),
        ({"is_on": 1}, "some.toml: is_on must be bool, got 1"),
        ({"inner": 7}, "some.toml: inner must be a table"),
        ({"inner": {"size": True}}, "some.toml: inner.size must be int, got True"),
        ({"inner": {"size": 1.0}}, "some.toml: inner.size must be int, got 1.0"),
        ({"inner": {}}, "some.toml: missing 'inner.size'"),
        ({"inner": {"size": 1, "names": "x"}}, "some.toml: inner.names must be a list"),
        ({"inner": {"size": 1, "names": ["x", 2]}}, "inner.names[1] must be str, got 2"),
        ({"tables": []}, "some.toml: tables must be a table"),
        ({"tables": {"a": {"size": "2"}}}, "tables.a.size must be int, got '2'"),
        ({"extra": {"siz": 1}}, "unknown key 'extra.siz' (did you mean 'extra.size'?)"),
        ({"colour": 1}, "some.toml: unknown key 'colour'"),
    ],
)
def test_every_fault_names_file_and_key(changes, message):
    assert message in fault(**changes)


def test_all_faults_are_told_at_once():
    message = fault(titel="t", ratio=None, inner={})
    for part in ("'titel' (did you mean 'title'?)", "ratio must be", "missing 'inner.size'"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "message"), [(b"a = ", "not TOML"), (b"a = '\xff'", "no UTF-8")]
)
def test_a_file_that_is_no_toml_is_one_line_that_names_it(tmp_path, content, message):
    file = tmp_path / "some.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_toml(file)
    assert str(file) in str(caught.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        read_toml(tmp_path / "gone.toml")
