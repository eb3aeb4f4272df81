"""Whatever a cut of power leaves in flash, the firmware starts with the old plan or the new."""

import re
import subprocess

import pytest
import server_programs
from full_range import also


def cuts_of(program, folder, networks, every):
    """Runs the program; how many cuts it made in each case."""
    names = []
    for what in (0, 1):
        for i, network in enumerate(networks):
            names.append(folder / f"{what}-{i}")
            names[-1].write_bytes(network[what])
    argv = [program, *names, str(every)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(count) for count in re.findall(r": (\d+) cuts", done.stdout)]


@pytest.mark.parametrize(
    ("unit_bytes", "every"),
    [(32, 29), (1, 0), also(16, 0), also(4, 97), also(8, 29), also(32, 1), also(2, 0)],
)
def test_power_may_be_cut_at_any_step_of_an_update(tmp_path, unit_bytes, every):
    """Each unit that is programmed and each page that is erased, left in five ways; `every` so many
    cuts, the update after it is cut everywhere as well."""
    networks = server_programs.networks(2)
    program = server_programs.power_cut(tmp_path, unit_bytes)
    first, second, there = cuts_of(program, tmp_path, networks, every)
    units = len(networks[1][0]) // unit_bytes // 2  # units of nothing but 0xff are not programmed
    assert min(first, second) > 5 * units
    assert there >= 5 * 4  # a record and three marks
