"""What the container file says; tests/test_wheel.py does what it says."""

import re
import tomllib

from containerfile import ROOT, TEXT, instructions


def test_what_is_installed_is_what_was_built_and_nobody_is_root():
    build, final = instructions()
    assert ("COPY", "--from=build /wheels /wheels") in final
    words = [word for word, _ in final]
    assert "USER" in words and words.index("USER") < words.index("ENTRYPOINT")
    # What a farm knows is on the volume, which the user may write.
    home = dict(rest.split("=") for word, rest in final if word == "ENV")["EDGEPRUNE_HOME"]
    assert ("VOLUME", home) in final
    assert any(f"chown user /work {home}" in rest for word, rest in final if word == "RUN")
    assert dict(final)["ENTRYPOINT"] == '["edgeprune"]'
    assert {image.split()[0] for word, image in (build[0], final[0])} == {build[0][1].split()[0]}


def test_the_extras_that_it_takes_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for named in re.findall(r"EXTRAS=([\w,]+)", TEXT):
        assert set(named.split(",")) <= set(extras)
