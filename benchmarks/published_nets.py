"""The networks of ``published_latencies.toml``, rebuilt from their published descriptions.

Weights are random: what a kernel costs does not depend on them, only on which of them are zero.
"""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import edgeprune
from edgeprune.convert import convert
from edgeprune.devices.boards import Cpu
from edgeprune.load import load
from edgeprune.models.keras.flavours import import_keras
from edgeprune.quantize import quantize
from edgeprune.rewrite import rewrite
from edgeprune.sparsify import sparsify

BACKBONES = {"0": (1.0, 1.0, 320, 64, 3), "1": (1.0, 1.1, 384, 88, 4), "2": (1.1, 1.2, 448, 112, 5)}
"""EfficientDet-Lite: factors of width and depth, side, channels and cells of the pyramid.

Source: google/automl 6a54c874, efficientdet/hparams_config.py and
efficientdet/backbone/efficientnet_lite_builder.py. Boxes and classes take three layers each.
"""

STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
"""EfficientNet-Lite0: repeats, kernel, stride, expansion and channels. Source: the same file."""

NODES = ((3, (3, 4)), (2, (2, 5)), (1, (1, 6)), (0, (0, 7)), (1, (1, 7, 8)), (2, (2, 6, 9)),
         (3, (3, 5, 10)), (4, (4, 11)))  # fmt: skip
"""A cell of the pyramid: each node's level, and what it adds up.

Source: google/automl 6a54c874, efficientdet/tf2/fpn_configs.py, ``bifpn_config``.
"""


