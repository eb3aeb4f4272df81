import dataclasses

import numpy as np
import pytest
from keras_nets import FLAVOURS, SHAPE, build, each_kind_too, loaded
from nets import Net, eligible

from edgeprune import verify
from edgeprune.artifacts.model import Loaded, ModelFile
from edgeprune.console.quiet import quiet
from edgeprune.convert import convert, keras_outputs
from edgeprune.data.outputs import outputs_of
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import import_keras, import_tensorflow
from edgeprune.models.keras.weights import clone
from edgeprune.models.tflite import graph


def from_file(tflite):
    return Loaded(ModelFile("x.tflite", "", "tflite"), tflite=tflite)


def io_shapes(tflite):
    model = graph.read(tflite)
    tensors = model.subgraphs[0].tensors
    return [
        [graph.shape_of(tensors[index]) for index in indices] for indices in graph.io_tensors(model)
    ]


@each_kind_too
def test_the_file_computes_what_keras_does(flavour, kind, capfd):
    model = loaded(build(flavour, kind), flavour)
    tflite = convert(model)
    assert io_shapes(tflite) == [[(1, *SHAPE)], [(1, 4)]]
    samples = verify.sample_inputs(tflite, None, 3)
    verify.check_conversion(tflite, samples, keras_outputs(model, samples))
    assert capfd.readouterr().err.replace(XNNPACK, "") == ""


XNNPACK = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"  # verify's, not convert's


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_inputs_and_outputs_keep_the_order_of_the_keras_model(flavour):
    keras = import_keras(flavour)
    layers = keras.layers
    inputs = [layers.Input((n,), name=f"in{k}") for k, n in enumerate([5, 3, 4])]
    outputs = [layers.Dense(12 - k, name=f"out{k}")(inputs[k % 3]) for k in range(12)]
    model = loaded(keras.Model(inputs, outputs), flavour)
    tflite = convert(model)
    found = io_shapes(tflite)
    assert found[0] == [(1, 5), (1, 3), (1, 4)]
    assert found[1] == [(1, 12 - k) for k in range(12)]
    signature = graph.read(tflite).signatureDefs[0]
    assert [entry.name for entry in signature.inputs] == [b"in0", b"in1", b"in2"]
    samples = verify.sample_inputs(tflite, None, 2)
    theirs = keras_outputs(model, samples)
    ours = verify.reference_outputs(tflite, samples)
    for a, b in zip(theirs[0], ours[0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("structure", ["dictionary", "nested"])
def test_inputs_of_any_structure_are_those_of_the_keras_model(flavour, structure):
    keras = import_keras(flavour)
    layers = keras.layers
    a, b, c = (layers.Input((n,), name=name) for n, name in ((5, "z"), (3, "y"), (4, "x")))
    inputs = {"z": a, "y": b, "x": c} if structure == "dictionary" else [a, [b, c]]
    model = loaded(keras.Model(inputs, layers.Dense(2)(layers.Concatenate()([a, b, c]))), flavour)
    tflite = convert(model)
    samples = verify.sample_inputs(tflite, None, 2)
    verify.check_conversion(tflite, samples, keras_outputs(model, samples))


def test_tensors_carry_the_names_of_layers():
    model = graph.read(convert(loaded(build("tf_keras", "functional"), "tf_keras")))
    names = " ".join(graph.tensor_name(t) for t in model.subgraphs[0].tensors)
    assert all(name in names for name in ("image", "separable", "mix", "head"))


def test_an_open_dimension_is_named():
    keras = import_keras("keras")
    layers = keras.layers
    inputs = layers.Input((None, None, 3), name="photo")
    model = keras.Model(inputs, layers.Conv2D(2, 1)(inputs))
    with pytest.raises(ModelError, match=r"input 'photo' has the open shape \(\?, \?, 3\)"):
        convert(loaded(model, "keras"))
    filled = dataclasses.replace(loaded(model, "keras"), input_shape=(6, 5, 3))
    read = graph.read(convert(filled))
    assert graph.shape_of(read.subgraphs[0].tensors[read.subgraphs[0].inputs[0]]) == (1, 6, 5, 3)
    with pytest.raises(ModelError, match="which --input-shape 6,5,4 does not fit"):
        convert(dataclasses.replace(filled, input_shape=(6, 5, 4)))


def test_operators_that_tflite_lacks_are_named():
    keras = import_keras("tf_keras")
    tf = import_tensorflow()
    with quiet():
        layer = keras.layers.Lambda(lambda x: tf.linalg.inv(x))
        model = keras.Sequential([keras.layers.Input((3, 3)), keras.layers.Dense(3), layer])
    with pytest.raises(ModelError, match="no operator for MatrixInverse: replace") as caught:
        convert(loaded(model, "tf_keras"))
    assert "\n" not in str(caught.value)


def test_tflite_passes_through():
    tflite = eligible()
    assert convert(from_file(tflite)) == tflite


def test_an_open_batch_in_a_tflite_file_becomes_1():
    net = Net()
    x = net.input(1, 4, 4, 3)
    y = net.conv(x, 4)
    for index in (x, y):
        net.graph.tensors[index].shapeSignature = np.array(
            [-1, 4, 4, 3 if index == x else 4], np.int32
        )
    model = graph.read(convert(from_file(net.build(y))))
    assert all(t.shapeSignature is None for t in model.subgraphs[0].tensors)
    assert graph.shape_of(model.subgraphs[0].tensors[x]) == (1, 4, 4, 3)


def test_another_open_dimension_in_a_tflite_file_is_named():
    net = Net()
    x = net.input(1, 4, 4, 3)
    net.graph.tensors[x].shapeSignature = np.array([-1, -1, 4, 3], np.int32)
    with pytest.raises(
        ModelError, match=r"input 't0' has the open shape \(\?, 4, 3\): give --input"
    ):
        convert(from_file(net.build(net.conv(x, 4))))


def test_a_tflite_file_has_no_keras_outputs():
    with pytest.raises(ModelError, match="not a Keras model"):
        keras_outputs(from_file(eligible()), [])


@pytest.mark.parametrize("flavour", ["keras", "tf_keras"])
def test_outputs_of_a_dictionary_have_its_keys_as_names(flavour):
    keras = import_keras(flavour)
    inputs = keras.layers.Input((3,))
    heads = {"b": keras.layers.Dense(2, name="x")(inputs), "a": keras.layers.Dense(1)(inputs)}
    model = loaded(keras.Model(inputs, heads), flavour)
    for one in (model, dataclasses.replace(model, keras=clone(model))):
        found = {output.name: output.shape for output in outputs_of(graph.read(convert(one)))}
        assert found == {"b": (2,), "a": (1,)}
        assert list(found) == list(one.keras(np.zeros((1, 3), np.float32)))
