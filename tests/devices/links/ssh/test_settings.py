"""OpenSSH's configuration holds as it does for ``ssh``: its own client is asked."""

import os
import subprocess

import pytest
from ssh_rig import sh
from waits import until

from edgeprune.devices.device import Device
from edgeprune.devices.links.ssh import config, settings
from edgeprune.devices.links.ssh.config import host_key_name, route_to, user_config
from edgeprune.devices.links.ssh.host_keys import trust_host_key
from edgeprune.devices.links.ssh.settings import settings_of
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]


def configure(home, text, name="config"):
    (home / ".ssh" / name).write_text(text, encoding="utf-8")


def way(host="pi", **given):
    return route_to(Device("rpi4", name="pi", host=host, **given))


def names(host="pi", **given):
    return [hop.name for hop in way(host, **given)]


@pytest.fixture(params=["OpenSSH", "paramiko"])
def reader(request, monkeypatch):
    """Both ways to read the configuration."""
    if request.param == "paramiko":
        monkeypatch.setattr(settings, "openssh", lambda: None)
    return request.param


def test_the_plain_keys_hold_whoever_reads_them(home, reader):
    configure(
        home,
        f"Host pi\n  HostName 10.0.0.7\n  User ops\n  Port 2222\n  IdentityFile {home}/a\n"
        f'  IdentityFile "{home}/b c"\n'
        "  IdentitiesOnly yes\n  ConnectTimeout 7\n",
    )
    (hop,) = way()
    assert (hop.host, hop.user, hop.port, hop.connect_timeout_s) == ("10.0.0.7", "ops", 2222, 7)
    assert hop.keys[0] == home / "a" and hop.keys_only and hop.proxy_command is None
    (own,) = way(user="me", port=9, key="~/mine")
    assert (own.user, own.port, own.keys) == ("me", 9, (home / "mine",))


def test_a_host_that_the_configuration_does_not_know_is_taken_as_it_is(home, reader):
    (home / ".ssh" / "id_ed25519").write_text("key")
    (hop,) = way("10.0.0.9")
    assert (hop.host, hop.port, hop.connect_timeout_s) == ("10.0.0.9", 22, config.CONNECT_TIMEOUT_S)
    assert hop.keys == (home / ".ssh" / "id_ed25519",) and not hop.keys_only


@pytest.mark.parametrize("host", ["2001:db8::7", "fe80::1%eth0", "desk_pi", "bücher.example"])
def test_names_and_addresses_of_every_kind_pass(home, reader, host):
    assert way(host)[0].host == host


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch pwned", "a;touch pwned", "$(touch pwned)", "`x`", "a b", "a\nb",
             "a'b", 'a"b', "a|b", "a&b", "a>b", "a/b", "-G", "a\\b"],
)  # fmt: skip
def test_nothing_of_a_bench_file_becomes_an_option_or_a_command(home, reader, host):
    if reader == "OpenSSH":
        configure(home, 'Match exec "echo %n %h"\n  Port 1\n')
    with pytest.raises(ConfigError, match="neither a host's name"):
        way(host)
    with pytest.raises(ConfigError):
        way("pi", jump=f"{host}")
    assert not os.path.exists("pwned")


def test_a_user_of_a_bench_file_reaches_no_proxy_command(home):
    configure(home, "Host pi\n  ProxyCommand echo %r@%h\nMatch user *touch*\n  Port 99\n")
    with pytest.raises(ConfigError, match="would be part of its ProxyCommand"):
        way(user="$(touch pwned)")
    (hop,) = way(user="me")
    assert hop.proxy_command == "echo me@pi"


def test_included_files_count_and_files_that_they_include(home):
    configure(home, "Include more.d/*\nHost *\n  Port 77\n")
    (home / ".ssh" / "more.d").mkdir()
    configure(home, f"Include {home}/.ssh/deep\n", "more.d/a")
    configure(home, "Host pi\n  User included\n", "more.d/b")
    configure(home, "Host pi\n  HostName 10.0.0.5\n", "deep")
    # ssh itself looks below the home that the list of users has, the test's is another one
    configure(home, f"Include {home}/.ssh/more.d/*\nHost *\n  Port 77\n")
    (hop,) = way()
    assert (hop.host, hop.user, hop.port) == ("10.0.0.5", "included", 77)


