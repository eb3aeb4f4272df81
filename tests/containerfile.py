"""What the Containerfile says, by instruction."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")


def instructions():
    """Every instruction with its words, by stage."""
    stages = []
    for line in re.sub(r"\\\n", "", TEXT).splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest.strip()))
    return stages
