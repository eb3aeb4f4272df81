import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgeprune.data.early import check_data
from edgeprune.errors import ModelError

NOBODY = 65534

SOURCE = """
from os.path import join as glue
if True:
    def inside(): pass
try:
    import nowhere
except ImportError:
    def fallback(): pass
class Kind: pass
assigned = lambda: None
first, (second, *third) = 1, (2, 3)
def load_data():
    def hidden(): pass
raise SystemExit("must not run")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_early.py").write_text(SOURCE)
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("raise SystemExit('must not run')")
    (tmp_path / "own_package" / "inner.py").write_text(SOURCE)
    np.savez("digits.npz", x_test=np.zeros((3, 4)), y_test=np.zeros(3, int))
    for name in ("cat", "dog"):
        os.makedirs(f"pets/train/{name}")
        Image.new("RGB", (4, 4)).save(f"pets/train/{name}/0.png")


def refuses(spec, line):
    with pytest.raises(ModelError, match=line) as caught:
        check_data(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["load_data", "glue", "inside", "fallback", "Kind", "assigned", "first", "second", "third"],
)
def test_names_of_a_module_are_found_without_running_it(name):
    check_data(f"own_early:{name}")
    check_data(f"own_package.inner:{name}")


def test_what_is_there_passes():
    check_data("digits.npz")
    check_data("pets")
    check_data("./pets/")
    check_data("keras.datasets.mnist:load_data")
    check_data("json:loads")
    check_data("sys:exit")


def test_modules_that_bind_names_in_their_own_way_pass():
    for source in ("from os import *", "globals()['f'] = 1", "def __getattr__(n): pass"):
        with open("dynamic.py", "w") as file:
            file.write(source)
        check_data("dynamic:whatever")


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("own_early:load_dta", "has no function load_dta; did you mean own_early:load_data"),
        ("own_early:hidden", "has no function hidden"),
        ("own_dta:load_data", "no file own_dta.py .* current folder .* did you mean own_early"),
        ("own_package.innner:load_data", "no package innner in own_package; did you mean inner"),
        ("own_early.py:load_data", "did you mean own_early:load_data"),
        ("own_package/inner.py:load_data", "did you mean own_package.inner:load_data"),
        ("digit.npz", "no such file; expected an .npz file, .* did you mean digits.npz"),
        ("Digits.npz", "did you mean digits.npz"),
        ("pet", "did you mean pets"),
        ("nowhere/digits.npz", "there is no folder nowhere either"),
        ("digits.npz/x", "no such file"),
        ("", "no such file"),
        ("a\0b", "cannot be read: .*null"),
        ("own_early:", "no such file"),
        (":load_data", "no such file"),
        ("own_package", "holds no folders"),
        ("own_early.py", "cannot be read as an .npz"),
        ("/dev/null", "is a device; expected an .npz file"),
        ("/dev/zero", "is a device; expected an .npz file"),
    ],
)
def test_typing_errors_are_found_and_the_right_word_is_named(spec, line):
    refuses(spec, line)


def test_pipes_and_sockets_are_refused_at_once():
    os.mkfifo("pipe.npz")
    refuses("pipe.npz", r"is a FIFO \(a pipe\); expected")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.npz")
        refuses("socket.npz", "is a socket; expected")
    os.symlink("pipe.npz", "link.npz")
    refuses("link.npz", "is a FIFO")
    os.symlink("itself", "itself")
    refuses("itself", "cannot be read: Too many levels")


def test_python_that_is_none_is_refused_with_its_line():
    with open("odd.py", "w") as file:
        file.write("x = 1\ndef f(:\n")
    refuses("odd:f", "odd.py: line 2")


def test_neither_tensorflow_nor_the_users_code_is_imported():
    code = (
        "import sys; from edgeprune.data.early import check_data\n"
        "for one in ('own_early:load_data', 'own_package.inner:load_data', 'digits.npz', 'pets'):\n"
        "    check_data(one)\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'own_early', 'own_package', 'PIL'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_what_may_not_be_read_says_so():
    check_data("digits.npz")  # what it imports is imported before rights are given up
    os.chmod(".", 0o755)
    os.chmod("digits.npz", 0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)  # root may read everything
    try:
        refuses("digits.npz", "cannot be read: Permission denied")
    finally:
        os.seteuid(user)
