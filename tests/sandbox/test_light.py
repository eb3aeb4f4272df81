"""The parent stays light: what it starts loads the frameworks, not it."""

import json
import subprocess
import sys

import nets
import pytest

FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "h5py", "ai_edge_litert.interpreter")


@pytest.mark.parametrize(
    "argv",
    [
        ["explain", "net.tflite", "--board", "rpi4"],
        ["compress", "net.tflite", "--board", "rpi4", "-o", "out.tflite", "--no-verify"],
        ["run", "net.tflite", "--board", "local", "--sessions", "1", "--runs", "1"],
    ],
)
def test_no_framework_is_loaded_beside_the_child(argv, tmp_path):
    (tmp_path / "net.tflite").write_bytes(nets.eligible())
    program = (
        "import json, sys\n"
        "from edgeprune import cli\n"
        "code = cli.edgeprune.main(sys.argv[1:], standalone_mode=False)\n"
        f"found = sorted(set({FRAMEWORKS!r}) & set(sys.modules))\n"
        "print('\\n' + json.dumps([code, found]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *argv],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [None, []]


def test_the_job_that_runs_a_tflite_file_needs_no_tensorflow():
    program = (
        "import sys\n"
        "from edgeprune import verify\n"
        "from edgeprune.pipeline import jobs\n"
        "tflite = sys.stdin.buffer.read()\n"
        "samples = verify.sample_inputs(tflite, None, 2)\n"
        "found = jobs.run_on_host(jobs.HostJob(tflite, samples, True, True), None)\n"
        "assert len(found.outputs) == 2 and len(found.rounding) == 1\n"
        "sys.exit('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=nets.eligible(), timeout=300)
    assert done.returncode == 0
