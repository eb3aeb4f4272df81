import dataclasses
import functools

import numpy as np
import pytest
from full_range import TIMES, also
from keras_nets import build, dataset, loaded, save, shown_in_keras, shown_in_tf_keras
from nets import eligible

import edgeprune
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.artifacts.pruned import ChannelPruned
from edgeprune.channels import count_macs
from edgeprune.channels.stage import remove_channels
from edgeprune.convert import convert
from edgeprune.errors import ConfigError, ModelError
from edgeprune.files import paths
from edgeprune.models.keras.flavours import import_keras
from edgeprune.models.tflite.macs import size
from edgeprune.pruning import prune
from edgeprune.recipe.channels_table import ChannelLimit, ChannelsTable
from edgeprune.recipe.prune_table import PruneTable
from edgeprune.training.context import StageContext

HALF = ChannelsTable(pruning_ratio=0.5, epochs=2, batch_size=16)


def from_file(flavour, kind="sequential"):
    return dataclasses.replace(
        loaded(build(flavour, kind), flavour), source=ModelFile("m", f"{flavour} {kind}", "test")
    )


def weights_of(model):
    return [np.array(w) for w in model.get_weights()]


def same(one, two):
    return all(map(np.array_equal, one, two))


@shown_in_keras
@pytest.mark.parametrize("kind", [also("sequential"), also("functional"), "nested"])
def test_a_smaller_model_is_trained_beside_the_dense_one(flavour, kind):
    model, lines = loaded(build(flavour, kind), flavour), []
    before = weights_of(model.keras)
    done = remove_channels(model, HALF, StageContext(dataset(), lines.append))
    assert same(before, weights_of(model.keras)) and done.dense is model
    assert count_macs(done.model.keras) < 0.6 * count_macs(model.keras)
    assert done.fine_tuned and not done.profiling_only
    assert [one.shape for one in weights_of(done.control.keras)] == [one.shape for one in before]
    assert not same(before, weights_of(done.control.keras))
    assert any(line.startswith("epoch 2/2: ") for line in lines)
    assert any(line.startswith("dense: epoch 2/2: ") for line in lines)
    assert all(one.channels_after == one.channels_before // 2 for one in done.groups)
    assert done.groups[0].details.startswith(f"group {done.groups[0].name}: ")
    assert "multiplications" in done.notes[1] and done.notes[0].startswith("the smaller model was")


@shown_in_tf_keras
def test_without_data_channels_go_at_once_and_the_result_is_for_profiling(flavour):
    done = remove_channels(loaded(build(flavour, "functional"), flavour), HALF, StageContext())
    assert done.profiling_only and not done.fine_tuned and done.control is None
    assert done.notes[0] == "channels were removed at once, without training data"


def test_a_table_that_removes_nothing_hands_the_model_on():
    model = loaded(build("keras", "subclassed"), "keras")
    assert remove_channels(model, ChannelsTable(), StageContext()) == ChannelPruned(model, model)


def test_a_tflite_file_is_refused_with_what_to_give_instead():
    model = Loaded(ModelFile("net.tflite", "", "tflite"), tflite=eligible())
    with pytest.raises(ModelError, match=r"net\.tflite: .* give the \.keras or \.h5 file"):
        remove_channels(model, HALF, StageContext())


@shown_in_keras
def test_a_subclassed_model_is_refused_with_what_to_do(flavour):
    with pytest.raises(ModelError, match=r"graph is hidden.*build it as keras\.Model"):
        remove_channels(loaded(build(flavour, "subclassed"), flavour), HALF, StageContext())


def test_every_key_of_the_table_is_heard():
    model = loaded(build("keras", "sequential"), "keras")  # 6 and 10 channels
    table = ChannelsTable(macs=0.8, criterion="taylor", scope="global", round_to=2, epochs=1)

    def groups(**changes):
        done = remove_channels(
            model, dataclasses.replace(table, **changes), StageContext(dataset()), control=False
        )
        assert count_macs(done.model.keras) <= (changes.get("macs", 0.8)) * count_macs(model.keras)
        return {one.name: one.channels_after for one in done.groups}

    assert list(groups(ignored=("mi*",))) == ["stem"]
    limited = groups(limits=(ChannelLimit("stem", 0.4),))
    assert limited["stem"] == 4 and limited["mix"] % 2 == 0
    with pytest.raises(ConfigError, match="taylor needs samples"):
        remove_channels(model, table, StageContext())
    with pytest.raises(ModelError, match=r"asked for, and \d+ are left when all"):
        groups(macs=0.05)
    with pytest.raises(ModelError, match="no channels of model 'line' may be removed"):
        groups(ignored=("stem", "mix"))
    with pytest.raises(ConfigError, match="no layer called 'mixx'; near it: mix"):
        groups(ignored=("mixx",))
    with pytest.raises(ConfigError, match="no criterion is called 'l3'; there are: bn_scale"):
        groups(criterion="l3")


@functools.cache
def good_dense(flavour):
    """A dense model that tells the classes apart; without batch normalization it learns soonest."""
    keras, data = import_keras(flavour), dataset()
    model = build(flavour, "sequential")
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    model.fit(data.x_train, data.y_train, epochs=20, batch_size=16, verbose=0)
    assert (model(data.x_train).numpy().argmax(1) == data.y_train).mean() > 0.9
    return loaded(model, flavour)


def lost(line):
    return line.startswith("no epoch kept the accepted drop of")


@shown_in_tf_keras
def test_a_drop_that_cannot_be_kept_stops_the_training(flavour):
    data, lines = dataset(), []
    trained = good_dense(flavour)
    table = ChannelsTable(pruning_ratio=0.8, epochs=20, learning_rate=1e-9)
    context = StageContext(data, lines.append, max_accuracy_drop=0.0)
    done = remove_channels(trained, table, context, control=False)
    assert any(map(lost, done.notes)) and not any("epoch 20/20" in line for line in lines[:-1])
    short = dataclasses.replace(table, epochs=1)
    wide = remove_channels(trained, short, StageContext(data, max_accuracy_drop=1.0), control=False)
    assert any(note.startswith("the best epoch is kept") for note in wide.notes)


@shown_in_keras
def test_what_was_trained_outlives_the_stage_and_is_not_trained_again(flavour):
    model, data = from_file(flavour), dataset()
    done = remove_channels(model, HALF, StageContext(data))
    lines = []
    again = remove_channels(model, HALF, StageContext(data, lines.append))
    taken = [line for line in lines if "trained before: taken from" in line]
    assert len(taken) == 2 and not any("loss" in line for line in lines)
    assert all(str(paths.data_folder()) in line for line in taken)
    assert same(weights_of(done.model.keras), weights_of(again.model.keras))
    assert same(weights_of(done.control.keras), weights_of(again.control.keras))
    assert again.notes == done.notes and again.model.made == done.model.made
    other = remove_channels(model, dataclasses.replace(HALF, criterion="l1"), StageContext(data))
    names = {one.model.made for one in (done, other)} | {done.control.made, model.made}
    assert len(names) == 4 and other.control.made == done.control.made
    assert done.model.source == model.source


@shown_in_keras
def test_a_share_that_leaves_the_same_channels_is_the_same_training(flavour):
    model, data, lines = from_file(flavour), dataset(), []
    half = dataclasses.replace(HALF, epochs=1, round_to=4)
    first = remove_channels(model, half, StageContext(data), control=False)
    less = dataclasses.replace(half, pruning_ratio=0.55)
    same_one = remove_channels(model, less, StageContext(data, lines.append), control=False)
    assert len([line for line in lines if "trained before: taken from" in line]) == 1
    assert same_one.model.made == first.model.made
    assert same(weights_of(first.model.keras), weights_of(same_one.model.keras))
    others = [{"pruning_ratio": 0.5, "round_to": 1, "criterion": "random"}, {"epochs": 2}]
    for changes in others if TIMES else others[:1]:
        other = dataclasses.replace(less, **changes)
        done = remove_channels(model, other, StageContext(data), control=False)
        assert done.model.made != first.model.made


@shown_in_tf_keras
def test_weights_that_are_left_can_be_pruned_next(flavour):
    data, lines = dataset(), []
    model = loaded(build(flavour, "functional"), flavour)
    before = remove_channels(model, HALF, StageContext(data), control=False)
    spec = PruneTable(sparsity=0.5, layers="all", epochs=2, control=False)
    done = prune(before, spec, StageContext(data, lines.append, max_accuracy_drop=1.0))
    dense, small, sparse = (size(convert(one)) for one in (before.dense, before.model, done.model))
    assert small.parameters < 0.7 * dense.parameters
    assert sparse.parameters == small.parameters
    assert sparse.nonzero_macs < 0.8 * small.macs
    assert done.groups == before.groups and done.notes[: len(before.notes)] == before.notes


def kernels(model):
    return [np.array(w) for w in model.get_weights() if w.ndim > 1]


@functools.cache
def far_from_dense(flavour):
    """A smaller model, whose dense one is far from where it began after the same training."""
    far = dataclasses.replace(HALF, learning_rate=1e-2)
    return remove_channels(
        loaded(build(flavour, "sequential"), flavour), far, StageContext(dataset())
    )


@shown_in_keras
def test_the_dense_model_for_comparison_goes_through_both_trainings(flavour):
    data, before = dataset(), far_from_dense(flavour)
    spec = PruneTable(sparsity=0.5, layers="all", epochs=1, learning_rate=1e-5)
    further = prune(before, spec, StageContext(data)).control.keras
    found = [kernels(one) for one in (further, before.control.keras, before.dense.keras)]
    for ours, theirs, dense in zip(*found, strict=True):
        assert 0 < np.abs(ours - theirs).max() < 1e-3 < 1e-2 < np.abs(ours - dense).max()


@shown_in_tf_keras
def test_an_interruption_in_the_next_stage_goes_on_there(flavour):
    model, data, lines = from_file(flavour), dataset(), []
    table = dataclasses.replace(HALF, epochs=1, learning_rate=2e-3)
    spec = PruneTable(sparsity=0.5, layers="all", epochs=2, control=False)

    def cut(line):
        if line.startswith("epoch 1/2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        before = remove_channels(model, table, StageContext(data), control=False)
        prune(before, spec, StageContext(data, cut))
    before = remove_channels(model, table, StageContext(data, lines.append), control=False)
    prune(before, spec, StageContext(data, lines.append))
    assert len([line for line in lines if "trained before: taken from" in line]) == 1
    assert [line for line in lines if line.startswith("resuming")] == ["resuming after epoch 1/2"]


@shown_in_tf_keras
def test_a_drop_after_two_stages_counts_from_the_dense_model(flavour):
    data = dataset()
    trained = good_dense(flavour)
    once = dataclasses.replace(HALF, epochs=1)
    ruined = remove_channels(trained, once, StageContext(data), control=False)
    ruined.model.keras.set_weights([0 * weight for weight in weights_of(ruined.model.keras)])
    spec = PruneTable(sparsity=0.3, layers="all", epochs=1, learning_rate=1e-9, control=False)
    alone = prune(ruined.model, spec, StageContext(data, max_accuracy_drop=0.2))
    assert not any(map(lost, alone.notes))
    assert any(map(lost, prune(ruined, spec, StageContext(data, max_accuracy_drop=0.2)).notes))


def test_channels_alone_are_not_pruned_further():
    before = far_from_dense("keras")
    done = prune(before, PruneTable(sparsity=0.0), StageContext())
    assert done.model is before.model and done.control is before.control
    assert done.fine_tuned and done.notes == before.notes and done.masks == {}


@shown_in_tf_keras
def test_one_call_from_python_makes_a_smaller_model(flavour, tmp_path):
    model, data = build(flavour, "nested"), dataset()
    done = edgeprune.prune(
        model,
        (data.x_train, data.y_train),
        pattern="channel",
        sparsity=0.5,
        epochs=1,
        control=False,
    )
    assert count_macs(done.keras) < 0.6 * count_macs(model) and done.fine_tuned
    assert type(done.keras) is type(model) and not done.masks
    path = save(done.keras, tmp_path / "small.keras")
    back = import_keras(flavour).models.load_model(path)
    x = data.x_test
    assert np.allclose(back(x), done.keras(x), atol=1e-6)


def test_channels_and_zeros_may_be_asked_for_in_one_call():
    model = build("keras", "functional")
    done = edgeprune.prune(model, channels={"macs": 0.5}, sparsity=0.75, layers="all")
    assert count_macs(done.keras) <= 0.5 * count_macs(model)
    assert all(abs(one.zeros / one.weights - 0.75) < 0.1 for one in done.tensors)
    seen = []

    def first_go(group):
        seen.append(group.name)
        return np.arange(group.units)

    edgeprune.prune(model, channels={"pruning_ratio": 0.5, "criterion": first_go})
    assert seen == [one.name for one in done.groups]
    alone = edgeprune.prune(model, channels={"pruning_ratio": 0.25, "limits": {"mix": 0.0}})
    assert not alone.tensors and {one.channels_after for one in alone.groups} == {8}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"channels": {"ratio": 0.5}}, "no such option of channels: 'ratio'"),
        ({"channels": {"pruning_ratio": 0.5, "macs": 0.5}}, "either pruning_ratio or macs"),
        ({"channels": {"round_to": 0}}, "channels: round_to must be >= 1, got 0"),
        (
            {"pattern": "channel", "channels": {"pruning_ratio": 0.5}},
            "pattern = 'channel' takes sparsity, ignored and limits of",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(options, line):
    with pytest.raises(ModelError, match=line):
        edgeprune.prune(None, **options)


def test_masks_and_the_stage_prune_send_to_the_stage_that_removes_channels():
    model = build("keras", "functional")
    for options in ({"pattern": "channel"}, {"channels": {"macs": 0.5}}):
        with pytest.raises(ModelError, match=r"masks cannot remove channels: use edgeprune\.prune"):
            edgeprune.masks(model, **options)
    with pytest.raises(ModelError, match="use the stage channels before it"):
        prune(loaded(model, "keras"), PruneTable(pattern="channel"), StageContext())


def test_the_dense_model_may_teach_the_smaller_one():
    model = loaded(build("keras", "functional"), "keras")
    answers = []
    for weight in (0.0, 1.0):
        table = ChannelsTable(pruning_ratio=0.5, epochs=1, distillation=weight)
        done = remove_channels(model, table, StageContext(dataset()), control=False)
        assert ("with distillation" in done.notes[0]) == bool(weight)
        answers.append(np.asarray(done.model.keras(dataset().x_test, training=False)))
    assert not np.allclose(*answers)
