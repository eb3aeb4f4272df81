"""The public functions, called as a user calls them; nothing stands in for anything."""

import inspect
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nets
import numpy as np
import pytest
from keras_nets import build

import edgeprune
from edgeprune.errors import ConfigError, ModelError

FAST = "[run]\nsessions = 1\nruns = 2\nwarmup = 0\n[verify]\nsamples = 1\n[prune]\nepochs = 1\n"


class Page(HTMLParser):
    """What a browser would make of it; every tag must be closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href", "onclick", "onload"} & dict(attrs).keys()
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "net<b>.tflite").write_bytes(nets.eligible(0.0))
    (tmp_path / "fast.toml").write_text(FAST)
    return tmp_path


def test_a_run_is_an_object_that_a_notebook_shows_and_nothing_is_printed(here, capfd):
    found = edgeprune.run(here / "net<b>.tflite", "local", sessions=1, runs=2, output="out")
    assert capfd.readouterr() == ("", "")
    assert found.result.board == "local" and found.folder == Path("out")
    assert found.to_dict()["board"] == "local"
    assert (here / "out" / "result.json").is_file()
    assert found.speedup is None  # one network alone
    page = Page(found._repr_html_())
    assert "net<b>.tflite on local" in page.text and "b" not in page.tags
    assert repr(found).startswith("<edgeprune.Deployment on local: ")
    assert "\n" not in repr(found)


def test_a_keras_model_and_arrays_in_memory_are_deployed_and_compared(here, capfd):
    rng = np.random.default_rng(0)
    x = rng.random((64, 6, 6, 3), dtype=np.float32)
    data = {"x_train": x, "y_train": np.arange(64) % 4, "x_test": x, "y_test": np.arange(64) % 4}
    heard = []
    deployed = edgeprune.deploy(
        build("keras", "sequential"),
        board="local",
        data=data,
        progress=heard.append,
        recipe="fast.toml",
        sparsity=0.5,
        allow_weak=True,
        output=here / "one",
    )
    assert capfd.readouterr() == ("", "")
    assert "prune ..." in heard and any(line.startswith("prune: epoch 1/1") for line in heard)
    names = [variant.name for variant in deployed.result.variants]
    assert names[:2] == ["dense", "deployed"]
    assert deployed.result.recipe["prune"]["sparsity"] == 0.5
    page = Page(deployed._repr_html_())
    for word in ("dense", "deployed", "file", "accuracy", str(here / "one")):
        assert word in page.text
    same = edgeprune.compare(deployed, here / "one", max_regression=0.05)
    assert same.regressions == () and {change.variant for change in same.changes} >= {"deployed"}
    assert "deployed" in Page(same._repr_html_()).text
    assert repr(same).startswith("<edgeprune.Comparison ")
    assert same.text.startswith("#") or "|" in same.text


def test_a_model_is_explained_for_a_microcontroller(here, capfd):
    found = edgeprune.explain("net<b>.tflite", board="mps2-an386", what_if=True, max_size="1MB")
    assert capfd.readouterr() == ("", "")
    assert found.fits and "it fits on mps2-an386, with " in repr(found)
    assert [one.sparsity for one in found.what_if] == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert found.what_if[-1].planned.instructions < found.pushed.instructions
    page = Page(found._repr_html_())
    assert {"90% sparse", "as it is"} <= set(page.words)
    assert len(found.layers) == page.text.count("ep_s8_")
    assert not edgeprune.explain("net<b>.tflite", "mps2-an386", max_size=100).fits


def test_a_model_is_explained(here, capfd):
    found = edgeprune.explain("net<b>.tflite", board="rpi4", what_if=True)
    assert capfd.readouterr() == ("", "")
    assert [layer.name for layer in found.layers] and found.plan.dense_instructions > 0
    assert len(found.what_if) == 9
    assert repr(found) == (
        f"<edgeprune.Explanation: {len(found.plan.sparse)} of {len(found.layers)} layers would run "
        "sparse if stored so on rpi4>"
    )
    assert found.layers[0].reason in Page(found._repr_html_()).text


def test_what_nobody_measured_is_not_known(here):
    page = Page(edgeprune.explain("net<b>.tflite", board="local")._repr_html_())
    assert "not known" in page.text and " 0 " not in page.text


def test_a_model_is_compressed_to_a_file(here, capfd):
    found = edgeprune.compress(
        "net<b>.tflite", "out.tflite", board="rpi4", sparsity=0.9, verify=False
    )
    assert capfd.readouterr() == ("", "")
    assert found.path.stat().st_size == found.bytes and found.profiling_only
    page = Page(found._repr_html_())
    assert "measure it, but do not use it" in page.text and "not measured" in page.text
    assert repr(found) == (
        f"<edgeprune.CompressedFile out.tflite for rpi4: {found.bytes:,} bytes, for profiling only>"
    )


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: edgeprune.run("nte.tflite", "local"), ModelError, "no such file"),
        (lambda: edgeprune.run("net<b>.tflite", "locl"), ConfigError, "did you mean local?"),
        (
            lambda: edgeprune.run("net<b>.tflite", "local", efort="full"),
            ConfigError,
            "mean effort?",
        ),
        (lambda: edgeprune.run("net<b>.tflite", "local", effort="ful"), ConfigError, "mean full?"),
        (
            lambda: edgeprune.run("net<b>.tflite", "local", sparsity=1),
            ConfigError,
            "no such option",
        ),
        (lambda: edgeprune.explain(42, "rpi4"), ModelError, "expected a model of Keras"),
        (
            lambda: edgeprune.explain("net<b>.tflite", "mps2-an386", max_size="much"),
            ConfigError,
            "max_size 'much': expected a size such as 100kB",
        ),
        (
            lambda: edgeprune.explain("net<b>.tflite", "rpi4", max_memory=100),
            ConfigError,
            "rpi4 is none",
        ),
        (
            lambda: edgeprune.deploy("net<b>.tflite", "local", max_accuracy_drop=0.01),
            ConfigError,
            "max_accuracy_drop needs data",
        ),
        (
            lambda: edgeprune.deploy("net<b>.tflite", "local", data="x.npz", max_accuracy_drop=5),
            ConfigError,
            "must be a share in [0, 1]",
        ),
        (
            lambda: edgeprune.compress("net<b>.tflite", "o.tflite", sparsity=90),
            ConfigError,
            'write "90%" or 0.9',
        ),
        (
            lambda: edgeprune.compress("net<b>.tflite", "o.tflite", quantize="int-8"),
            ConfigError,
            "did you mean int8?",
        ),
        (lambda: edgeprune.compare("a", "b"), ConfigError, "a: "),
        (lambda: edgeprune.compare(1, 2, max_regression=-0.1), ConfigError, "must be 0 or more"),
        (lambda: edgeprune.compare(1, 2, max_more_instructions=-1), ConfigError, "0 or more"),
    ],
)
def test_what_is_wrong_is_an_error_of_ours(call, error, says):
    with pytest.raises(error) as wrong:
        call()
    assert says in str(wrong.value)


FUNCTIONS = (
    "cluster", "compare", "compress", "deploy", "explain", "log_to_mlflow", "masks", "prune", "run",
)  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_names_every_keyword_with_its_type_and_says_what_it_means(name):
    function = getattr(edgeprune, name)
    parameters = inspect.signature(function).parameters.values()
    assert all(one.kind is not one.VAR_KEYWORD for one in parameters)
    assert all(one.annotation is not one.empty for one in parameters)
    text = inspect.getdoc(function)
    for one in parameters:
        assert f"    {one.name}: " in text, one.name
        assert str(one.annotation).startswith("'") is False
    assert "Raises:" in text


def test_the_package_lists_what_it_has_and_imports_nothing_for_that():
    assert set(FUNCTIONS) < set(edgeprune.__all__) <= set(dir(edgeprune))
    assert all(hasattr(edgeprune, name) for name in edgeprune.__all__)
    assert all(inspect.isfunction(getattr(edgeprune, name)) for name in FUNCTIONS)
    with pytest.raises(AttributeError, match="no attribute 'deplyo'"):
        edgeprune.deplyo  # noqa: B018
    program = (
        "import sys, edgeprune\n"
        "dir(edgeprune)\n"
        "heavy = {'numpy', 'rich', 'tensorflow', 'click', 'ai_edge_litert', 'msgspec'}\n"
        "print(*(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == [], done.stderr


def test_a_wrong_keyword_is_named_with_the_nearest(here):
    with pytest.raises((ConfigError, ModelError), match="did you mean sparsity"):
        edgeprune.prune(build("keras", "sequential"), sparsty=0.5)


def test_a_lab_host_without_a_training_framework_runs_and_explains(here):
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf_keras', 'litert_quantizer', 'paramiko'):\n"
        "    sys.modules[name] = None\n"
        "import edgeprune\n"
        "edgeprune.run('net<b>.tflite', 'local', sessions=1, runs=2, output='out')\n"
        "edgeprune.explain('net<b>.tflite', 'rpi4')\n"
        "print(edgeprune.compare('out', 'out'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=here
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "<edgeprune.Comparison out -> out: no difference shown>\n"
