"""A farm's own authority: who has its certificate is let in, and files that are wrong are told."""

import datetime
import shutil

import pytest

from edgeprune.errors import ConfigError
from edgeprune.farm.dask.address import address_of
from edgeprune.farm.dask.certificates import checked_certificates, make_certificates


@pytest.fixture
def made(tmp_path):
    make_certificates(tmp_path, ["lab0", "lab1"])
    return tmp_path


def refusal(folder):
    with pytest.raises(ConfigError) as caught:
        checked_certificates(folder)
    return str(caught.value)


def test_what_is_made_holds_and_keys_are_kept_from_others(made):
    for host in ("lab0", "lab1"):
        files = checked_certificates(made / host)
        assert files.warning == "" and files.key.stat().st_mode & 0o777 == 0o600
    assert (made / "authority" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert not (made / "lab0" / "ca.key").exists()


def test_a_host_is_added_by_the_same_authority(made):
    (folder,) = make_certificates(made, ["lab2"])
    shutil.copy(made / "lab0" / "ca.pem", folder / "ca.pem")
    checked_certificates(folder)
    with pytest.raises(ConfigError, match="exists already"):
        make_certificates(made, ["lab2"])


def test_files_that_are_wrong_are_told_with_the_remedy(made, tmp_path):
    folder = made / "lab0"
    (folder / "host.key").chmod(0o640)
    assert "chmod 600" in refusal(folder)
    (folder / "host.key").chmod(0o600)
    shutil.copy(made / "lab1" / "host.key", folder / "host.key")
    assert "not the key of host.pem" in refusal(folder)
    make_certificates(tmp_path / "others", ["lab0"])
    shutil.copy(tmp_path / "others" / "lab0" / "host.pem", folder / "host.pem")
    assert "not made by the authority" in refusal(folder)
    (folder / "host.pem").write_text("x")
    assert "no certificate in PEM format" in refusal(folder)
    (folder / "host.pem").unlink()
    assert "`edgeprune farm certificates`" in refusal(folder)


def test_certificates_expire_and_that_is_told_before(made):
    today = datetime.datetime.now(datetime.UTC)
    soon, late, before = (today + datetime.timedelta(days=days) for days in (710, 731, -1))
    assert "expires in 19 days" in checked_certificates(made / "lab0", soon).warning
    with pytest.raises(ConfigError, match="expired"):
        checked_certificates(made / "lab0", late)
    with pytest.raises(ConfigError, match="clock"):
        checked_certificates(made / "lab0", before)


@pytest.mark.parametrize("host", ["10.0.0.1", "0.0.0.0:8786", "lab0", "[fe80::1]:9000"])
def test_nothing_but_this_machine_goes_without_certificates(host, made):
    with pytest.raises(ConfigError, match="--certificates"):
        address_of(host, None)
    assert address_of(host, made / "lab0").scheme == "tls"


@pytest.mark.parametrize("text", ["", "a b", "h:x", "h:99999", "tcp://h", "h:-1", "u@h"])
def test_what_is_no_address_is_refused(text, made):
    with pytest.raises(ConfigError, match="no address"):
        address_of(text, made / "lab0")


def test_this_machine_needs_none():
    assert address_of("127.0.0.1:9000", None).url == "tcp://127.0.0.1:9000"
    assert address_of("[::1]:9000", None).url == "tcp://[::1]:9000"
