"""What 80 % sparsity costs MLPerf Tiny's ResNet-8 (Keras 2.4, CIFAR-10) after fine-tuning.

Prints accuracies of the dense model as it comes, of the dense model trained exactly as long as the
pruned one, and of the pruned one, all on the same 2,000 test images. ``paying`` prunes what has a
sparse kernel (1x1 convolutions and dense layers), ``all`` every convolution as well.

    python benchmarks/accuracy_resnet8.py [FOLDER]
"""

import io
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"


def decoded(source: Path, target: Path) -> None:
    """CIFAR-10 out of its JPEGs: uint8 images (n, 32, 32, 3) and their labels."""
    packed = np.load(source)
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        jpegs, offsets = packed[f"jpeg_{part}"], packed[f"offset_{part}"]
        images = [
            np.asarray(Image.open(io.BytesIO(jpegs[a:b].tobytes())))
            for a, b in itertools.pairwise(offsets)
        ]
        arrays[f"x_{part}"], arrays[f"y_{part}"] = np.stack(images), packed[f"y_{part}"]
    np.savez(target, **arrays)


def main() -> None:
    """Prints one line per set of pruned layers."""
    if not SHARED.is_dir():
        sys.exit("the trained model and CIFAR-10 are not at hand: nothing measured")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "cifar10.npz"
    if not data.exists():
        decoded(SHARED / "data" / "cifar10.npz", data)
    for layers in ("paying", "all"):
        recipe = folder / f"{layers}.toml"
        recipe.write_text(f'[prune]\nsparsity = 0.8\nlayers = "{layers}"\nepochs = 6\n')
        argv = [sys.executable, "-m", "edgeprune", "deploy", "--board", "local", "--json"]
        argv += [str(SHARED / "models" / "pretrainedResnet.h5"), "--data", str(data)]
        argv += ["--recipe", str(recipe), "--output", str(folder / layers)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=3600)
        for variant in json.loads(done.stdout)["variants"]:
            accuracy = variant["accuracy"]
            print(
                f"{layers:7} {variant['name']:17} sparsity {variant['sparsity']:6.1%}  "
                f"{variant['bytes']:>9,} bytes  top-1 {accuracy['value']:.4f} "
                f"on {accuracy['samples']} images"
            )


if __name__ == "__main__":
    main()
