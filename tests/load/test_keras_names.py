"""The list of names, against the Kerases that are installed."""

import importlib
import inspect

import pytest

from edgeprune.load.keras_names import keras_names
from edgeprune.models.keras.flavours import import_keras

OLD = {
    "layers": set(),
    "initializers": {"gaussian", "laplacian", "normal", "one", "uniform", "zero"},
    "regularizers": set(),
    "constraints": {"maxnorm", "minmaxnorm", "nonneg", "unitnorm"},
    "dtype_policies": {"PolicyV1"},
}
"""Names that only older releases wrote, and the installed ones resolve by other means."""

OLD_OPERATIONS = {"Bartlett", "Blackman", "ExtractPatches3D", "Hamming", "Hanning", "Kaiser"}
"""Operations of the oldest Keras 3 that the installed one writes otherwise."""

BASES = {"AbstractRNNCell", "Layer", "Wrapper", "InputSpec", "Initializer", "Regularizer",
         "Constraint", "IndexLookup", "BaseRandomLayer", "BatchNormalizationBase",
         "_RNNCellWrapper", "Functional", "Model", "Sequential", "SlicingOpLambda", "TFOpLambda",
         "TensorFlowOpLayer", "keras_export"}  # fmt: skip
LOOPS = {"AssociativeScan", "Cond", "ForiLoop", "Map", "Scan", "Switch", "VectorizedMap",
         "WhileLoop", "Function", "JVP", "FakeQuantWithMinMaxVars", "SegmentReduction"}  # fmt: skip


def exported(part):
    """Classes that either Keras exports, or looks up by their bare names."""
    found = set()
    for flavour in ("keras", "tf_keras"):
        module = getattr(import_keras(flavour), part, None)
        if module is not None:
            found |= {name for name, value in vars(module).items() if inspect.isclass(value)}
    if part == "layers":
        from keras.src import layers
        from tf_keras.src.layers import serialization

        serialization.populate_deserializable_objects()
        known = serialization.LOCAL.ALL_OBJECTS
        found |= {n for n, v in known.items() if inspect.isclass(v)} | {"RandomFourierFeatures"}
        found |= {n for n, v in vars(layers).items() if inspect.isclass(v)}
    if part == "dtype_policies":
        found |= {"Policy"}
    return found


@pytest.mark.parametrize("part", OLD)
def test_every_listed_class_exists(part):
    made_by_functions = {"l1_l2"} if part == "regularizers" else set()
    assert keras_names().kinds[part] - OLD[part] - made_by_functions - exported(part) == set()


@pytest.mark.parametrize("part", OLD)
def test_every_class_is_listed_or_refused(part):
    names = keras_names()
    assert exported(part) - names.kinds[part] - BASES - set(names.refused) == set()


def operations():
    """Module and name of every operation of Keras 3."""
    import_keras("keras")
    from keras.src.layers import Layer
    from keras.src.ops.operation import Operation

    def below(cls):
        for inner in cls.__subclasses__():
            yield inner
            yield from below(inner)

    real = {(c.__module__, c.__name__) for c in below(Operation) if not issubclass(c, Layer)}
    return {pair for pair in real if pair[0].startswith("keras.src.")}


def test_every_listed_class_exists_among_the_operations():
    listed = {pair for pair in keras_names().pairs if pair[0].startswith("keras.src.ops.")}
    assert {name for _, name in listed - operations()} <= OLD_OPERATIONS


def test_operations_are_listed_or_are_loops():
    assert {name for _, name in operations() - keras_names().pairs} <= LOOPS


def test_activations_and_functions_exist():
    names = keras_names()
    both = {n for f in ("keras", "tf_keras") for n in vars(import_keras(f).activations)}
    assert names.activations - both <= {"leaky_relu", "log_softmax", "relu6", "softmax_v2"}
    from tensorflow.python.util.tf_export import get_symbol_from_name

    plain = [name for name in names.tensorflow_functions if not name.startswith("compat.v1.")]
    assert [name for name in sorted(plain) if get_symbol_from_name(name) is None] == []


def test_layers_of_keras_applications_lie_where_the_list_says():
    import_keras("tf_keras")
    import_keras("keras")
    kinds = keras_names().kinds["application_layers"]
    pairs = {(m, n) for m, n in keras_names().pairs if n in kinds and ".src." in m and ">" not in n}
    pairs = {(m, n) for m, n in pairs if hasattr(importlib.import_module(m), n)}
    assert {n for _, n in pairs} == {"CustomScaleLayer", "LayerScale", "StochasticDepth"}


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer"])
def test_what_is_refused_is_not_listed(name):
    names = keras_names()
    assert name in names.refused and name not in names.classes
    assert not [pair for pair in names.pairs if pair[1] == name]
