import pytest

from edgeprune.errors import ModelError
from edgeprune.models.select import matching

NAMES = ["block1/conv/kernel", "block1/mix/kernel", "block2/conv/kernel", "head/kernel"]


@pytest.mark.parametrize(
    "layer, found",
    [
        ("head", ["head/kernel"]),
        ("conv", ["block1/conv/kernel", "block2/conv/kernel"]),
        ("block1/*", ["block1/conv/kernel", "block1/mix/kernel"]),
        ("block1/conv/kernel", ["block1/conv/kernel"]),
    ],
)
def test_a_layer_is_found_by_name_path_and_pattern(layer, found):
    assert matching(layer, NAMES) == found


def test_a_name_that_matches_nothing_is_refused_with_names_close_to_it():
    with pytest.raises(ModelError, match=r"no layer to prune is called 'haed': did you mean head"):
        matching("haed", NAMES)


def test_without_a_close_name_some_names_are_told():
    with pytest.raises(ModelError, match=r"there are block1/conv, block1/mix, .*head$"):
        matching("zzzzzz", NAMES)
