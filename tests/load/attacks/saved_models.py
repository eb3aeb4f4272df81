"""Attacks through SavedModels: operators, saved objects, files in the folder."""

from __future__ import annotations

import functools
import os
import shutil

from load.attacks import Attack
from load.attacks.files import temporary

from edgeprune.console.quiet import quiet
from edgeprune.models.keras.flavours import import_tensorflow


@functools.cache
def plain():
    """A SavedModel that multiplies by a matrix."""
    tf = import_tensorflow()
    module = tf.Module()
    module.kernel = tf.Variable(tf.ones((4, 2)))
    spec = tf.TensorSpec((None, 4), tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": x @ module.kernel}, input_signature=[spec])
    path = temporary()
    with quiet():
        tf.saved_model.save(module, path, signatures=module.f)
    return path


def _edited(change, base=plain):
    """An attack by a SavedModel whose graph ``change(meta, target)`` edits."""

    def attack(target):
        from tensorflow.core.protobuf import saved_model_pb2

        path = target.folder / "model"
        shutil.copytree(base(), path)
        parsed = saved_model_pb2.SavedModel()
        parsed.ParseFromString((path / "saved_model.pb").read_bytes())
        change(parsed.meta_graphs[0], target)
        (path / "saved_model.pb").write_bytes(parsed.SerializeToString())
        return path

    return attack


def _function(meta, part="inference_<lambda>"):
    """The function that computes, or the one that saves."""
    names = [f for f in meta.graph_def.library.function if part in f.signature.name]
    return names[0]


def _operator(nodes, op, *inputs, **texts):
    node = nodes.add(name=f"evil_{len(nodes)}", op=op, input=inputs)
    for key, value in texts.items():
        node.attr[key].s = str(value).encode()
    return node


def _text(nodes, text):
    node = nodes.add(name=f"text_{len(nodes)}", op="Const")
    node.attr["dtype"].type = 7
    node.attr["value"].tensor.dtype = 7
    node.attr["value"].tensor.string_val.append(str(text).encode())
    return f"{node.name}:output:0"


def in_function(op, *words):
    """An operator in the serving function; ``{canary}`` and ``{secret}`` stand for the files."""

    def change(meta, t):
        nodes = _function(meta).node_def
        texts = [_text(nodes, w.format(canary=t.canary, secret=t.secret)) for w in words]
        _operator(nodes, op, *texts)

    return change


def in_an_idle_function(meta, t):
    function = meta.graph_def.library.function.add()
    function.signature.name = "__inference_idle_1"
    _operator(function.node_def, "WriteFile", _text(function.node_def, t.canary))


def at_the_top(meta, t):
    _operator(meta.graph_def.node, "WriteFile", _text(meta.graph_def.node, t.canary))


def named_like_an_operator(meta, t):
    meta.graph_def.library.function.add().signature.name = "PrintV2"
    _operator(_function(meta).node_def, "PrintV2", output_stream=f"file://{t.canary}")


def function_that_does_not_exist(meta, t):
    node = _operator(_function(meta).node_def, "PartitionedCall")
    node.attr["f"].func.name = "WriteFile"


def function_in_a_list(meta, t):
    node = _operator(_function(meta).node_def, "Case")
    node.attr["branches"].list.func.add().name = "WriteFile"


def saver_called(meta, t):
    node = _operator(_function(meta).node_def, "StatefulPartitionedCall")
    node.attr["f"].func.name = _function(meta, "traced_save").signature.name


def saver_as_signature(meta, t):
    name = _function(meta, "traced_restore").signature.name
    meta.object_graph_def.concrete_functions[name].SetInParent()


def asset(meta, t):
    meta.asset_file_def.add(filename=os.path.relpath(t.secret, t.folder))
    meta.object_graph_def.nodes.add().asset.asset_file_def_index = 0


def resource(meta, t):
    meta.object_graph_def.nodes.add().resource.device = ""


def registered_class(meta, t):
    meta.object_graph_def.nodes[0].registered_name = "evil.Class"


def registered_saver(meta, t):
    meta.object_graph_def.nodes[0].registered_saver = "evil.saver"


def replaced_gradient(meta, t):
    gradients = meta.graph_def.library.registered_gradients
    gradients.add(gradient_func="__inference_x", registered_op_type="MatMul")


def constant_bomb(meta, t):
    node = _function(meta).node_def.add(name="bomb", op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = 1
    tensor.float_val.append(1.0)
    for _ in range(2):
        tensor.tensor_shape.dim.add(size=1_000_000)


def constant_object(meta, t):
    node = _function(meta).node_def.add(name="object", op="Const")
    node.attr["value"].tensor.dtype = 21
    node.attr["value"].tensor.variant_val.add(type_name="tensorflow::TensorList")


def constant_without_shape(meta, t):
    node = _function(meta).node_def.add(name="odd", op="Const")
    node.attr["value"].tensor.tensor_shape.dim.add(size=-5)


def first_tensorflow(meta, t):
    meta.ClearField("object_graph_def")


def deep_objects(meta, t):
    nodes = meta.object_graph_def.nodes
    inner = 0
    for _ in range(5_000):
        nodes.add().user_object.identifier = "_generic_user_object"
        nodes[inner].children.add(node_id=len(nodes) - 1, local_name="inner")
        inner = len(nodes) - 1


def dangling_object(meta, t):
    meta.object_graph_def.nodes[0].children.add(node_id=10_000, local_name="x")


def huge_variable(meta, t):
    for node in meta.object_graph_def.nodes:
        if node.WhichOneof("kind") == "variable":
            node.variable.shape.dim[0].size = 1 << 40


def doubled_function(meta, t):
    meta.graph_def.library.function.add().CopyFrom(_function(meta))


def _added(meta, name, *called):
    """A function that calls others one after the other, by the operator that calls functions."""
    function = meta.graph_def.library.function.add()
    function.signature.name = name
    for inner in called:
        _operator(function.node_def, "PartitionedCall").attr["f"].func.name = inner


def calls_itself(meta, t):
    _added(meta, "__inference_again_1", "__inference_again_1")


def call_each_other(meta, t):
    _added(meta, "__inference_ping_1", "__inference_pong_1")
    _added(meta, "__inference_pong_1", "__inference_ping_1")


def calls_itself_as_an_operator(meta, t):
    _added(meta, "__inference_again_1")
    _operator(_function(meta, "again").node_def, "__inference_again_1")


def multiplying_functions(meta, t):
    _added(meta, "__inference_f30")
    _operator(_function(meta, "f30").node_def, "NoOp")
    for k in range(30):
        _added(meta, f"__inference_f{k}", *[f"__inference_f{k + 1}"] * 2)


def deep_functions(meta, t):
    for k in range(3000):
        _added(meta, f"__inference_f{k}", *[f"__inference_f{k + 1}"][: 2999 - k])


def type_of_an_output(meta, t):
    for function in meta.object_graph_def.concrete_functions.values():
        function.output_signature.Clear()
        function.output_signature.named_tuple_value.name = "Evil"
        function.output_signature.named_tuple_value.values.add(key="__class__")


def two_graphs(target):
    from tensorflow.core.protobuf import saved_model_pb2

    path = target.folder / "model"
    shutil.copytree(plain(), path)
    parsed = saved_model_pb2.SavedModel()
    parsed.ParseFromString((path / "saved_model.pb").read_bytes())
    parsed.meta_graphs.add().CopyFrom(parsed.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(parsed.SerializeToString())
    return path


def _folder(change):
    """An attack by what lies in the folder; ``change(path, target)``."""

    def attack(target):
        path = target.folder / "model"
        shutil.copytree(plain(), path)
        change(path, target)
        return path

    return attack


def linked_variables(path, t):
    index = path / "variables" / "variables.index"
    index.unlink()
    index.symlink_to(t.secret)


def linked_asset(path, t):
    (path / "assets").mkdir(exist_ok=True)
    (path / "assets" / "words").symlink_to(t.secret)


def linked_folder(path, t):
    (path / "assets.extra").symlink_to(t.secret.parent)


def pipe(path, t):
    (path / "assets").mkdir(exist_ok=True)
    os.mkfifo(path / "assets" / "pipe")


def endless_file(path, t):
    (path / "variables" / "endless").symlink_to("/dev/zero")


_GRAPH = {
    in_function("WriteFile", "{canary}", "x"): "SavedModel: writes a file",
    in_function("ReadFile", "{secret}"): "SavedModel: reads a file",
    in_function("MatchingFiles", "{secret}"): "SavedModel: lists files",
    in_function("PyFunc"): "SavedModel: calls Python",
    in_function("EagerPyFunc"): "SavedModel: calls eager Python",
    in_function("PrintV2", "x"): "case 21: prints to any file",
    in_function("ImmutableConst"): "SavedModel: maps a file into memory",
    in_function("TextLineDataset", "{secret}"): "SavedModel: a dataset of a file",
    in_function("FixedLengthRecordDataset", "{secret}"): "SavedModel: records of a file",
    in_function("TensorSliceDataset"): "SavedModel: any dataset",
    in_function("InitializeTableFromTextFileV2", "{secret}"): "SavedModel: a table of a file",
    in_function("HashTableV2"): "SavedModel: a table",
    in_function("SummaryWriter"): "SavedModel: event files",
    in_function("DebugIdentityV2"): "SavedModel: debugger that dumps tensors",
    in_function("RpcClient"): "SavedModel: connects to a server",
    in_function("CollectiveReduceV2"): "SavedModel: talks to other hosts",
    in_function("LoadAndRemapMatrix", "{secret}"): "SavedModel: reads a checkpoint's matrix",
    in_function("RestoreV2", "{secret}"): "SavedModel: reads weights out of another file",
    in_function("SaveV2", "{canary}"): "SavedModel: writes a checkpoint",
    in_function("MergeV2Checkpoints", "{secret}", "{canary}"): "SavedModel: moves files",
    in_function("FixedUnigramCandidateSampler"): "SavedModel: a sampler with a vocabulary file",
    in_function("XlaCustomCallV2"): "SavedModel: native code by name",
    in_function("NobodyKnowsMe"): "SavedModel: an operator that nobody knows",
    in_function("__inference_missing_1"): "SavedModel: a function that is missing",
    in_an_idle_function: "SavedModel: writes in a function that nothing calls",
    at_the_top: "SavedModel: writes in the outer graph",
    named_like_an_operator: "SavedModel: a function with an operator's name",
    function_that_does_not_exist: "SavedModel: an operator given as a function",
    function_in_a_list: "SavedModel: an operator in a list of functions",
    saver_called: "SavedModel: the saver called from the model",
    saver_as_signature: "SavedModel: the saver as a signature",
    asset: "SavedModel: an asset outside of the folder",
    resource: "case 21: a resource with an initializer",
    registered_class: "SavedModel: a registered class",
    registered_saver: "SavedModel: a registered saver",
    replaced_gradient: "SavedModel: the gradient of a stock operator",
    constant_bomb: "SavedModel: a constant of 4 TB in a few bytes",
    constant_object: "SavedModel: a constant that code makes",
    constant_without_shape: "SavedModel: a constant of negative size",
    first_tensorflow: "SavedModel: of TensorFlow 1, whose initializers run",
    deep_objects: "SavedModel: objects in objects, 5,000 deep",
    dangling_object: "SavedModel: an object that does not exist",
    huge_variable: "SavedModel: a variable of 8 TB",
    calls_itself: "SavedModel: a function that calls itself",
    call_each_other: "SavedModel: two functions that call each other",
    calls_itself_as_an_operator: "SavedModel: a function that is an operator of itself",
    multiplying_functions: "SavedModel: functions in functions, each called twice",
    deep_functions: "SavedModel: functions in functions, 3,000 deep",
    type_of_an_output: "SavedModel: an output of a type that Python makes up",
    doubled_function: "SavedModel: two functions of one name",
}

_FOLDER = {
    linked_variables: "SavedModel: weights by a link",
    linked_asset: "SavedModel: an asset by a link",
    linked_folder: "SavedModel: a folder by a link",
    pipe: "SavedModel: a pipe that never answers",
    endless_file: "SavedModel: a file without end",
}

ATTACKS = [
    *(Attack(source, source, _edited(change)) for change, source in _GRAPH.items()),
    *(Attack(source, source, _folder(change)) for change, source in _FOLDER.items()),
    Attack("SavedModel: two graphs", "SavedModel: two graphs", two_graphs),
]
