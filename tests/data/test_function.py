import sys
import threading

import numpy as np
import pytest

from edgeprune.data import collect, function
from edgeprune.data.function import read_function
from edgeprune.errors import ModelError

SHAPE = (4,)

MODULE = """
import itertools, os, sys, threading
import numpy as np
import tensorflow as tf

X, Y = np.arange(40, dtype=np.float32).reshape(10, 4), np.arange(10) % 3
GO_ON = threading.Event()

def whole(): return tf.data.Dataset.from_tensor_slices((X, Y))
def pair(): return whole().batch(4), whole()
def table(): return {"test": whole()}
def by_validation(): return {"Training": whole(), "validation": whole()}
def three(): return whole(), None, whole()
def as_keras(): return (X, Y), (X, Y)
def heads(): return None, whole().map(lambda x, y: (x, {"a": y, "b": y}))
def places(): return None, whole().map(lambda x, y: (x, (y, y)))
def named_input(): return None, whole().batch(4).map(lambda x, y: ({"image": x}, y))
def two_inputs(): return None, whole().map(lambda x, y: ({"a": x, "b": x}, y))
def whole_heads(): return (X, {"a": Y, "b": Y}), ({"image": X}, {"a": Y, "b": Y})
def whole_places(): return (X, (Y, Y)), (X, [Y, Y])
def inputs_alone(): return None, tf.data.Dataset.from_tensor_slices(X)

class Sequence:
    def __len__(self): return 3
    def __getitem__(self, k): return X[3 * k : 3 * k + 3], Y[3 * k : 3 * k + 3]
def sequence(): return None, Sequence()

def endless(): return whole().repeat(), whole()
def endless_test(): return None, whole().shuffle(10).repeat().batch(4)
def endless_filtered(): return None, whole().repeat().filter(lambda x, y: True)
def counting():
    for k in itertools.count():
        yield np.full(4, k, np.float32), 0
def endless_generator(): return None, counting()
def cycling(): return None, itertools.cycle(zip(X, Y))
def drawing():
    random = np.random.default_rng(0)
    while True:
        k = random.integers(10)
        yield X[k], Y[k]
def drawn_for_ever(): return None, drawing()
def one_for_ever(): return None, itertools.repeat((X[0], Y[0]))
def waiting():
    yield X[0], 0
    GO_ON.wait()
def blocks(): return None, waiting()
def never_returns(): GO_ON.wait()

def wrong(): return 3
def odd(): return None, [1, 2]
def names(): return {"a": 1}
def dictionaries(): return None, [{"image": X[0], "label": 1}]
def weighted(): return None, [(X[0], 1, 0.5)]
def mixed(): return None, [(X[0], 1), X[0]]
def ragged(): return None, [(X[0], 1), (X[0, :3], 1)]
def empty(): return None, []
def fails(): return {}["missing"]
def fails_later(): return None, (1 / 0 for _ in range(3))
def leaves(): sys.exit(3)
def no_file(): return open("/no/such/file")
value = 3
"""


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    (tmp_path / "own_sets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield
    module = sys.modules.pop("own_sets", None)
    if module is not None:
        module.GO_ON.set()  # lets the waiting threads end
    assert sys.path == path


def read(name):
    return read_function(f"own_sets:{name}", SHAPE)


def refuses(name, line):
    with pytest.raises(ModelError, match=line) as caught:
        read(name)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("own_sets:")


def test_datasets_are_collected_whether_batched_or_not():
    arrays = read("pair").arrays
    assert np.array_equal(arrays["x_train"], np.arange(40).reshape(10, 4))
    assert np.array_equal(arrays["x_train"], arrays["x_test"])
    assert np.array_equal(arrays["y_train"], np.arange(10) % 3)


@pytest.mark.parametrize("name", ["as_keras", "by_validation", "three"])
def test_both_parts_come_in_many_forms(name):
    arrays = read(name).arrays
    assert len(arrays["x_train"]) == len(arrays["x_test"]) == len(arrays["y_test"]) == 10


def test_what_is_scored_in_place_of_test_is_said():
    assert read("by_validation").notes == ("there is no test: validation is scored in its place",)
    assert "second is set aside" in read("three").notes[0]


def test_a_test_part_alone_will_do():
    assert set(read("table").arrays) == {"x_test", "y_test"}
    assert set(read("inputs_alone").arrays) == {"x_test"}
    assert len(read("sequence").arrays["y_test"]) == 9


def test_targets_of_several_outputs_have_their_names():
    assert set(read("heads").arrays) == {"x_test", "y_test/a", "y_test/b"}
    assert set(read("places").arrays) == {"x_test", "y_test/0", "y_test/1"}
    assert set(read("whole_places").arrays) > {"x_train", "y_train/0", "y_test/1"}
    arrays = read("whole_heads").arrays
    assert set(arrays) > {"y_train/a", "y_train/b", "y_test/a"} and len(arrays["x_test"]) == 10


def test_the_only_input_may_come_under_its_name():
    arrays = read("named_input").arrays
    assert np.array_equal(arrays["x_test"], np.arange(40).reshape(10, 4))
    refuses("two_inputs", "it gives 2 inputs at a time: a, b")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("endless", "train never ends .its cardinality is infinite.: leave out repeat"),
        ("endless_test", "test never ends"),
        ("cycling", "not ended after .* elements .* the same 10 come again and again; leave out"),
        ("one_for_ever", "the same 1 come again and again"),
        ("endless_filtered", "the same 10 come again and again"),
    ],
)
def test_what_never_ends_is_refused(name, line):
    refuses(name, line)


