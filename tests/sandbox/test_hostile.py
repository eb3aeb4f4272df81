"""Models that carry code, let in on purpose: what they do stays inside the walls."""

import keras_nets
import pytest

from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras
from edgeprune.pipeline.jobs import read_in_child
from edgeprune.sandbox import parent
from edgeprune.sandbox.switch import SANDBOX_SWITCH


def with_lambda(flavour, path, target):
    """A model whose Lambda writes a file whenever a variable of the environment says so."""
    keras = import_keras(flavour)
    source = (
        "lambda x: (x, __import__('os').environ.get('STRIKE') "
        f"and open({str(target)!r}, 'w').close())[0]"
    )
    with quiet():
        inner = keras.layers.Lambda(eval(source), output_shape=(3,))
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), inner])
    keras_nets.save(model, path)


@pytest.mark.parametrize(
    "flavour, walls, is_warm",
    [("keras", "on", False), ("tf_keras", "on", True), ("keras", "off", True)],
)
def test_code_that_was_allowed_writes_nothing_outside(
    flavour, walls, is_warm, tmp_path, monkeypatch, request
):
    """One child is started from nothing; the others begin where their imports are done."""
    if is_warm:
        nursery = request.getfixturevalue("nursery")
        monkeypatch.setattr(parent, "_start", nursery.start)
    path = tmp_path / ("net.keras" if flavour == "keras" else "net.h5")
    target = tmp_path / "written"
    with_lambda(flavour, path, target)
    monkeypatch.setenv("STRIKE", "1")
    monkeypatch.setenv(SANDBOX_SWITCH, walls)
    if walls == "off":
        assert read_in_child(path, allow_code=True, input_shape=None)
        assert target.exists(), "so that the other two show something"
    else:
        with pytest.raises(ModelError):
            read_in_child(path, allow_code=True, input_shape=None)
        assert not target.exists()