def test_match_holds_for_host_user_and_command(home):
    configure(
        home,
        'Match host pi,desk* user ops\n  Port 5\nMatch exec "test %n = tv"\n  Port 6\n'
        "Match originalhost alias\n  HostName 10.0.0.1\nMatch final host 10.0.0.1\n  Port 8\n",
    )
    assert way(user="ops")[0].port == 5
    assert way("desk-1", user="ops")[0].port == 5
    assert way(user="me")[0].port == 22
    assert way("tv")[0].port == 6
    assert (way("alias")[0].host, way("alias")[0].port) == ("10.0.0.1", 8)


def test_a_match_that_runs_a_command_needs_openssh(home, monkeypatch):
    monkeypatch.setattr(settings, "openssh", lambda: None)
    configure(home, "Host x\n  Port 1\nMatch host pi exec true\n  Port 5\n")
    with pytest.raises(ConfigError, match="install openssh-client"):
        way()


def test_tokens_and_variables_in_the_names_of_key_files(home, monkeypatch):
    monkeypatch.setenv("RIG", "rig")
    configure(home, "Host pi\n  HostName h\n  User u\n  IdentityFile ~/.ssh/%h-%r-%n-%p-%%\n"
                    "  IdentityFile %d/${RIG}\n")  # fmt: skip
    (hop,) = way()
    assert hop.keys == (home / ".ssh" / "h-u-pi-22-%", home / "rig")


def test_of_several_jump_hosts_only_the_firsts_own_way_counts(home, reader):
    """Also that of the last one is not taken, which stands next to the device."""
    configure(
        home,
        "Host a\n  ProxyJump b\nHost c\n  ProxyJump d\nHost e\n  ProxyCommand nc %h %p\n"
        "Host f\n  ProxyCommand nc %h %p\nHost two\n  ProxyJump a,c\nHost pi\n  ProxyJump z\n",
    )
    assert names("two") == ["b", "a", "c", "pi"]
    assert names(jump="a,c") == ["b", "a", "c", "pi"]
    assert names(jump="c,a") == ["d", "c", "a", "pi"]
    assert names(jump="none") == ["pi"]
    assert [hop.proxy_command for hop in way(jump="e,f")] == ["nc e 22", None, None]


def test_the_way_of_the_bench_goes_before_a_proxy_command(home, reader):
    configure(home, "Host pi\n  ProxyCommand nc %h %p\n")
    assert way()[0].proxy_command == "nc pi 22"
    assert [hop.proxy_command for hop in way(jump="gate")] == [None, None]
    assert way(jump="none")[0].proxy_command is None


def test_jump_hosts_are_written_as_addresses_are(home):
    found = way(jump="me@[2001:db8::1]:24, ops@gate:2222")
    assert [(hop.name, hop.user, hop.host, hop.port) for hop in found[:2]] == [
        ("[2001:db8::1]:24", "me", "2001:db8::1", 24),
        ("gate:2222", "ops", "gate", 2222),
    ]


def test_a_host_key_alias_names_the_key_where_the_bench_does_not(home):
    configure(home, "Host gate desk 10.*\n  HostKeyAlias rack-7\n")
    assert names("desk", jump="gate") == ["rack-7", "pi"]
    (hop,) = route_to(Device("rpi4", name="10.0.0.7", host="10.0.0.7"))
    assert hop.name == host_key_name(Device("rpi4", host="10.0.0.7")) == "rack-7"
    assert host_key_name(Device("rpi4", name="pi", host="10.0.0.7")) == "pi"


@pytest.mark.parametrize(
    ("lines", "message"),
    [("Bogus yes\n", "Bogus|bogus"), ("Host pi\n  Port x\n", "line 2|Port"),
     ("Host pi\n  Port 99999\n", "99999"), ("Host pi\n  HostName a;b\n", "no name of a host"),
     ("Host pi\n  IdentityFile ~/%z\n", "%z"), ("Host pi\n  ProxyCommand nc %z\n", "%z"),
     ("Host pi\n  ProxyCommand nc\n  ProxyUseFdpass yes\n", "ProxyUseFdpass")],
)  # fmt: skip
def test_a_configuration_that_cannot_hold_is_one_clean_line(home, lines, message):
    configure(home, lines)
    with pytest.raises(ConfigError, match=message) as caught:
        way()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "output", ["", "port 22\n", "hostname a;b\nport 22\n", "hostname a\nport -1\n",
               "hostname a\nport 99999\n", "hostname a\x1b[2J\nport 22\n", "\0", "port\n"],
)  # fmt: skip
def test_what_the_client_prints_is_checked_key_by_key(home, monkeypatch, output):
    script = home / "ssh"
    (home / "output").write_text(output)
    script.write_text(f"#!/bin/sh\ncat {home}/output\n")
    script.chmod(0o755)
    monkeypatch.setattr(settings, "openssh", lambda: str(script))
    try:
        found = settings_of("pi")
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert (found.hostname, found.port) == ("pi", 22)  # what is missing is as without a file


