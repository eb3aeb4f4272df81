"""Models as they come from the library, with seeded random weights.

Cost does not depend on the weights' values. They are drawn so that a signal reaches the outputs,
also after pruning, because outputs that do not depend on the inputs would agree whatever a kernel
did: few weights of a filter hold most of its energy, its variance is that of He et al. 2015,
"Delving Deep into Rectifiers", section 2.2, and batch normalization gets the statistics of random
inputs.
"""

from typing import Any

import numpy as np

CIFAR_BLOCKS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (1, 256)]

ARCHITECTURES = {
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Large": 64,
    "MobileNetV3Small": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "NASNetMobile": 64,
    "DenseNet121": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "Xception": 71,
    "InceptionV3": 75,
    "ConvNeXtTiny": 64,
}
"""Architectures of ``keras.applications``, and an input size that an emulator manages."""


def application(keras: Any, name: str, size: int) -> Any:
    """One of ``keras.applications`` for square images of ``size`` pixels."""
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    return seeded(model)


def separable_net(
    keras: Any,
    shape: tuple[int, int, int],
    stem: tuple[int, Any, Any],
    blocks: list[tuple[int, int]],
    classes: int,
) -> Any:
    """A stem (filters, kernel, stride) and separable blocks of (stride, filters), all SAME."""
    layers = keras.layers

    def activated(x: Any) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    x = inputs = layers.Input(shape)
    filters, kernel, stride = stem
    x = activated(layers.Conv2D(filters, kernel, stride, "same", use_bias=False)(x))
    for stride, filters in blocks:
        x = activated(layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(x))
        x = activated(layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return seeded(keras.Model(inputs, layers.Dense(classes, activation="softmax")(x)))


def cifar_mobilenet(keras: Any) -> Any:
    """A 3x3 stride-1 stem of 32 and six separable blocks up to 256, for 32x32x3."""
    return separable_net(keras, (32, 32, 3), (32, 3, 1), CIFAR_BLOCKS, 10)


def keyword_net(keras: Any) -> Any:
    """DS-CNN-L's shape: 49x10x1 in, a 10x4 stem of 276, five separable blocks of 276.

    Source: Zhang et al. 2017, "Hello Edge", table of DS-CNN's hyperparameters.
    """
    return separable_net(
        keras, (49, 10, 1), (276, (10, 4), (2, 1)), [(2, 276)] + [(1, 276)] * 4, 12
    )


SPREAD = 1.5
"""Standard deviation of the logarithm of weights: a tenth of them hold 96 % of the energy."""


def seeded(model: Any, seed: int = 0) -> Any:
    """Draws every weight anew."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name = (getattr(weight, "path", None) or weight.name).lower()
        shape = tuple(weight.shape)
        values = _drawn(rng, name, shape)
        if values is not None:
            weight.assign(values.astype(np.float32))
    _normalize(model, rng)
    return model


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Any:
    if len(shape) >= 2:
        values = np.exp(SPREAD * rng.standard_normal(shape)) * rng.choice([-1, 1], shape)
        inputs = (0, 1) if "depthwise" in name else tuple(range(len(shape) - 1))
        energy = np.square(values).sum(axis=inputs, keepdims=True)
        return values * np.sqrt(2 / energy)
    if "gamma" in name or "variance" in name:
        return rng.uniform(0.8, 1.2, shape)
    if "beta" in name or "bias" in name or "mean" in name:
        return rng.normal(size=shape) * 0.1
    return None


def _normalize(model: Any, rng: np.random.Generator) -> None:
    """Gives batch normalization the statistics of one batch of random inputs."""
    layers = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    inputs = rng.random((16, *model.input_shape[1:])) * rng.random((16, 1, 1, 1))
    model(inputs.astype(np.float32), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
