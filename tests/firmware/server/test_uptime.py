"""Weeks without a pause: the counter begins anew, time does not."""

import subprocess

import compiled
import server_programs
from agent_rig import SANITIZERS

YEAR_US = 365 * 24 * 3600 * 1_000_000


def test_time_is_right_after_years_in_which_the_counter_began_anew(tmp_path):
    compiler = [*server_programs.C99, *SANITIZERS]
    sources = [*server_programs.SOURCES, server_programs.TEST / "uptime.c"]
    program = compiled.program(tmp_path, "uptime", compiler, sources)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10 * YEAR_US