def test_what_is_drawn_for_ever_is_refused_within_seconds(monkeypatch):
    monkeypatch.setattr(collect, "REPEATS_S", 0.01)
    refuses("drawn_for_ever", "not ended after .* the same 10 come again and again")


def test_what_always_gives_something_new_is_refused_by_memory_time_or_number(monkeypatch):
    monkeypatch.setattr(collect, "MAX_ELEMENTS", 2000)
    refuses(
        "endless_generator", r"after 2,001 elements \(48 kB as float32\), and 2,000 is the limit"
    )
    monkeypatch.setattr("edgeprune.data.memory._machine_bytes", lambda: 20_000.0)
    refuses("endless_generator", "data may take 10 kB here, half of the free memory")
    monkeypatch.setattr("edgeprune.data.memory._machine_bytes", lambda: 1e12)
    monkeypatch.setattr(collect, "UNKNOWN_S", -1.0)
    refuses("endless_generator", "s is the limit; leave out repeat.., or say how many")


def test_more_than_memory_is_refused_at_the_first_element(monkeypatch):
    monkeypatch.setattr("edgeprune.data.memory._machine_bytes", lambda: 300.0)
    refuses("pair", "3 elements of train need")


def test_what_blocks_is_refused(monkeypatch):
    monkeypatch.setattr(collect, "ELEMENT_S", 0.3)
    monkeypatch.setattr(function, "CALL_S", 0.3)
    refuses("blocks", "test has given no element for 0.3 s, after 1")
    refuses("never_returns", "has not returned after 0.3 s")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("wrong", "expected .train, test. or .* got int"),
        ("names", "got a dictionary of a"),
        ("odd", "test gives no .input, label. pairs: zero-dimensional"),
        ("dictionaries", "it gives dictionaries of image, label: map them to pairs"),
        ("weighted", "it gives 3 things at a time"),
        ("mixed", "elements are not all of one form"),
        ("ragged", "gives no .input, label. pairs"),
        ("empty", "it is empty"),
        ("value", "is no function"),
        ("missing", "has no attribute 'missing'"),
        ("fails", r"KeyError: 'missing' \(.*own_sets.py, line \d+\)"),
        ("fails_later", r"ZeroDivisionError: division by zero \(.*own_sets.py, line \d+\)"),
        ("leaves", "SystemExit: 3"),
        ("no_file", "FileNotFoundError: .* No such file or directory: '/no/such/file'"),
    ],
)
def test_what_goes_wrong_is_one_line(name, line):
    refuses(name, line)


def test_no_thread_is_left_waiting_when_a_dataset_is_refused():
    refuses("cycling", "again and again")
    for thread in threading.enumerate():
        if thread.name == "edgeprune data":
            thread.join(300.0)
    assert not [one for one in threading.enumerate() if one.name == "edgeprune data"]


FRESH = """
import numpy as np
import tensorflow as tf

X, Y = np.arange(400, dtype=np.float32).reshape(100, 4), np.arange(100) % 3
CALLS = []

def whole(): return tf.data.Dataset.from_tensor_slices((X, Y))
def noisy(x, y): return x + tf.random.uniform([4]), y
def by_iteration(): return whole().map(noisy), whole()
def shuffled(): return whole().shuffle(100), whole()
def shuffled_too(): return whole().shuffle(100).map(noisy).batch(7), whole()
def by_call():
    noise = np.random.random((100, 4)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((X + noise, Y)), whole()
def only_once():
    CALLS.append(1)
    if len(CALLS) > 1: raise OSError("the file is gone")
    return whole(), whole()
"""


@pytest.fixture
def fresh(tmp_path):
    (tmp_path / "fresh_sets.py").write_text(FRESH)
    yield lambda name: read_function(f"fresh_sets:{name}", SHAPE)
    sys.modules.pop("fresh_sets", None)


@pytest.mark.parametrize("name", ["by_iteration", "by_call", "shuffled_too"])
def test_samples_that_are_new_at_each_call_are_asked_for_in_each_epoch(fresh, name):
    found = fresh(name)
    assert found.notes[0].startswith("training samples are new at each call")
    assert ("they are shuffled" in found.notes[0]) == (name == "shuffled_too")
    epochs = [found.fresh(k)["x_train"] for k in (1, 2, 1)]
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(epochs[0], epochs[2])  # whoever asks for the same epoch
    assert all(len(one) == 100 and np.abs(one - found.arrays["x_train"]).size for one in epochs)


@pytest.mark.parametrize("name", ["shuffled", "only_once"])
def test_samples_that_stay_the_same_are_read_once(fresh, name):
    found = fresh(name)
    assert found.fresh is None and len(found.arrays["x_train"]) == 100
    if name == "only_once":
        assert "a second call fails, so that all epochs have the same samples" in found.notes[0]
        assert "the file is gone" in found.notes[0]
