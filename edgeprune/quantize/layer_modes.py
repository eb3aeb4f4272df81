"""Which operator is stored and computed in which mode, by the layers that a user names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edgeprune.models.select import chosen
from edgeprune.models.tflite import graph
from edgeprune.models.tflite.layer_names import layer_name, short_name
from edgeprune.recipe.quantize_table import LayerMode

UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that, on constants, belong to the layer that reads them."""

_NUMBER = re.compile(r"_\d+$")


def name_of(subgraph: graph.Subgraph, op: graph.Operator) -> str:
    """A layer's name, as ``explain`` has it: that of its operator's first output."""
    return graph.tensor_name(subgraph.tensors[int(op.outputs[0])]) if len(op.outputs) else ""


def layers_of(model: graph.Model) -> dict[str, str]:
    """Each layer's name and operator, as ``CONV_2D``, in the file's order.

    Operators that only unpack weights are none.
    """
    found: dict[str, str] = {}
    for subgraph in model.subgraphs:
        computed = {int(index) for index in subgraph.inputs}
        for op in subgraph.operators:
            kind = graph.op_name(model, op)
            if kind not in UNPACKING or any(int(i) in computed for i in op.inputs):
                computed.update(int(out) for out in op.outputs)
                if name := name_of(subgraph, op):
                    found[name] = kind
    return found


def layer_modes(
    layers: Mapping[str, str], mode: str, entries: Sequence[LayerMode]
) -> dict[str, str]:
    """The mode of each layer.

    A layer is found by its whole name, by what ``explain`` shows of it, by the path (``block1/c``)
    or own name (``c``) of the layer that it comes from, or of the activation that is fused into it;
    and where nothing has exactly that name, without the number that TensorFlow puts behind a Keras
    layer's (``c`` for ``c_1``).

    Args:
        layers: As :func:`layers_of` gives them.
        mode: That of layers which no entry names.
        entries: Of the recipe's table ``[quantize]``; later ones win.

    Raises:
        ModelError: An entry fits no layer; the message says names close to it.
    """
    modes = dict.fromkeys(layers, mode)
    for entry in entries:
        modes |= dict.fromkeys(named(entry.layer, layers), entry.mode)
    return modes


def named(layer: str, layers: Mapping[str, str]) -> list[str]:
    """The layers that a name or a pattern of the shell stands for.

    Raises:
        ModelError: There is none; the message says names close to it.

    >>> named("c", {"m/r_1/Relu;m/c_1/Conv2D": "CONV_2D", "m/d/MatMul": "FULLY_CONNECTED"})
    ['m/r_1/Relu;m/c_1/Conv2D']
    """
    forms = {name: forms_of(name, kind) for name, kind in layers.items()}
    plain = {name: [_NUMBER.sub("", form) for form in own] for name, own in forms.items()}
    is_exact = any(form == layer for own in forms.values() for form in own)
    if not is_exact and any(form == layer for own in plain.values() for form in own):
        forms = plain
    shown = [own_name(name) for name in layers]
    return chosen(layer, forms, shown, "layer to quantize")


def carried(modes: Mapping[str, str], layers: Mapping[str, str], mode: str) -> dict[str, str]:
    """The modes of a model's layers as those of the same model rewritten.

    A rewrite names a layer after one of those that were fused into it, and what it splits with the
    layer's name in front.

    Args:
        modes: Of the layers before.
        layers: Those after, as :func:`layers_of` gives them.
        mode: Of layers that stand for none from before.

    >>> carried({"r/Relu;m/c/Conv2D": "fp16"}, {"m/c/Conv2D": "CONV_2D", "n/add": "ADD"}, "none")
    {'m/c/Conv2D': 'fp16', 'n/add': 'none'}
    """
    before = {short_name(name): own for name, own in modes.items()} | dict(modes)
    paths = {layer_name(name): own for name, own in modes.items()}
    found: dict[str, str] = {}
    for name in layers:
        path = layer_name(name)
        while path not in paths and "/" in path:
            path = path.rpartition("/")[0]
        found[name] = before.get(name, paths.get(path, mode))
    return found


def own_name(name: str) -> str:
    """The shortest name that says which layer it is.

    >>> own_name("m/r_1/Relu;m/block/c_1/BiasAdd/ReadVariableOp/resource;m/block/c_1/Conv2D1")
    'c_1'
    """
    path = layer_name(name)
    if path == short_name(name):  # its kind is no layer with weights: the last part is what it does
        path = path.rpartition("/")[0] or path
    return path.rpartition("/")[2]


def entries_of(
    modes: Mapping[str, str], layers: Mapping[str, str], mode: str
) -> tuple[LayerMode, ...]:
    """Entries of ``[quantize] layers`` that give layers these modes, and no other layer another.

    A layer whose whole name is part of another's as well comes first, with an entry behind it that
    sets the other one right.

    Args:
        modes: Whole names of layers to their modes.
        layers: As :func:`layers_of` gives them.
        mode: That of all other layers.

    >>> entries_of({"d": "none"}, {"m/d/MatMul": "FULLY_CONNECTED", "d": "SOFTMAX"}, "int8")
    (LayerMode(layer='d', mode='none'), LayerMode(layer='m/d', mode='int8'))
    """
    words = {name: spoken(name, layers) for name in layers if name in modes}
    shared = [name for name, word in words.items() if named(word, layers) != [name]]
    entries = [LayerMode(words[name], modes[name]) for name in shared]
    entries += [
        LayerMode(spoken(other, layers), mode)
        for name in shared
        for other in named(words[name], layers)
        if other not in modes
    ]
    entries += [LayerMode(word, modes[name]) for name, word in words.items() if name not in shared]
    return tuple(entries)


def spoken(name: str, layers: Mapping[str, str]) -> str:
    """The shortest name of a layer that no other one has.

    Args:
        name: Its whole name.
        layers: As :func:`layers_of` gives them.

    >>> spoken("m/b1/c/Conv2D", dict.fromkeys(["m/b1/c/Conv2D", "m/b2/c/Conv2D"], "CONV_2D"))
    'b1/c'
    """
    others = {
        form for other, kind in layers.items() if other != name for form in forms_of(other, kind)
    }
    path = layer_name(name)
    short = [own_name(name), path.partition("/")[2], path, short_name(name)]
    return next((form for form in short if form and form not in others), name)


def forms_of(name: str, kind: str) -> list[str]:
    """All names of a layer, its whole one first.

    Of a layer with weights only the activation's and its own: constants that several layers share
    bring other layers' names with them.
    """
    parts = name.split(";")
    if kind in graph.FILTER_OPERANDS:
        parts = [short_name(name), parts[0]]
    forms = [name]
    for part in parts:
        layer = layer_name(part)
        if layer == part:
            layer = part.rpartition("/")[0] or part
        forms += [part, layer, layer.partition("/")[2] or layer, layer.rpartition("/")[2]]
    return list(dict.fromkeys(forms))
