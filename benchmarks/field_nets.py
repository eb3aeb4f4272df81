"""Networks as people bring them, each trained by plain Keras for a minute or two.

Some come from Keras 2 as ``.h5`` and some from Keras 3 as ``.keras``. Those of
``keras.applications`` begin with random weights and see 32 x 32 pixels: they are far from their
best, as networks of few samples are. Images and digits are those of ``../shared``; windows are
synthetic (``training_quality.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import training_quality
from PIL import Image
from training_quality import cifar, lenet, mobilenet, windows, windows_net

from edgeprune.models.keras.flavours import import_keras
from edgeprune.training.batch_norm import BatchNormStatistics

Ends = tuple[Any, Any]
"""Input and output of a network."""

KEYWORD_INPUT = (49, 10)
HELD_OUT = 6000
"""Samples that no command sees, where there are as many."""


@dataclass(frozen=True)
class Net:
    """One network of the table.

    Attributes:
        build: Gives input and output, by ``keras``; None takes the shared ResNet-8.
        data: Gives all samples and their targets.
        flavour: ``tf_keras`` or ``keras``.
        trained: Samples to train with.
        tested: Test samples for the command, half of which choose.
        epochs: Passes over the training samples.
        rate: Adam's first learning rate, which falls to 0 by half a cosine.
        loss: What is trained for.
    """

    build: Callable[[Any], Ends] | None
    data: Callable[[Path], tuple[np.ndarray, np.ndarray]]
    flavour: str = "tf_keras"
    trained: int = 6000
    tested: int = 4000
    epochs: int = 5
    rate: float = 2e-3
    loss: str = "sparse_categorical_crossentropy"


def shares(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """All 22,000 images, 0 to 1, and their labels."""
    x, y = cifar(folder)
    return x / 255, y


def digits(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """30,000 digits ``(28, 28, 1)``, 0 to 1, and their labels."""
    return training_quality.digits()


def spectrograms(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits in the keyword network's input: no speech is at hand."""
    x, y = digits(folder)
    size = KEYWORD_INPUT[::-1]
    pictures = [Image.fromarray((255 * one[..., 0]).astype(np.uint8)) for one in x]
    resized = [np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in pictures]
    return np.stack(resized)[..., None].astype(np.float32) / 255, y


def motions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """16,000 windows of three sensors, and the motion of each."""
    return windows()


def vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits as vectors, which are to be given back."""
    x = digits(folder)[0].reshape(-1, 784)
    return x, x


def masks(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """16,000 images with a digit drawn over them, half transparent, and where it lies."""
    rng, count = np.random.default_rng(7), 16_000
    x, _ = shares(folder)
    drawn, _ = digits(folder)
    x = x[:count].copy()
    y = np.zeros((count, 32, 32), int)
    for k in range(count):
        top, left = rng.integers(0, 5, 2)
        shape = drawn[k, ..., 0] > 0.4
        part = x[k, top : top + 28, left : left + 28]
        part[shape] = 0.5 * part[shape] + 0.5 * rng.random(3)
        y[k, top : top + 28, left : left + 28] = shape
    return x, y


def _normed(layers: Any, z: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(z))


def mlp(keras: Any) -> Ends:
    """Two hidden layers."""
    layers = keras.layers
    start = layers.Input((28, 28, 1))
    z = layers.Dense(256, "relu")(layers.Flatten()(start))
    return start, layers.Dense(10, "softmax")(layers.Dense(128, "relu")(z))


def keyword(keras: Any) -> Ends:
    """MLPerf Tiny's DS-CNN with 10 classes."""
    layers = keras.layers
    start = layers.Input((*KEYWORD_INPUT, 1))
    z = _normed(layers, layers.Conv2D(64, (10, 4), strides=2, padding="same")(start))
    for _ in range(4):
        z = _normed(layers, layers.DepthwiseConv2D(3, padding="same")(z))
        z = _normed(layers, layers.Conv2D(64, 1)(z))
    z = layers.AveragePooling2D((25, 5))(layers.Dropout(0.3)(z))
    return start, layers.Dense(10, "softmax")(layers.Flatten()(z))


