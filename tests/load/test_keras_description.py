import json

import pytest

from edgeprune.errors import CodeRefused, ModelError
from edgeprune.load.keras_description import application_classes, check_description
from edgeprune.load.keras_json import read_description

INITIALIZERS = "tensorflow.python.ops.init_ops_v2"


def entry(class_name, module=None, /, **config):
    made = {"class_name": class_name, "config": {"name": "odd", **config}}
    return made if module is None else {**made, "module": module}


def stand_in(class_name, **config):
    return {"class_name": class_name, "config": config}


def function(name, module, **rest):
    return {"class_name": "function", "config": name, "module": module, **rest}


def handing(attribute):
    return {"op": "Relu", "name": "r", "attr": {"T": {"type": "DT_FLOAT"}, "f": attribute}}


def check(*layers):
    made = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    check_description(read_description(json.dumps(made), "m.h5"), "m.h5")


@pytest.mark.parametrize(
    "layer",
    [
        entry("Lambda", function=["4wEAAAA=", None, None], function_type="lambda"),
        entry("Lambda", "keras.layers"),
        entry("TFSMLayer", "keras.layers", filepath="/tmp/other"),
        entry("TorchModuleWrapper", "keras.layers", module="gASVAAAA"),
        entry("JaxLayer", "keras.layers", call_fn={"class_name": "__lambda__", "config": {}}),
        entry("DenseFeatures", feature_columns=[]),
        entry("DropoutWrapper", dropout_state_filter_visitor="x"),
        entry("Dense", activation={"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}),
        entry("Dense", activation="os.system"),
        entry("Dense", activation="deserialize"),
        entry("Dense", kernel_initializer="os.system"),
        entry("Dense", kernel_initializer=entry("_make_initializer", INITIALIZERS)),
        entry("Dense", kernel_regularizer="get_file"),
        entry("Dense", kernel_constraint="popen"),
        entry("Dense", dtype="os.system"),
        entry("Dense", brand_new_option="/etc/passwd"),
        entry("StringLookup", vocabulary="/etc/passwd"),
        entry("StringLookup", "keras.layers", vocabulary="/etc/passwd"),
        entry("StringLookup", vocabulary=stand_in("__bytes__", value="/etc/passwd")),
        entry("StringLookup", vocabulary=stand_in("__slice__", start="/etc/passwd")),
        entry("StringLookup", vocabulary=stand_in("__numpy__", value="x", dtype="string")),
        entry("Dense", kernel_initializer=stand_in("__bytes__", value="os.system")),
        entry("TextVectorization", idf_weights="/etc/passwd", vocabulary=["a"]),
        entry("Evil", "os"),
        entry("Evil", "tensorflow.python.platform"),
        entry("Dense", "os"),
        entry("Dense", "keras.src.saving.saving_api"),
        entry("os.popen", "keras.layers"),
        entry("get_file", "keras.utils"),
        entry("Dense", activation=function("system", "os")),
        entry("Dense", activation=function("get_file", "keras.utils")),
        entry("Dense", activation=function("relu", "os")),
        entry("Dense", activation=function("relu", "builtins", registered_name="eval")),
        {**entry("Dense", "keras.layers"), "registered_name": "Custom>Evil"},
        {"class_name": "Dense", "config": "LayerScale", "name": "odd"},
        {"class_name": "Dense", "config": ["x"], "name": "odd"},
        {"class_name": ["Dense"], "config": {}, "name": "odd"},
        {"class_name": "Dense", "config": {}, "module": ["keras.layers"], "name": "odd"},
        entry("Dense", extra={"module": "os", "registered_name": "system"}),
        entry("TFOpLambda", function="io.write_file"),
        entry("TFOpLambda", function="py_function"),
        entry("TFOpLambda", function="numpy_function"),
        entry("TFOpLambda", function="raw_ops.WriteFile"),
        entry("TFOpLambda", function="nn.fixed_unigram_candidate_sampler"),
        entry("TFOpLambda", function="compat.v1.io.write_file"),
        entry("TFOpLambda", function="load_op_library"),
        entry("TFOpLambda", function="keras.utils.get_file"),
        entry("TFOpLambda"),
        entry("SlicingOpLambda", function="io.write_file"),
        entry("ClassMethod", cls_symbol="io.gfile.GFile", method_name="write"),
        entry("InstanceMethod", attr_name="numpy"),
        entry("TensorFlowOpLayer", node_def={"op": "WriteFile", "name": "w"}),
        entry("TensorFlowOpLayer", node_def="\n\tWriteFile"),
        entry("TensorFlowOpLayer", node_def={"op": ["Relu"], "name": "r"}),
        entry("TensorFlowOpLayer", node_def=handing({"func": {"name": "WriteFile"}})),
        entry("TensorFlowOpLayer", node_def=handing({"list": {"func": [{"name": "Exit"}]}})),
        entry("Bidirectional", layer=entry("Lambda", "keras.layers")),
        entry("Dense", value={"class_name": "__typespec__", "spec_name": "x", "config": []}),
        entry("Dense", value={"class_name": "CompositeTensor", "spec": {}, "tensors": []}),
        entry("Dense", value={"class_name": "TypeSpec", "type_spec": "x", "serialized": []}),
        entry("Dense", value={"class_name": "__numpy__", "config": {"value": 1, "dtype": "O"}}),
        {**entry("Dense"), "inbound_nodes": [[["_CONSTANT_VALUE", -1, ["_COMPOSITE_TYPE", "{}"]]]]},
        {**entry("Dense"), "inbound_nodes": [[["p", 0, 0, {"x": entry("Lambda")}]]]},
        {**entry("Dense", "keras.layers"), "build_config": {"x": entry("Evil", "os")}},
        {**entry("Dense", "keras.layers"), "compile_config": {"loss": entry("Evil", "os")}},
    ],
)
def test_code_is_refused_by_the_name_of_its_layer(layer):
    with pytest.raises(CodeRefused, match=r"m.h5: layer 'odd' .*--allow-code") as caught:
        check(layer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "layer",
    [
        entry("Dense", activation="relu"),
        entry("Dense", activation={"class_name": "LeakyReLU", "config": {"alpha": 0.1}}),
        entry("Dense", "keras.layers", kernel_initializer=entry("Zeros", "keras.initializers")),
        entry("Dense", activation=function("gelu", "builtins", registered_name="gelu")),
        entry("Functional", "keras.src.models.functional"),
        entry("Dense", dtype=entry("Policy", "keras.mixed_precision")),
        entry("TFOpLambda", function="math.multiply"),
        entry("TFOpLambda", function="compat.v1.image.resize_bilinear"),
        entry("TFOpLambda", function="compat.v1.floor_div"),
        entry("TFOpLambda", function="random.normal"),
        entry("SlicingOpLambda", function="compat.v1.boolean_mask"),
        entry("SlicingOpLambda", function="__operators__.getitem"),
        entry("TensorFlowOpLayer", node_def={"op": "Relu", "name": "r"}),
        entry("GetItem", "keras.src.ops.numpy"),
        entry("StringLookup", vocabulary=["a", "b"]),
        entry("StringLookup", vocabulary=["/etc/passwd", stand_in("__bytes__", value="b")]),
        entry("StringLookup", vocabulary={"class_name": "__tuple__", "items": ["a", "b"]}),
        entry("StringLookup", vocabulary=stand_in("__numpy__", value=["a"], dtype="string")),
        entry("Hashing", mask_value=""),
        entry("Rescaling", scale=stand_in("__numpy__", value=[1.0], dtype="float32")),
        entry("RandomFlip", mode="horizontal", seed=2**64 - 1),
        entry("Dense", bias_initializer=entry("Constant", INITIALIZERS)),
        {**entry("LayerScale", "keras.src.applications.convnext"), "registered_name": "LayerScale"},
    ],
)
def test_what_comes_with_keras_passes(layer):
    check(layer)


def test_a_class_that_keras_does_not_have_is_named():
    with pytest.raises(ModelError, match="layer class 'FancyHead' is not part of Keras"):
        check(entry("FancyHead"))


def test_what_the_file_says_is_shown_on_one_line_and_cut():
    with pytest.raises(CodeRefused) as caught:
        check(entry("Evil\n\x1b[2J" + "x" * 500, "os"))
    line = str(caught.value)
    assert line.isprintable() and len(line) < 300


def test_only_the_application_layers_in_use_are_made_known():
    tree = [entry("Dense"), {"config": [entry("Custom>CustomScaleLayer")]}]
    assert application_classes(tree) == {"CustomScaleLayer"}


@pytest.mark.parametrize(
    "config", ["", "{", "[" * 100_000, '{"a": 1, "a": 2}', f'{{"a": {10**30}}}', "9" * 9999]
)
def test_a_description_that_is_no_plain_json_is_an_error(config):
    with pytest.raises(ModelError, match="its description is not readable JSON"):
        read_description(config, "m.h5")


def test_descriptions_are_bounded_in_depth_and_in_objects():
    with pytest.raises(ModelError, match="nested more than 100 deep"):
        read_description("[" * 101 + "]" * 101, "m.h5")
    with pytest.raises(ModelError, match="more than 500,000 objects"):
        read_description("[" + "{}," * 500_000 + "{}]", "m.h5")


@pytest.mark.parametrize("tree", ["[]", "{}", '"x"', "null", '{"config": {}}'])
def test_what_names_no_class_is_no_model(tree):
    with pytest.raises(ModelError, match="no Keras model"):
        check_description(read_description(tree, "m.h5"), "m.h5")
