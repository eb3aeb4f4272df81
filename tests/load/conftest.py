"""One good file of every form."""

import pytest
from keras_nets import FLAVOURS, KINDS, build, save
from nets import eligible


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One good file of every form."""
    made = tmp_path_factory.mktemp("models")
    for flavour in FLAVOURS:
        for kind in ("sequential", "functional", "nested"):
            save(build(flavour, kind), made / f"{flavour}-{kind}.h5")
        save(build(flavour, "functional"), made / f"{flavour}.keras")
    for kind in KINDS:
        save(build("tf_keras", kind), made / f"saved-{kind}", save_format="tf")
    (made / "net.tflite").write_bytes(eligible())
    return made
