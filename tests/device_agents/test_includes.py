"""How the C files depend on each other: no circle, and nothing shared that needs the agent."""

import itertools
import re
import subprocess
from collections import defaultdict

import agent_rig
import networkx as nx
import pytest

from edgeprune.agents import build
from edgeprune.files import paths

ROOT = paths.shipped("device_agents")
FILES = sorted(ROOT.rglob("*.[ch]"))
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
DECLARED = re.compile(r"^(?:struct|enum) (\w+) \{|^[\w ]+?[ *](\w+)\([^;{]*\);", re.MULTILINE)
STATIC = re.compile(r"^static (?:_Noreturn |inline )*[\w ]+?[ *](\w+)\([^;]*?\)\n\{", re.MULTILINE)


def unit(path):
    """A C file and its header are one unit: portable/json, native/hold."""
    return str(path.relative_to(ROOT).with_suffix(""))


def includes():
    """Pairs of units of which the first includes the second."""
    found = set()
    for file in FILES:
        for name in INCLUDE.findall(file.read_text()):
            target = (file.parent / name).resolve()
            assert target in FILES, f"{file} includes {name}, which is not there"
            found.add((unit(file), unit(target)))
    return {(one, other) for one, other in found if one != other}


def calls(folder):
    """Pairs of units of which the first uses a symbol that the second defines."""
    defined, needed = {}, defaultdict(set)
    for source in build.agent_sources():
        made = agent_rig.object_of(source, folder)
        argv = ["nm", "--extern-only", "--format=posix", made]
        lines = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
        for line in lines.splitlines():
            name, kind = line.split()[:2]
            if kind == "U":
                needed[unit(source)].add(name)
            else:
                assert name not in defined, f"{name} is in {defined[name]} and {unit(source)}"
                defined[name] = unit(source)
    return {(one, defined[s]) for one, all_of in needed.items() for s in all_of if s in defined}


def circles(pairs):
    return list(itertools.islice(nx.simple_cycles(nx.DiGraph(pairs)), 5))


def test_a_circle_would_be_found():
    assert circles({("a", "b"), ("b", "c"), ("c", "a"), ("a", "d")})


def test_no_unit_includes_one_that_includes_it():
    assert not circles(includes())


def test_no_unit_calls_one_that_calls_it(tmp_path):
    found = calls(tmp_path)
    assert ("native/serve", "native/commands") in found and not circles(found)


def test_what_is_shared_with_firmware_includes_nothing_of_the_agent():
    outside = {(a, b) for a, b in includes() if a.startswith("portable/")}
    assert outside and all(b.startswith("portable/") for _, b in outside)


def test_every_shared_file_is_compiled_for_such_targets_only_as_it_can_be_right_on():
    graph = nx.DiGraph(includes())
    shared = {unit(path) for path in FILES if path.parent.name == "portable"}
    for name in shared - {"portable/target"}:
        assert nx.has_path(graph, name, "portable/target"), name


@pytest.mark.parametrize("source", [path for path in FILES if path.suffix == ".c"], ids=unit)
def test_no_function_of_a_file_has_the_name_of_something_that_another_one_declares(source):
    text = source.read_text()
    declared = {
        name
        for header in FILES
        if header.suffix == ".h" and unit(header) != unit(source)
        for names in DECLARED.findall(header.read_text())
        for name in names
        if name
    }
    assert len(declared) > 50
    assert not set(STATIC.findall(text)) & declared


NAMED = re.compile(
    r"^#define (\w+)|^\s*([A-Z][A-Z_0-9]+)(?: = [^,;]+)?(?:,|$| /|(?= \}))", re.MULTILINE
)
INLINE = re.compile(r"^static inline [\w ]+?[ *](\w+)\(", re.MULTILINE)


def names_of(header):
    text = header.read_text()
    enums = "\n".join(re.findall(r"enum [^;{]*\{([^}]*)\}", text)).replace(",", ",\n")
    found = [*DECLARED.findall(text), *NAMED.findall(text), *NAMED.findall(enums)]
    return {name for names in found for name in names if name} | set(INLINE.findall(text))


@pytest.mark.parametrize("source", FILES, ids=lambda path: f"{unit(path)}{path.suffix}")
def test_a_file_includes_no_header_of_which_it_uses_nothing(source):
    text = INCLUDE.sub("", source.read_text())
    for name in INCLUDE.findall(source.read_text()):
        header = (source.parent / name).resolve()
        if unit(header) != unit(source) and header.name != "target.h":
            assert any(re.search(rf"\b{word}\b", text) for word in names_of(header)), name