def tcn(keras: Any) -> Ends:
    """Causal convolutions, each twice as dilated as the one before, with residuals."""
    layers = keras.layers
    start = layers.Input((128, 3))
    z = layers.Conv1D(32, 1)(start)
    for dilation in (1, 2, 4, 8):
        inner = layers.Conv1D(32, 3, dilation_rate=dilation, padding="causal")(z)
        inner = layers.Conv1D(32, 1)(_normed(layers, inner))
        z = layers.ReLU()(layers.Add()([z, inner]))
    return start, layers.Dense(6, "softmax")(layers.GlobalAveragePooling1D()(z))


def lstm(keras: Any) -> Ends:
    """One LSTM over every fourth step of a convolution."""
    layers = keras.layers
    start = layers.Input((128, 3))
    z = layers.LSTM(48)(layers.Conv1D(32, 5, strides=4, padding="same", activation="relu")(start))
    return start, layers.Dense(6, "softmax")(z)


def gru(keras: Any) -> Ends:
    """The same with a GRU."""
    layers = keras.layers
    start = layers.Input((128, 3))
    z = layers.GRU(48)(layers.Conv1D(32, 5, strides=4, padding="same", activation="relu")(start))
    return start, layers.Dense(6, "softmax")(z)


def unet(keras: Any) -> Ends:
    """Two levels down and up, with skip connections."""
    layers = keras.layers
    start = z = layers.Input((32, 32, 3))
    kept = []
    for filters in (16, 32):
        z = _normed(layers, layers.Conv2D(filters, 3, padding="same")(z))
        kept.append(z)
        z = layers.MaxPooling2D()(z)
    z = _normed(layers, layers.Conv2D(64, 3, padding="same")(z))
    for filters, beside in zip((32, 16), reversed(kept), strict=True):
        z = layers.Conv2DTranspose(filters, 2, strides=2)(z)
        z = layers.Concatenate()([z, beside])
        z = _normed(layers, layers.Conv2D(filters, 3, padding="same")(z))
    return start, layers.Conv2D(2, 1, activation="softmax")(z)


def autoencoder(keras: Any) -> Ends:
    """The shape of MLPerf Tiny's anomaly detector, on digits."""
    layers = keras.layers
    start = z = layers.Input((784,))
    for width in (128, 128, 16, 128, 128):
        z = _normed(layers, layers.Dense(width)(z))
    return start, layers.Dense(784)(z)


def resnet20(keras: Any) -> Ends:
    """He et al. 2016's for CIFAR-10."""
    layers = keras.layers
    start = layers.Input((32, 32, 3))
    z = _normed(layers, layers.Conv2D(16, 3, padding="same")(start))
    for filters, first in ((16, 1), (32, 2), (64, 2)):
        for stride in (first, 1, 1):
            inner = _normed(layers, layers.Conv2D(filters, 3, stride, padding="same")(z))
            inner = layers.Conv2D(filters, 3, padding="same")(inner)
            inner = layers.BatchNormalization(momentum=0.9)(inner)
            beside = z if stride == 1 else layers.Conv2D(filters, 1, stride)(z)
            z = layers.ReLU()(layers.Add()([inner, beside]))
    return start, layers.Dense(10, "softmax")(layers.GlobalAveragePooling2D()(z))


def all_convolutional(keras: Any) -> Ends:
    """Springenberg et al. 2015's, with a third of the channels."""
    layers = keras.layers
    start = z = layers.Input((32, 32, 3))
    for filters, kernel, stride in (
        (32, 3, 1), (32, 3, 2), (64, 3, 1), (64, 3, 2), (64, 3, 1), (64, 1, 1),
    ):  # fmt: skip
        z = layers.Conv2D(filters, kernel, stride, padding="same", activation="relu")(z)
    z = layers.GlobalAveragePooling2D()(layers.Conv2D(10, 1)(z))
    return start, layers.Softmax()(z)


def vgg(keras: Any) -> Ends:
    """Pairs of 3 x 3 convolutions, pooled, and two dense layers."""
    layers = keras.layers
    start = z = layers.Input((32, 32, 3))
    for filters in (32, 64, 64):
        for _ in range(2):
            z = _normed(layers, layers.Conv2D(filters, 3, padding="same")(z))
        z = layers.MaxPooling2D()(z)
    z = layers.Dropout(0.3)(layers.Dense(128, "relu")(layers.Flatten()(z)))
    return start, layers.Dense(10, "softmax")(z)


