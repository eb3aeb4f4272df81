import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.agents.decode import Answer
from edgeprune.errors import DeviceError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def answer(**fields):
    return Answer("pi-01: time", fields)


@pytest.mark.parametrize("value", [True, False, "7", 7.0, float("nan"), None, [7], -1, 11, 10**30])
def test_a_whole_number_is_nothing_but_one_in_its_range(value):
    assert answer(n=7).integer("n", 0, 10) == 7
    with pytest.raises(DeviceError, match=r"pi-01: time: the device's answer is wrong: n is .*, "):
        answer(n=value).integer("n", 0, 10)


def test_an_error_says_device_command_key_and_both_what_is_and_what_should_be():
    with pytest.raises(DeviceError) as caught:
        answer(end_ns="12").integer("end_ns", 0, 10)
    assert str(caught.value) == (
        "pi-01: time: the device's answer is wrong: end_ns is '12', expected a whole number from "
        "0 to 10"
    )


def test_a_missing_key_and_one_that_nobody_asked_for_are_named():
    with pytest.raises(DeviceError, match="n is nothing, expected a whole number"):
        answer().integer("n", 0, 10)
    with pytest.raises(DeviceError, match=r"more is 1, expected no such key"):
        answer(more=1).end()
    one = answer(n=1)
    one.integer("n", 0, 1)
    one.end()


@pytest.mark.parametrize(
    "values", [5, "123", None, {}, [1, 2], [1, 2, 3, 4], [1, True, 3], [1, 2, "3"]]
)
def test_a_list_has_as_many_numbers_as_were_asked_for(values):
    assert answer(n=[1, 2, 3]).integers("n", (3, 3), 0, 9) == (1, 2, 3)
    with pytest.raises(DeviceError, match=r"n(\[\d\])? is "):
        answer(n=values).integers("n", (3, 3), 0, 9)


def test_a_list_that_is_far_too_long_is_told_by_its_length_alone():
    with pytest.raises(DeviceError, match="n is a list of 1,500,000 items, expected 5 of them"):
        answer(n=[1000] * 1_500_000).integers("n", (5, 5), 0, 9)


@pytest.mark.parametrize("value", [1, None, ["a"], "x" * 2000])
def test_a_text_is_a_short_text(value):
    assert answer(t="a").text("t") == "a"
    with pytest.raises(DeviceError, match=r"t is .*expected a text of at most"):
        answer(t=value).text("t")


def test_what_a_device_calls_a_key_cannot_rewrite_the_screen():
    with pytest.raises(DeviceError) as caught:
        Answer("hello", {"\x1b[2J\nedgeprune: fine\u202e": "\x1b"}).end()
    assert str(caught.value).isprintable()


@given(st.dictionaries(st.sampled_from(["n", "m", "t", "l", "f", "o", "e"]), JSON))
def test_any_object_is_read_or_refused_in_one_printable_line(fields):
    one = Answer("hello", fields)
    try:
        one.integer("n", 0, 5)
        one.integer_or_none("m", 0, 5)
        one.text("t", 3)
        one.texts("l", 3, 3)
        one.flag("f", default=True)
        for inner in one.objects("o", 3):
            inner.end()
        one.lists("e", (0, 2), 2)
        one.end()
    except DeviceError as error:
        assert str(error).isprintable() and len(str(error)) < 400
