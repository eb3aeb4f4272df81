import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.devices.bench import load_bench


def test_a_bench_files_words_reach_no_terminal_as_they_are(home):
    bench = home / "bench.toml"
    bench.write_text('[devices."pi\\u001b[2Jb\\ncd"]\nboard = "rpi4"\nhost = "10.0.0.7"\n')
    found = CliRunner().invoke(cli.edgeprune, ["devices", "list", "--bench", str(bench)])
    assert "\x1b" not in found.output
    assert len(found.output.splitlines()) == 1, "no line that the file made"
    assert "pi" in found.output


def add(bench, *argv):
    return CliRunner().invoke(cli.edgeprune, ["devices", "add", *argv, "--bench", str(bench)])


def test_a_device_is_added_and_what_was_written_by_hand_stays(home):
    bench = home / "bench.toml"
    bench.write_text("# my desk\n[devices.old]  # the first one\nboard = 'rpi5'\nhost = 'old'")
    before = bench.read_text()
    added = add(bench, "desk-pi", "--board", "rpi4", "--host", "pi@[fd00::1]:2222", "--key", 'a"b')
    assert added.exit_code == 0, added.exception
    assert "edgeprune devices trust desk-pi" in added.output
    assert bench.read_text().startswith(before)
    device = load_bench(bench).devices["desk-pi"]
    assert (device.user, device.host, device.port, device.key) == ("pi", "fd00::1", 2222, 'a"b')
    assert load_bench(bench).devices["old"].host == "old"


def test_a_bench_file_is_made_where_there_is_none(home):
    assert (
        add(home / "new" / "b.toml", "mine", "--board", "pixel-8", "--serial", "A1").exit_code == 0
    )
    assert load_bench(home / "new" / "b.toml").devices["mine"].serial == "A1"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("old", "--board", "rpi4", "--host", "x"), "there is a device called 'old' already"),
        (("a b", "--board", "rpi4", "--host", "x"), "cannot be a device's name"),
        (("new", "--board", "rpi4"), "needs an address: give --host"),
        (("new", "--board", "rpi4", "--host", "x:y"), "devices.new.host: 'x:y' is no address"),
        (("new", "--board", "rpi4", "--host", "x", "--serial", "1"), "is reached by ssh, which"),
    ],
)
def test_what_cannot_be_added_leaves_the_file_as_it_is(home, argv, message):
    bench = home / "bench.toml"
    bench.write_text("[devices.old]\nboard = 'rpi5'\nhost = 'old'\n")
    before = bench.read_text()
    refused = add(bench, *argv)
    assert message in str(refused.exception) and refused.exit_code != 0
    assert bench.read_text() == before and str(bench.parent) in str(refused.exception) + str(bench)
    assert [file.name for file in home.glob("*.toml*")] == ["bench.toml"]


def test_a_file_at_whose_end_nothing_can_be_added_says_so(home):
    bench = home / "bench.toml"
    bench.write_text("devices = {old = {board = 'rpi5', host = 'old'}}\n")
    refused = add(bench, "new", "--board", "rpi4", "--host", "x")
    assert "add it by hand" in str(refused.exception)
