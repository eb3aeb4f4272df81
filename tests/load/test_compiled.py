import pytest
from keras_nets import FLAVOURS, save

from edgeprune.load import load
from edgeprune.load.compiled import compiled_with
from edgeprune.models.keras.flavours import import_keras


def saved(flavour, path, **compiled):
    keras = import_keras(flavour)
    inputs = keras.layers.Input((3,))
    heads = [keras.layers.Dense(2, name="cls")(inputs), keras.layers.Dense(1, name="box")(inputs)]
    model = keras.Model(inputs, heads)
    model.compile("adam", **compiled)
    save(model, path)
    return load(path).compiled


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_names_of_losses_and_metrics_are_read_and_nothing_is_made_of_them(
    flavour, ending, tmp_path
):
    losses = import_keras(flavour).losses
    cls = losses.SparseCategoricalCrossentropy(from_logits=True)
    found = saved(
        flavour,
        tmp_path / f"m.{ending}",
        loss={"cls": cls, "box": "mae"},
        metrics={"cls": ["accuracy"], "box": ["mae"]},
    )
    assert found.losses == {"cls": "categorical_crossentropy", "box": "mae"}
    if (flavour, ending) != ("tf_keras", "h5"):  # which keeps no names of heads there
        assert found.metrics["box"] == ("mae",)


def test_metrics_that_keras_2_wraps_are_read():
    wrapped = {"class_name": "MeanMetricWrapper", "config": {"fn": "mean_absolute_error"}}
    assert compiled_with({"metrics": [[wrapped]]}).metrics == {"": ("mean_absolute_error",)}
    assert compiled_with({"metrics": [[wrapped], [wrapped]]}).metrics == {}


@pytest.mark.parametrize(
    "config",
    [
        None,
        3,
        [],
        {"loss": 3, "metrics": {"a": {"b": {}}}},
        {"loss": {"class_name": "os.system", "config": "rm -rf"}, "metrics": ["../../x", None]},
        {"loss": "my_own", "metrics": [["a"], {"class_name": ["mse"]}]},
    ],
)
def test_words_that_are_not_known_are_left_out(config):
    found = compiled_with(config)
    assert found.losses == {} and found.metrics == {}
