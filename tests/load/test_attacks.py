"""Every attack of the corpus is refused in one line, and leaves no trace."""

import contextlib
import os
import signal
import tempfile

import pytest
from full_range import also
from load.attacks import Target, containers, descriptions, exhaustion, saved_keras, saved_models
from load.attacks.files import good, h5_file, zip_file

from edgeprune.errors import ModelError
from edgeprune.load import load

ALL = [
    *descriptions.ATTACKS,
    *exhaustion.ATTACKS,
    *containers.ATTACKS,
    *saved_keras.ATTACKS,
    *saved_models.ATTACKS,
]
SLOW = (
    "60,000 calls of one layer",
    "15,000 recurrent cells in a stack",
    "400,000 steps unrolled, as the layers before make them (keras2.keras)",
    "four million steps repeated one by one (keras2.keras)",
)
"""Of many layers, calls and steps the suite has others, which take less long."""
LIMIT_S = 120
OLD_TIME = 1_000_000_000


class EndlessError(BaseException):
    """No error that anything on the way could take for one of its own."""


@contextlib.contextmanager
def time_limit():
    """Ends what never ends; nothing here takes more than a second or two."""

    def end(*_):
        raise EndlessError(f"no answer within {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def target(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "words.txt").write_text("one\ntwo\n")
    os.utime(secret / "words.txt", (OLD_TIME, OLD_TIME + 1))
    (tmp_path / "model").mkdir()
    return Target(tmp_path / "model", tmp_path / "canary", secret / "words.txt")


@pytest.mark.parametrize(
    "attack",
    [also(a) if a.name.startswith(SLOW) else a for a in ALL],
    ids=lambda attack: attack.name,
)
def test_attacks_are_refused_in_one_line(attack, target, tmp_path, monkeypatch):
    path = attack.make(target)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with time_limit(), pytest.raises(ModelError) as caught:
        load(path)
    line = str(caught.value)
    assert line.startswith(str(path)) and line.isprintable() and len(line) < 500 + len(str(path))
    assert "cannot be loaded by Keras" not in line  # no Keras was asked
    assert caught.value.exit_code == 2
    assert not target.canary.exists()
    assert target.secret.stat().st_atime == OLD_TIME  # nobody read it
    assert os.listdir(tmp_path / "temporary") == []


def test_the_corpus_is_as_large_as_it_says():
    names = [attack.name for attack in ALL]
    assert len(set(names)) == len(names) >= 200
    assert len({attack.source for attack in ALL}) >= 80


@pytest.mark.parametrize("keras", ["keras2", "keras3"])
@pytest.mark.parametrize("write", [zip_file, h5_file])
def test_the_same_files_with_an_honest_content_are_loaded(write, keras, tmp_path):
    """So that each attack is refused for what it is."""
    ending = {zip_file: "keras", h5_file: "h5"}[write]
    found = load(write(tmp_path / f"m.{ending}", good(), keras))
    assert found.keras.get_layer("dense").get_weights()[0].tolist() == [[1.0, 1.0]] * 4


@pytest.mark.parametrize("base", [saved_models.plain, saved_keras.layers])
def test_the_saved_models_around_the_attacks_are_loaded(base):
    found = load(base())
    assert (found.tflite is None) == (base is saved_keras.layers)
