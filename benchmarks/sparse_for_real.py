"""Does a sparse model run sparse on an Arm core? MobileNetV1 1.0 at 224, emulated Cortex-A72.

``eligible`` is MobileNetV1 with every stride-2 convolution as ZeroPadding2D(1) and VALID, ReLU6,
global pooling and Dense(1000): XNNPACK can run it sparse as it is. ``stock`` is
``keras.applications.MobileNet`` as it comes. Weights are random, since cost does not
depend on them, but scaled so that a signal reaches the end.

    python benchmarks/sparse_for_real.py [FOLDER]
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
BLOCKS += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def eligible(keras: Any) -> Any:
    """MobileNetV1 1.0, 224 x 224, padded as XNNPACK's sparse kernels want it."""
    layers = keras.layers

    def activated(x: Any) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    x = inputs = layers.Input((224, 224, 3))
    x = layers.ZeroPadding2D(1)(x)
    x = activated(layers.Conv2D(32, 3, 2, "valid", use_bias=False)(x))
    for filters, stride in BLOCKS:
        if stride == 2:
            x = layers.ZeroPadding2D(1)(x)
        padding = "valid" if stride == 2 else "same"
        x = activated(layers.DepthwiseConv2D(3, stride, padding, use_bias=False)(x))
        x = activated(layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000)(x))


def deploy(model: Path, output: Path, *options: str) -> dict[str, Any]:
    """The command that a user would type."""
    argv = [sys.executable, "-m", "edgeprune", "deploy", str(model), "--board", "rpi4-emulated"]
    argv += ["--sparsity", "0.9", *options, "--output", str(output), "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=3600)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    """Prints one line per model and storage."""
    import keras

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    for name, model in (
        ("eligible", eligible(keras)),
        ("stock", keras.applications.MobileNet(weights=None)),
    ):
        for layer in model.layers:  # so large that the outputs depend on the inputs
            layer.set_weights([8 * w if w.ndim == 4 else w for w in layer.get_weights()])
        model.save(folder / f"{name}.keras")
    rows = []
    for name, quantize in (
        ("eligible", "none"),
        ("eligible", "fp16"),
        ("eligible", "int8-weights"),
        ("stock", "none"),
    ):
        result = deploy(
            folder / f"{name}.keras", folder / f"{name}-{quantize}", "--quantize", quantize
        )
        dense, deployed = result["variants"]
        ran = [v["instructions"]["per_inference"] / 1e6 for v in (dense, deployed)]
        rows.append(
            f"{name:9} {quantize:13} {ran[0]:8.1f} M {ran[1]:8.1f} M {ran[0] / ran[1]:6.2f}x "
            f"{deployed['sparse_layers_run']:3} ran sparse  {dense['bytes']:>10,} -> "
            f"{deployed['bytes']:>10,} bytes  max difference "
            f"{deployed['parity']['max_abs_diff']:.1e}"
        )
    print("model     storage           dense   deployed  fewer")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
