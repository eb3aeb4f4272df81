"""Names of models: short for people, and as names of files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePath

_MAX_WORD = 32


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Each path with as few of its folders as tell it from the others.

    >>> short_names(["/m/kws.h5", "/m/a/ic.h5", "/m/b/ic.h5"])
    {'/m/kws.h5': 'kws.h5', '/m/a/ic.h5': 'a/ic.h5', '/m/b/ic.h5': 'b/ic.h5'}
    """
    names = {}
    known = list(dict.fromkeys(paths))
    for path in known:
        parts = PurePath(path).parts
        others = [PurePath(other).parts for other in known if other != path]
        length = 1
        while length < len(parts) and any(one[-length:] == parts[-length:] for one in others):
            length += 1
        names[path] = "/".join(parts[-length:]).replace("//", "/") or path
    return names


def file_stem(*words: str) -> str:
    """A file name for words that anybody may have chosen: always the same, and no other's.

    >>> file_stem("/m/K w<s>.h5", "rpi4")
    'k-w-s-h5-rpi4-7ee6ae99'
    """
    digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]
    names = (word.rstrip("/").rpartition("/")[2].lower() for word in words)
    clean = (re.sub(r"[^a-z0-9]+", "-", name)[-_MAX_WORD:].strip("-") for name in names)
    return "-".join((*(word for word in clean if word), digest))
