"""Weeks without a pause: the counter begins anew, time does not."""

import subprocess

import server_programs

YEAR_US = 365 * 24 * 3600 * 1_000_000


def test_time_is_right_after_years_in_which_the_counter_began_anew(tmp_path):
    program = server_programs.program(tmp_path, "uptime")
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10 * YEAR_US
