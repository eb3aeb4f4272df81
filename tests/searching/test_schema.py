"""The published schema of ``front.json`` says what its types do."""

import msgspec
import pytest
from json_schemas import jsonschema

from edgeprune.history.result import Accuracy
from edgeprune.searching.front import BoardFront, Figures, Front, Point, Searched
from edgeprune.searching.schema import FILE, schema_text

POINT = Point(
    name="int8",
    what="int8",
    lost=0.001,
    lost_text="0.10 points worse",
    scored_on="reported",
    accuracy=Accuracy(metric="top1", value=0.9, samples=300),
    keeps_limit=True,
    figures=Figures(bytes=100, instructions=1000, predicted_time=1.0),
    speedup=2.0,
    is_measured=True,
    recipe="b/int8/recipe.toml",
)
BOARD = BoardFront(
    board="b",
    dense=Figures(bytes=400),
    points=(POINT,),
    recommended="int8",
    sentence="b: take int8.",
)
FRONT = Front(
    model=Searched(path="net.keras", sha256="0" * 64),
    data="data.npz",
    limit=0.01,
    minimize=("latency",),
    budget_s=60.0,
    spent_s=1.0,
    judged=3,
    trained=1,
    ended="the time is over",
    is_complete=True,
    boards=(BOARD,),
)


def test_the_file_is_what_the_types_say():
    assert FILE.read_text(encoding="utf-8") == schema_text()


def plain(front):
    return msgspec.json.decode(msgspec.json.encode(front))


def test_a_front_is_valid_by_it():
    jsonschema.validate(plain(FRONT), msgspec.json.decode(schema_text()))


@pytest.mark.parametrize(("key", "value"), [("limit", 0), ("boards", None), ("more", 1)])
def test_a_wrong_one_is_not(key, value):
    document = plain(FRONT) | {key: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, msgspec.json.decode(schema_text()))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Front)


def test_a_board_that_was_not_searched_for_is_no_key():
    assert FRONT.board("b") is BOARD
    assert BOARD.chosen is POINT
    with pytest.raises(KeyError):
        FRONT.board("c")
