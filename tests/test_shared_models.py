"""Every real model that lies beside the project deploys; without any there is nothing to test."""

import itertools
import json

import pytest
from beside import shared_models
from full_range import also

from edgeprune import cli

MODELS = shared_models()


STORAGES = ["none", "fp16", "int8-weights", "int8", "int16x8"]


def is_quantized(model):
    """All ``.tflite`` files that lie there are."""
    return model.suffix == ".tflite"


def pairs():
    """Every model with every storage; the suite has each model and each storage once."""
    trained = [model for model in MODELS if not is_quantized(model)]
    shown = {(model, "none") for model in MODELS if is_quantized(model)}
    shown |= {(trained[k % len(trained)], s) for k, s in enumerate(STORAGES) if trained}
    shown |= {(model, "int8") for model in MODELS[-1:]}
    for pair in itertools.product(MODELS, STORAGES):
        name = f"{pair[0].name}-{pair[1]}"
        yield pytest.param(*pair, id=name) if pair in shown else also(*pair, id=name)


@pytest.mark.parametrize(("model", "quantize"), list(pairs()))
def test_a_model_deploys_in_a_storage(model, quantize, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast.toml").write_text("[verify]\nsamples = 4\n")
    argv = ["deploy", str(model), "--board", "local", "--output", "out", "--json"]
    argv += ["--sessions", "1", "--runs", "2"]
    if not is_quantized(model):
        argv += ["--recipe", "fast.toml", "--quantize", quantize]
    elif quantize != "none":
        argv += ["--quantize", quantize]
    with pytest.raises(SystemExit) as done:
        cli.main(argv)
    out, err = capsys.readouterr()
    if is_quantized(model) and quantize != "none":
        assert done.value.code == 2 and "already quantized" in err
    else:
        assert done.value.code == 0, err
        assert all(v["parity"] is not None for v in json.loads(out)["variants"])
