"""Every real model that lies beside the project deploys; without any there is nothing to test."""

import json
from pathlib import Path

import pytest

from edgeprune import cli

SHARED = Path(__file__).resolve().parents[2] / "shared" / "models"
MODELS = sorted(path for path in SHARED.glob("*") if path.suffix != ".md")


@pytest.mark.parametrize("quantize", ["none", "fp16", "int8-weights", "int8", "int16x8"])
def test_every_model_deploys_in_every_storage(quantize, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast.toml").write_text("[run]\nsessions = 1\nruns = 2\n[verify]\nsamples = 4\n")
    for model in MODELS:
        argv = ["deploy", str(model), "--board", "local", "--output", f"out-{model.name}", "--json"]
        is_quantized = model.suffix == ".tflite"  # all of those that lie there are
        if not is_quantized:
            argv += ["--recipe", "fast.toml", "--quantize", quantize]
        elif quantize != "none":
            argv += ["--quantize", quantize]
        with pytest.raises(SystemExit) as done:
            cli.main(argv)
        out, err = capsys.readouterr()
        if is_quantized and quantize != "none":
            assert done.value.code == 2 and "already quantized" in err
        else:
            assert done.value.code == 0, f"{model.name}: {err}"
            assert all(v["parity"] is not None for v in json.loads(out)["variants"])
