import click
import pytest

from edgeprune.cli.options import device
from edgeprune.errors import ConfigError

WAIT = click.Option(["--wait"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("10m", 600), ("1.5 h", 5400), ("2min", 120)]
)
def test_a_wait_is_a_number_with_a_unit(text, seconds):
    assert device.duration_s(None, WAIT, text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-1s", "1d", "169h", "1e9s", "inf", "٣s", "1h30m"])
def test_a_wait_that_is_none_is_one_line(text):
    with pytest.raises(ConfigError, match="--wait must be 0 to 168h, as 90s, 10m or 2h"):
        device.duration_s(None, WAIT, text)
