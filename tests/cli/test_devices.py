from click.testing import CliRunner

from edgeprune import cli


def test_a_bench_files_words_reach_no_terminal_as_they_are(home):
    bench = home / "bench.toml"
    bench.write_text('[devices."pi\\u001b[2Jb\\ncd"]\nboard = "rpi4"\nhost = "10.0.0.7"\n')
    found = CliRunner().invoke(cli.edgeprune, ["devices", "list", "--bench", str(bench)])
    assert "\x1b" not in found.output
    assert len(found.output.splitlines()) == 1, "no line that the file made"
    assert "pi" in found.output
