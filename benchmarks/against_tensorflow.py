"""TensorFlow's own path beside edgeprune's, on stock models and the emulated Cortex-A72.

TensorFlow: ``tensorflow_model_optimization`` prunes every pointwise and dense kernel to a constant
sparsity, then the converter runs with ``Optimize.EXPERIMENTAL_SPARSITY``. edgeprune: the same
kernels and sparsity, ``edgeprune deploy --board rpi4-emulated``. Neither trains: cost does not
depend on the weights' values. Instructions per inference of both are counted on the same emulated
board, with the same runtime, and outputs compared on four inputs (a user's ``deploy`` takes 16).

    pip install tensorflow-model-optimization
    python benchmarks/against_tensorflow.py FOLDER [MODEL ...]
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # all that tensorflow_model_optimization accepts
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
from stock_models import application, cifar_mobilenet, keyword_net

RECIPE = "[verify]\nsamples = 4\n"
SHARED = Path(__file__).resolve().parents[2] / "shared"
WAYS = (  # name of the row, options of edgeprune
    ("unstructured", ("--pattern", "unstructured", "--quantize", "none")),
    ("kernel blocks", ("--pattern", "kernel", "--quantize", "none")),
    ("blocks, int8 storage", ("--pattern", "kernel", "--quantize", "int8-weights")),
)


def models(keras: Any) -> dict[str, tuple[Any, float]]:
    """Name to a function that makes the model, and its sparsity."""
    return {
        "MobileNet": (lambda: application(keras, "MobileNet", 224), 0.9),
        "MobileNetV2": (lambda: application(keras, "MobileNetV2", 224), 0.85),
        "MobileNetV3Large": (lambda: application(keras, "MobileNetV3Large", 224), 0.85),
        "EfficientNetB0": (lambda: application(keras, "EfficientNetB0", 224), 0.85),
        "CIFAR-MobileNet": (lambda: cifar_mobilenet(keras), 0.9),
        "DS-CNN-L": (lambda: keyword_net(keras), 0.9),
        "DS-CNN": (lambda: keras.models.load_model(SHARED / "models" / "kws_ref_model"), 0.9),
    }


def tensorflow_way(keras: Any, model: Any, sparsity: float) -> bytes:
    """Pruned by tensorflow_model_optimization, converted with the converter's own sparsity."""
    import tensorflow as tf
    from tensorflow_model_optimization.sparsity import keras as tfmot

    schedule = tfmot.ConstantSparsity(sparsity, 0, end_step=-1, frequency=1)

    def wrapped(layer: Any) -> Any:
        kind = type(layer).__name__
        is_pointwise = kind == "Conv2D" and set(layer.kernel_size) == {1} == set(layer.strides)
        if kind == "Dense" or is_pointwise:
            return tfmot.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    pruned = keras.models.clone_model(model, clone_function=wrapped)
    originals = {weight.name: weight for weight in model.weights}
    for weight in pruned.weights:
        plain = weight.name.replace("prune_low_magnitude_", "")
        if plain in originals and tuple(weight.shape) == tuple(originals[plain].shape):
            weight.assign(originals[plain])
    for layer in pruned.layers:
        if hasattr(layer, "pruning_obj"):
            layer.pruning_step.assign(1)
            layer.pruning_obj.conditional_mask_update()
            layer.pruning_obj.weight_mask_op()
    stripped = tfmot.strip_pruning(pruned)
    converter = tf.lite.TFLiteConverter.from_keras_model(stripped)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    return bytes(converter.convert())


def edgeprune(*arguments: str) -> Any:
    """The command that a user would type; returns its JSON."""
    argv = [sys.executable, "-m", "edgeprune", *arguments, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=7200)
    return json.loads(done.stdout)


def row(way: str, variant: Any, dense: float, rival_bytes: int) -> str:
    """One line of the table."""
    count = variant["instructions"]["per_inference"]
    parity = variant["parity"]
    return (
        f"    {way:22} {count / 1e6:8.2f} M {dense / count:6.2f}x "
        f"{variant['bytes']:>11,} bytes {variant['bytes'] / rival_bytes:5.2f} "
        f"{variant['sparse_layers_run']:4} sparse"
        + ("" if parity is None else f"   max difference {parity['max_abs_diff']:.1e}")
    )


def main() -> None:
    """Prints a block of lines a model."""
    import tf_keras as keras

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    board = ("--board", "rpi4-emulated")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    for name, (make, sparsity) in models(keras).items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        if name == "DS-CNN" and not SHARED.is_dir():
            print(f"{name}: the trained model is not at hand, not measured")
            continue
        np.random.seed(0)
        model = make()
        file = folder / f"{name}.h5"
        model.save(file)
        rival = folder / f"{name}-tensorflow.tflite"
        rival.write_bytes(tensorflow_way(keras, model, sparsity))
        found = edgeprune("run", str(rival), *board, "--output", str(folder / f"{name}-tf"))
        theirs = found["variants"][-1]
        lines = []
        for way, options in WAYS:
            output = folder / f"{name}-{way.split(',')[0].replace(' ', '-')}-{options[-1]}"
            asked = ("--recipe", str(recipe), "--sparsity", str(sparsity), *options)
            asked += ("--output", str(output))
            variants = edgeprune("deploy", str(file), *board, *asked)["variants"]
            dense = variants[0]["instructions"]["per_inference"]
            lines.append(row(way, variants[-1], dense, theirs["bytes"]))
        print(f"{name}, {sparsity:.0%}: dense {dense / 1e6:.2f} M, {variants[0]['bytes']:,} bytes")
        print(row("TensorFlow's own", theirs, dense, theirs["bytes"]))
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
