import pytest

from edgeprune.cli.options import recipe_of
from edgeprune.errors import ConfigError
from edgeprune.recipe.prune_table import CRITERIA, WHILE_TRAINING


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_criterion_that_prunes_at_once_brings_its_schedule_with_it(criterion):
    table = recipe_of("auto", None, None, None, criterion).prune
    assert table.criterion == criterion
    assert table.schedule == ("gradual" if criterion in WHILE_TRAINING else "one_shot")


def test_a_schedule_that_a_recipe_names_is_not_changed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[prune]\nschedule = "iterative"\n')
    assert recipe_of(str(path), None, None, None, "l2").prune.schedule == "iterative"
    with pytest.raises(ConfigError, match="the criterion wanda prunes at once: set schedule to"):
        recipe_of(str(path), None, None, None, "wanda")
