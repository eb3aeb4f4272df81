"""The house holds its shape: few loose files, no room that swallows the others."""

from pathlib import Path

import edgeprune

PACKAGE = Path(edgeprune.__file__).parent
MOST_LOOSE_FILES = 6
LARGEST_ROOM = 0.12
"""Share of the code's lines."""


def lines_of(files):
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def test_few_files_lie_loose_at_the_top():
    loose = sorted(file.name for file in PACKAGE.glob("*.py"))
    assert len(loose) <= MOST_LOOSE_FILES + 1, loose  # and the package's own __init__.py


def test_no_room_holds_more_than_its_share_of_the_code():
    total = lines_of(PACKAGE.rglob("*.py"))
    rooms = {
        room.name: lines_of(room.rglob("*.py")) / total
        for room in PACKAGE.iterdir()
        if room.is_dir()
    }
    assert max(rooms.values()) <= LARGEST_ROOM, rooms


def test_every_room_says_what_it_is():
    silent = [
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("__init__.py")
        if not file.read_text(encoding="utf-8").startswith('"""')
    ]
    assert not silent
