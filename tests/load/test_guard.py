import json

import pytest

from edgeprune.errors import CodeRefused, ModelError
from edgeprune.load.guard import check_config, check_operators

INITIALIZERS = "tensorflow.python.ops.init_ops_v2"


def entry(class_name, module=None, **config):
    made = {"class_name": class_name, "config": {"name": "odd", **config}}
    return made if module is None else {**made, "module": module}


def model(*layers):
    return json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": layers}})


@pytest.mark.parametrize(
    "layer",
    [
        entry("Lambda", function=["4wEAAAA=", None, None], function_type="lambda"),
        entry("Lambda", module="keras.layers"),
        entry("Custom>Lambda"),
        entry("Dense", activation={"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}),
        entry("Wrapper", call_type="python-lambda"),
        entry("Evil", module="os"),
        entry("Dense", bias_initializer=entry("_make_initializer", INITIALIZERS)),
        entry("Evil", module="tensorflow.python.platform"),
        entry("get_file", module="keras.utils"),
        entry("Dense", activation={"class_name": "function", "config": "system", "module": "os"}),
        entry(
            "Dense",
            activation={"class_name": "function", "config": "get_file", "module": "keras.utils"},
        ),
        entry("TFOpLambda", function="io.write_file"),
        entry("TFOpLambda", function="py_function"),
        entry("TFOpLambda", function="raw_ops.WriteFile"),
        entry("Bidirectional", layer=entry("Lambda", module="keras.layers")),
    ],
)
def test_code_is_refused_by_the_name_of_its_layer(layer):
    with pytest.raises(CodeRefused, match=r"m.h5: layer 'odd' .*--allow-code"):
        check_config(model(layer), "m.h5")


@pytest.mark.parametrize(
    "layer",
    [
        entry("Dense", activation="relu"),
        entry("Dense", "keras.layers", kernel_initializer=entry("Zeros", "keras.initializers")),
        entry("Dense", activation={"class_name": "function", "config": "g", "module": "builtins"}),
        entry("Functional", "keras.src.models.functional"),
        entry("TFOpLambda", function="math.multiply"),
        entry("TFOpLambda", function="__operators__.add"),
        entry("Dense", "tf_keras.src.layers.core.dense"),
        entry("Dense", bias_initializer=entry("Constant", INITIALIZERS)),
    ],
)
def test_what_comes_with_keras_passes(layer):
    check_config(model(layer), "m.h5")


@pytest.mark.parametrize("config", ["", "{", "[" * 100_000])
def test_a_description_that_is_no_json_is_an_error(config):
    with pytest.raises(ModelError, match="its description is not readable JSON"):
        check_config(config, "m.h5")


def test_operators_that_call_python_or_touch_files_are_refused():
    with pytest.raises(CodeRefused, match="operators EagerPyFunc, WriteFile call Python"):
        check_operators(["Conv2D", "WriteFile", "EagerPyFunc", "SaveV2"], "m")
    check_operators(["Conv2D", "VarHandleOp", "SaveV2", "RestoreV2", "ShardedFilename"], "m")