class Detector:
    """EfficientDet-Lite, without the operator that picks boxes from the outputs."""

    def __init__(self, keras: Any, size: str) -> None:
        self.layers = keras.layers
        self.width, self.depth, self.side, self.filters, self.cells = BACKBONES[size]
        inputs = self.layers.Input((self.side, self.side, 3), batch_size=1)
        levels = self.pyramid(self.backbone(inputs))
        heads = [self.head(levels, 9 * 90), self.head(levels, 9 * 4)]
        heads[0] = self.layers.Activation("sigmoid")(heads[0])
        self.model = keras.Model(inputs, heads)

    def convolved(self, x: Any, filters: int, kernel: int = 1, stride: int = 1) -> Any:
        """A convolution with its normalization."""
        x = self.layers.Conv2D(filters, kernel, stride, "same")(x)
        return self.layers.BatchNormalization()(x)

    def relu6(self, x: Any) -> Any:
        """The only activation."""
        return self.layers.ReLU(6.0)(x)

    def backbone(self, x: Any) -> list[Any]:
        """EfficientNet-Lite's maps at strides 8, 16 and 32."""
        x = self.relu6(self.convolved(x, 32, 3, 2))
        maps = []
        for number, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
            is_scaled = 0 < number < len(STAGES) - 1
            filters = rounded(channels * self.width)
            for i in range(-int(-repeats * self.depth // 1) if is_scaled else repeats):
                before, step = x, stride if i == 0 else 1
                if expansion > 1:
                    x = self.relu6(self.convolved(x, expansion * x.shape[-1]))
                x = self.layers.DepthwiseConv2D(kernel, step, "same", use_bias=False)(x)
                x = self.relu6(self.layers.BatchNormalization()(x))
                x = self.convolved(x, filters)
                if step == 1 and before.shape[-1] == filters:
                    x = self.layers.Add()([x, before])
            if number in (2, 4, 6):
                maps.append(x)
        return maps

    def pyramid(self, levels: list[Any]) -> list[Any]:
        """Two coarser levels, and all five through every cell."""
        for _ in range(2):
            side = -(-levels[-1].shape[1] // 2)
            levels.append(self.resampled(levels[-1], side))
        sides = [level.shape[1] for level in levels]
        for _ in range(self.cells):
            maps = list(levels)
            for level, given in NODES:
                x = [self.resampled(maps[i], sides[level]) for i in given]
                total = x[0]
                for other in x[1:]:
                    total = self.layers.Add()([total, other])
                x = self.layers.SeparableConv2D(self.filters, 3, padding="same")(self.relu6(total))
                maps.append(self.layers.BatchNormalization()(x))
            levels = [maps[i] for i in (8, 9, 10, 11, 12)]
        return levels

    def resampled(self, x: Any, side: int) -> Any:
        """A map with the pyramid's channels at another size."""
        if x.shape[-1] != self.filters:
            x = self.convolved(x, self.filters)
        if x.shape[1] > side:
            return self.layers.MaxPooling2D(3, 2, "same")(x)
        if x.shape[1] < side:
            return self.layers.Resizing(side, side, "nearest")(x)
        return x

    def head(self, levels: list[Any], outputs: int) -> Any:
        """What every level says, behind one another: the same weights, other normalizations."""
        shared = [self.layers.SeparableConv2D(self.filters, 3, padding="same") for _ in range(3)]
        last = self.layers.SeparableConv2D(outputs, 3, padding="same")
        found = []
        for x in levels:
            for layer in shared:
                x = self.relu6(self.layers.BatchNormalization()(layer(x)))
            found.append(self.layers.Reshape((-1, outputs // 9))(last(x)))
        return self.layers.Concatenate(axis=1)(found)


def rounded(channels: float) -> int:
    """To the next multiple of eight, at least nine tenths. Source: ``round_filters`` there."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def application(keras: Any, name: str, width: str) -> Any:
    """One of ``keras.applications``; ``width`` is empty where the architecture has no factor."""
    make = getattr(keras.applications, name)
    shape = (240, 240, 3) if name == "EfficientNetB1" else (224, 224, 3)
    options = {"alpha": float(width)} if width else {}
    return make(weights=None, input_shape=shape, classifier_activation=None, **options)


DENSE = {
    "mobilenet-v1": "MobileNet", "mobilenet-v2": "MobileNetV2",
    "mobilenet-v3-large": "MobileNetV3Large", "mobilenet-v3-small": "MobileNetV3Small",
    "efficientnet-b0": "EfficientNetB0", "efficientnet-b1": "EfficientNetB1",
}  # fmt: skip

BLOCKS = {"mobilenet-v1": ("4x1", ("conv_pw_13",)),
          "mobilenet-v2": ("2x1", tuple(f"block_{i}_*" for i in range(11, 17)))}  # fmt: skip
"""Layers whose zeros come in blocks of output channels.

Source: google-research, fastconvnets/README.md, and its files' names: `12b4` counts from 0, and so
does `11-16b2`.
"""

CLASSIFIERS = {"mobilenet-v1": ("conv_preds",), "mobilenet-v2": ("predictions",)}
"""Last layers that stay dense, as all stems do. Source: the same file."""


def is_pointwise(layer: Any) -> bool:
    """Whether sparse kernels exist for it."""
    kind = type(layer).__name__
    return kind == "Dense" or (kind == "Conv2D" and tuple(layer.kernel_size) == (1, 1))


def sparse(model: Any, architecture: str, sparsity: float, *, in_blocks: bool) -> Any:
    """The model with zeros in every pointwise layer, as many in each."""
    rest = {"sparsity": sparsity, "allocation": "uniform"}
    ignored = CLASSIFIERS.get(architecture, ())
    if in_blocks:
        pattern, blocked = BLOCKS[architecture]
        others = [one.name for one in model.layers if is_pointwise(one)]
        others = [one for one in others if not any(fnmatch(one, given) for given in blocked)]
        model = edgeprune.prune(model, pattern=pattern, ignored=tuple(others), **rest).keras
        ignored += blocked
    return edgeprune.prune(model, pattern="unstructured", ignored=ignored, **rest).keras


def keras_model(name: str) -> Any:
    """What a cell calls a network, as ``mobilenet-v2-1.4-sparse-85-blocks``, without its -int8."""
    keras = import_keras("keras")
    keras.utils.set_random_seed(0)
    if name.startswith("efficientdet-lite"):
        return Detector(keras, name.removeprefix("efficientdet-lite")).model
    architecture = next(one for one in DENSE if name.startswith(one))
    width, _, zeros = name.removeprefix(architecture).partition("-sparse-")
    model = application(keras, DENSE[architecture], width.removeprefix("-"))
    if not zeros:
        return model
    share = int(zeros.removesuffix("-blocks")) / 100
    return sparse(model, architecture, share, in_blocks=zeros.endswith("-blocks"))


def network(folder: Path, name: str, cpu: Cpu) -> Path:
    """The file of a network, made where it is not there; a sparse one as a core runs it sparse."""
    path = folder / f"{name}.tflite"
    if path.exists():
        return path
    source = folder / f"{name}.keras"
    keras_model(name.removesuffix("-int8")).save(source)
    tflite = convert(load(source))
    source.unlink()
    if name.endswith("-int8"):
        tflite = quantize(tflite, "int8", None).tflite
    if "-sparse-" in name:
        done = sparsify(rewrite(tflite, cpu).tflite, cpu)
        stored = sum(one.encoded for one in done.tensors)
        print(f"{name}: {len(done.expected)} layers run sparse, {stored} are stored sparse")
        tflite = done.tflite
    path.write_bytes(tflite)
    return path
