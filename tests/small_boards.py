"""A microcontroller with less memory than those that are emulated."""

from edgeprune.files import paths


def small_board(folder, monkeypatch, **sizes):
    """A board of which a part is too small."""
    text = (paths.shipped("boards") / "mps2-an386.toml").read_text()
    text = text.replace('name   = "mps2-an386"', 'name   = "small"')
    for key, size in sizes.items():
        lines = [line for line in text.splitlines() if not line.startswith(key)]
        at = lines.index("[memory]")
        text = "\n".join([*lines[: at + 1], f"{key} = {size}", *lines[at + 1 :]]) + "\n"
    (folder / "small.toml").write_text(text)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(folder))
