"""No plan and nothing on the line makes the firmware fault, hang, or touch what is not its own.

The suite runs for a moment from the kept corpora; ``EDGEPRUNE_FULL_RANGE`` hours is what counts.
"""

import shutil
import subprocess
from pathlib import Path

import compiled
import pytest
import server_programs
from agent_rig import SANITIZERS
from full_range import examples

CORPORA = Path(__file__).parent / "corpus"
SECONDS = examples(1, 3600)
FUZZED = {
    "plan": [],
    "line": [file for file in server_programs.SOURCES if file not in server_programs.ENGINE],
}
"""What is fuzzed beside the engine."""


def fuzzer(folder, name):
    """The fuzzer's own files are compiled without the counting of coverage."""
    plain = [*server_programs.C99, *SANITIZERS, "-c"]
    own = [
        compiled.program(folder, f"{file}.o", plain, [server_programs.TEST / f"{file}.c"])
        for file in ("fuzz", f"fuzz_{name}")
    ]
    counting = [*server_programs.C99, *SANITIZERS, "-fsanitize-coverage=trace-pc"]
    engine = compiled.joined(folder, counting, server_programs.ENGINE)
    return compiled.program(folder, f"fuzz_{name}.elf", counting, [engine, *FUZZED[name], *own])


@pytest.mark.parametrize("name", FUZZED)
def test_fuzzing_finds_nothing(tmp_path, name):
    corpus = shutil.copytree(CORPORA / name, tmp_path / "corpus")
    kept = len(list(corpus.iterdir()))
    argv = [fuzzer(tmp_path, name), corpus, str(SECONDS), "1"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS + 120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (corpus / "crash").exists()
    runs = int(done.stdout.split(" runs")[0].split()[-1])
    assert runs > kept > 10
