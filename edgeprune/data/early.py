"""Looks at ``--data`` before anything slow begins: is it there, and can it be what it must be?

Neither TensorFlow nor the user's code is imported here.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path

from edgeprune.data.image_layout import layout
from edgeprune.data.npz import npz_headers
from edgeprune.data.source import form_of, on_one_line
from edgeprune.errors import ModelError
from edgeprune.text.near_names import did_you_mean

_MAX_SOURCE_BYTES = 10_000_000


def check_data(spec: str) -> None:
    """Checks what can be checked without reading the data, or calling the user's function.

    Args:
        spec: As the user gave it.

    Raises:
        ModelError: There is no such file, folder or function, or it cannot hold data; the message
            says what else may be meant.
    """
    with on_one_line():
        form = form_of(spec)
        if form == "npz":
            npz_headers(Path(spec))
        elif form == "folder":
            layout(Path(spec))
        else:
            _check_function(spec)


def _check_function(spec: str) -> None:
    module, _, name = spec.partition(":")
    file = _source_of(spec, module)
    if file is None:
        return
    names = _names_in(file)
    if names is None or name in names:
        return
    hint = did_you_mean(name, names, f"{module}:")
    raise ModelError(f"{spec}: {file} has no function {name}{hint}")


def _source_of(spec: str, module: str) -> Path | None:
    """The file of a module, found as Python would; None where it is no file of source.

    Raises:
        ModelError: There is no such module.
    """
    folders: list[str] | None = ["", *sys.path]
    found = None
    parts = module.split(".")
    for k, part in enumerate(parts):
        name = ".".join(parts[: k + 1])
        found = importlib.machinery.PathFinder.find_spec(name, folders)
        if found is None:
            if k == 0 and part in sys.builtin_module_names:
                return None
            raise ModelError(
                f"{spec}: no file {part}.py and no package {part} in {_where(parts[:k])}"
                f"{_alike(part, folders)}"
            )
        folders = list(found.submodule_search_locations or ())
    origin = None if found is None else found.origin
    return Path(origin) if origin and origin.endswith(".py") else None


def _where(package: list[str]) -> str:
    return ".".join(package) if package else "the current folder or among installed packages"


def _alike(part: str, folders: list[str] | None) -> str:
    """A module of the first folder whose name is like this one."""
    names = [path.stem for path in Path((folders or [""])[0] or ".").glob("*.py")]
    return did_you_mean(part, names)


def _names_in(file: Path) -> set[str] | None:
    """Names that a module may have after its import; None where only importing it would tell.

    Raises:
        ModelError: It is not Python.
    """
    try:
        if file.stat().st_size > _MAX_SOURCE_BYTES:
            return None
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise ModelError(f"{file}: line {error.lineno}: {error.msg}") from error
    except (OSError, ValueError, RecursionError):
        return None
    names = set(_top_names(tree.body))
    return None if "*" in names or "__getattr__" in names else names


def _top_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements outside of functions and classes bind; ``*`` for unknown ones."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield statement.name
            continue
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in statement.names)
        for node in ast.iter_child_nodes(statement):
            yield from _bound(node)
        for part in ("body", "orelse", "finalbody"):
            yield from _top_names(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _top_names(handler.body)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.stmt):
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in ("globals", "exec"):
            yield "*"