def test_doctor_says_what_openssh_says(home):
    assert user_config() == "none, which is fine"
    configure(home, "Host pi\n  Bogus yes\n")
    with pytest.raises(ConfigError, match=r"(?i)bogus"):
        user_config()


def relay(lab):
    return (
        f"ssh -F none -i {lab.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        f"-o LogLevel=ERROR -W [%h]:%p root@{lab.jump.address}"
    )


def processes(word):
    return [line for line in sh("ps", "-ewwo", "args=").splitlines() if word in line]


def test_a_proxy_command_leads_to_the_device_and_ends_with_the_link(lab, home):
    configure(home, f"Host inner\n  HostName {lab.inner_address}\n  ProxyCommand {relay(lab)}\n")
    with lab.ssh(host="inner") as ssh:
        peer = ssh.run(["sh", "-c", "echo $SSH_CONNECTION"], 20).stdout.split()
        assert processes(f"-W [{lab.inner_address}]:22")
    assert (peer[0], peer[2]) == (lab.octets + ".9", lab.inner_address)
    assert not processes(f"-W [{lab.inner_address}]:22")


def test_a_proxy_command_of_a_jump_host_counts(lab, home):
    configure(
        home, f"Host gate\n  HostName {lab.inner_address}\n  User root\n  IdentityFile {lab.key}\n"
              f"  ProxyCommand {relay(lab)}\n"
    )  # fmt: skip
    trust_host_key("gate", lab.device.host_key())
    with lab.ssh(host=lab.inner_address, jump="gate") as ssh:
        peer = ssh.run(["sh", "-c", "echo $SSH_CONNECTION"], 20).stdout.split()
    assert peer[0] == lab.inner_address


def test_a_proxy_command_that_leads_nowhere_says_why(lab, home):
    configure(home, "Host pi\n  ProxyCommand echo no way there >&2; exit 1\n  ConnectTimeout 5\n")
    with pytest.raises(DeviceError, match="its ProxyCommand says: no way there") as caught:
        lab.ssh(host="pi").open()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("command", ["sleep 98761", "sh -c 'sleep 98761 & sleep 98761'"])
def test_a_proxy_command_that_says_nothing_is_ended_in_time(lab, home, command):
    configure(home, f"Host pi\n  ProxyCommand {command}\n  ConnectTimeout 1\n")
    with pytest.raises(DeviceError):
        lab.ssh(host="pi").open()
    until(lambda: not processes("sleep 98761"))  # killed, and perhaps not gone yet


def test_a_wait_on_a_proxy_command_has_a_bound(lab, home):
    configure(home, f"Host inner\n  HostName {lab.inner_address}\n  ProxyCommand {relay(lab)}\n")
    with lab.ssh(host="inner") as ssh:
        with pytest.raises(DeviceTimeout):
            ssh.run(["sleep", "45679"], 0.5)
        relays = subprocess.run(
            ["pgrep", "-f", rf"\-W \[{lab.inner_address}"], capture_output=True, text=True
        )
        for number in relays.stdout.split():
            os.kill(int(number), 9)
        with pytest.raises(DeviceError):
            ssh.run(["true"], 5)


def test_two_jump_hosts_are_passed_one_after_the_other(lab, home):
    """This host, the jump host, the device as the second jump host, the jump host as the goal."""
    entry = f"  User root\n  IdentityFile {lab.key}\n"
    goal = lab.octets + ".9"
    configure(
        home,
        f"Host one\n  HostName {lab.jump.address}\n{entry}"
        f"Host two\n  HostName {lab.inner_address}\n  ProxyJump nowhere.invalid\n{entry}"
        f"Host goal\n  HostName {goal}\n  ProxyJump one,two\n{entry}",
    )
    for name, key in (("one", lab.jump), ("two", lab.device), ("goal", lab.jump)):
        trust_host_key(name, key.host_key())
    with lab.ssh("goal", trusted=False, host="goal", user=None, key=None) as ssh:
        peer = ssh.run(["sh", "-c", "echo $SSH_CONNECTION"], 20).stdout.split()
    assert (peer[0], peer[2]) == (lab.inner_address, goal)
