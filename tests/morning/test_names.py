"""File names of the morning's pages."""

import re
from pathlib import Path

from edgeprune.morning.names import file_stem


def test_the_names_of_pages_lead_nowhere_else():
    names = [file_stem(one) for one in ("..", "/", "", "a/../..", "\0", "a" * 300, "A", "a")]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{8,64}", name) and Path(name).name == name for name in names)
