"""The house holds its shape: few loose files, no room that swallows the others."""

import re
from pathlib import Path

import long_files

import edgeprune

PACKAGE = Path(edgeprune.__file__).parent
ROOT = Path(__file__).parents[1]
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


def test_every_file_of_tests_that_begins_exists():
    assert all(file.is_file() for file in long_files.FILES)


PATH = re.compile(r"(?<![\w./-])((?:edgeprune|tests|benchmarks|boards|device_agents)/[\w./*-]+)")
PLACEHOLDER = re.compile(r"(^|_)x(\.|$)|CORE|NNNN|^_|serial_port")
ELSEWHERE = ("edgeprune/edgeprune", "edgeprune/edgeprune/comment")
"""What only looks like a path of ours: a repository's name, and an action in it."""


def missing(file):
    """Paths of this repository that a file names and that do not exist."""
    for path in PATH.findall(file.read_text(encoding="utf-8")):
        parts = path.rstrip("./").split("/")
        named = [bool(PLACEHOLDER.search(part)) for part in parts]
        real = "/".join(parts[: named.index(True)] if True in named else parts)
        if real not in ELSEWHERE and not any(ROOT.glob(real)):
            yield f"{file.relative_to(ROOT)}: {path}"


def test_every_path_that_a_document_or_a_comment_names_exists():
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    files += [*PACKAGE.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    lost = [line for file in files for line in missing(file)]
    assert not lost, "\n".join(lost)
