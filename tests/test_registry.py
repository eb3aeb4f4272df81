import importlib
import sys
from importlib.metadata import EntryPoint

import pytest

from edgeprune.errors import ConfigError, UnknownPart
from edgeprune.registry import Registry


@pytest.fixture
def folder(tmp_path, monkeypatch):
    package = tmp_path / "parts_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text(
        "from edgeprune.registry import Registry\nPARTS = Registry('parts_pkg', 'part')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [m for m in sys.modules if m.startswith("parts_pkg")]:
        del sys.modules[name]


def parts() -> Registry:
    return importlib.import_module("parts_pkg.base").PARTS


def test_a_new_file_is_all_it_takes(folder):
    (folder / "fresh.py").write_text(
        "from parts_pkg.base import PARTS\n@PARTS.register\ndef anything(): return 7\n"
    )
    assert parts().names() == ["fresh"]
    assert "parts_pkg.fresh" not in sys.modules  # listing imports nothing
    assert parts().get("fresh")() == 7


def test_a_file_that_the_table_of_the_parts_does_not_know_is_refused(folder):
    (folder / "stray.py").write_text(
        "from parts_pkg.base import PARTS\n@PARTS.register\ndef stray(): return 7\n"
    )
    (folder / "base.py").write_text(
        "from edgeprune.registry import Registry\n"
        "PARTS = Registry('parts_pkg', 'part', rows=['other'])\n"
    )
    with pytest.raises(ConfigError, match="'stray': the table of the parts has no row for it"):
        parts().get("stray")


def test_a_helper_beside_the_parts_is_no_part(folder):
    (folder / "_helper.py").write_text("")
    assert parts().names() == []
    with pytest.raises(UnknownPart):
        parts().get("_helper")


def test_unknown_name_lists_the_known(folder):
    (folder / "fresh.py").write_text("")
    with pytest.raises(UnknownPart, match="no part is called 'stale'; there are: fresh"):
        parts().get("stale")


def test_missing_library_hurts_only_that_part(folder):
    (folder / "needy.py").write_text("import no_such_vendor_library\n")
    (folder / "fine.py").write_text(
        "from parts_pkg.base import PARTS\n@PARTS.register\ndef fine(): return 1\n"
    )
    assert parts().get("fine")() == 1
    with pytest.raises(ConfigError, match=r"'needy' needs no_such_vendor_library"):
        parts().get("needy")


def test_a_file_which_forgets_to_register_is_an_error(folder):
    (folder / "silent.py").write_text("def silent(): return 1\n")
    with pytest.raises(ConfigError, match="registers nothing"):
        parts().get("silent")


def test_our_own_broken_import_is_not_called_a_missing_library(folder):
    (folder / "broken.py").write_text("import edgeprune.no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match=r"edgeprune\.no_such_module"):
        parts().get("broken")


def test_a_plugin_cannot_replace_a_built_in_part(folder, monkeypatch):
    (folder / "fresh.py").write_text("")
    plugin = EntryPoint("fresh", "json:dumps", "parts_pkg")
    monkeypatch.setattr(Registry, "_plugins", lambda self: [plugin])
    with pytest.raises(ConfigError, match="'fresh' is defined twice"):
        parts().get("fresh")


def test_a_plugin_is_found_by_its_entry_point_name(folder, monkeypatch):
    plugin = EntryPoint("outside", "json:dumps", "parts_pkg")
    monkeypatch.setattr(Registry, "_plugins", lambda self: [plugin])
    assert parts().names() == ["outside"]
    assert parts().get("outside")([1]) == "[1]"


def test_a_plugin_is_found_once_its_package_is_on_the_path(folder, tmp_path, monkeypatch):
    package = tmp_path / "elsewhere" / "outside-1.dist-info"
    package.mkdir(parents=True)
    (package / "entry_points.txt").write_text("[parts_pkg]\noutside = json:dumps\n")
    assert parts().names() == []
    monkeypatch.syspath_prepend(package.parent)
    assert parts().names() == ["outside"]


def test_a_file_that_registers_two_parts_is_an_error(folder):
    (folder / "twins.py").write_text(
        "from parts_pkg.base import PARTS\n"
        "@PARTS.register\ndef one(): return 1\n"
        "@PARTS.register\ndef two(): return 2\n"
    )
    with pytest.raises(ConfigError, match="one file registers one part, found two"):
        parts().get("twins")