def squeezenet(keras: Any) -> Ends:
    """Fire modules of Iandola et al. 2016."""
    layers = keras.layers
    start = layers.Input((32, 32, 3))
    z = layers.Conv2D(32, 3, padding="same", activation="relu")(start)
    for squeezed, widened, pools in ((8, 32, True), (8, 32, False), (16, 64, True), (24, 96, True)):
        z = layers.MaxPooling2D()(z) if pools else z
        z = layers.Conv2D(squeezed, 1, activation="relu")(z)
        wide = [
            layers.Conv2D(widened, size, padding="same", activation="relu")(z) for size in (1, 3)
        ]
        z = layers.Concatenate()(wide)
    z = layers.GlobalAveragePooling2D()(layers.Conv2D(10, 1)(layers.Dropout(0.2)(z)))
    return start, layers.Softmax()(z)


def application(name: str, **options: Any) -> Callable[[Any], Ends]:
    """One of ``keras.applications``."""

    def build(keras: Any) -> Ends:
        whole = getattr(keras.applications, name)(
            weights=None, classes=10, input_shape=(32, 32, 3), **options
        )
        return whole.input, whole.output

    return build


def by_layers(build: Callable[[Any], Ends]) -> Callable[[Any], Ends]:
    """A network of ``training_quality.py``, which takes the layers alone."""
    return lambda keras: build(keras.layers)


NETS = {
    "lenet": Net(by_layers(lenet), digits, trained=12_000, epochs=3, rate=1e-3),
    "mlp": Net(mlp, digits, "keras", 12_000, 400, 4, 1e-3),
    "keyword": Net(keyword, spectrograms, epochs=6, trained=10_000),
    "windows": Net(by_layers(windows_net), motions, "keras", epochs=6),
    "tcn": Net(tcn, motions, "keras", tested=1000, epochs=6),
    "lstm": Net(lstm, motions, epochs=8),
    "gru": Net(gru, motions, "keras", tested=400, epochs=8),
    "unet": Net(unet, masks, trained=4000, tested=1000, epochs=4),
    "autoencoder": Net(autoencoder, vectors, trained=12_000, epochs=8, loss="mse"),
    "resnet8": Net(None, cifar, trained=12_000, tested=2000),
    "resnet20": Net(resnet20, shares, "keras", 3000, epochs=4),
    "all-cnn": Net(all_convolutional, shares, epochs=8),
    "vgg": Net(vgg, shares, "keras", epochs=6),
    "squeezenet": Net(squeezenet, shares, tested=600, epochs=8),
    "mobilenet-like": Net(by_layers(mobilenet), shares, epochs=4),
    "MobileNet": Net(application("MobileNet", alpha=0.25), shares, epochs=8),
    "MobileNetV2": Net(application("MobileNetV2", alpha=0.35), shares, "keras", epochs=6),
    "MobileNetV3Small": Net(
        application("MobileNetV3Small"), cifar, trained=3000, tested=1000, epochs=4
    ),
    "EfficientNetB0": Net(
        application("EfficientNetB0"), cifar, trained=3000, tested=1000, epochs=3
    ),
    "DenseNet121": Net(application("DenseNet121"), shares, "keras", 3000, 1000, 3),
    "ResNet50V2": Net(application("ResNet50V2"), shares, trained=3000, tested=1000, epochs=3),
    "NASNetMobile": Net(application("NASNetMobile"), shares, "keras", 3000, 1000, 3),
}
"""The networks, by name."""


def trained(net: Net, x: np.ndarray, y: np.ndarray, file: Path) -> None:
    """Trains a network from scratch, as no edgeprune command does, and saves it."""
    keras = import_keras(net.flavour)  # type: ignore[arg-type]
    keras.utils.set_random_seed(0)
    if net.build is None:
        raise ValueError("the shared network is trained already")
    model = keras.Model(*net.build(keras))
    steps = net.epochs * -(-len(x) // 64)
    rate = keras.optimizers.schedules.CosineDecay(net.rate, steps)
    model.compile(keras.optimizers.Adam(rate), net.loss)
    model.fit(x, y, batch_size=64, epochs=net.epochs, verbose=2)
    # So few steps leave the moving averages of keras.applications far behind.
    BatchNormStatistics(model).measure(x, np.arange(len(x)), 64)
    model.save(file)
    keras.backend.clear_session()
