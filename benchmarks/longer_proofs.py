"""The suite's proofs by random cases, with many times as many of them.

    python benchmarks/longer_proofs.py [--rounds 10] [SUBJECT ...]

Each subject is tests of the suite, which try few cases there: broken links, damaged containers,
bytes that are no request. They run one after the other, with ``--rounds`` times as many cases;
printed are how many passed and how long they took. Status 1 if one failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUBJECTS = {
    "broken-adb": ["tests/push/test_push_adb.py", "tests/measure/test_run_adb.py"],
    "broken-ssh": ["tests/push/test_push.py", "tests/devices/transports/test_ssh.py"],
    "containers": ["tests/device_agents/portable/test_epz.py"],
    "requests": ["tests/device_agents/test_agent.py", "tests/device_agents/portable"],
    "answers": ["tests/agents/test_any_answer.py"],
    "sessions": ["tests/measure/test_session.py"],
}
"""The tests by subject; ``tests/rounds.py`` multiplies their cases."""


def main() -> None:
    """Runs the subjects."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", choices=[[], *SUBJECTS])
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    failed = False
    for subject in given.subjects or SUBJECTS:
        began_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *SUBJECTS[subject]],
            cwd=ROOT,
            env=os.environ | {"EDGEPRUNE_ROUNDS": str(given.rounds)},
            capture_output=True,
            text=True,
        )
        failed |= done.returncode != 0
        if done.returncode != 0:
            print(done.stdout)
        words = done.stdout.strip().rpartition("\n")[2]
        print(f"{subject:<12} {time.monotonic() - began_s:6.0f} s  {words}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
