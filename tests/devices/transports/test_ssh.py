import json
import os
import random
import socket
import subprocess
import threading
import time

import pytest
import serial_line
from click.testing import CliRunner
from full_range import also, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from ssh_rig import PASSWORD, make_key, sh

from edgeprune.cli.devices import devices
from edgeprune.devices.links.shell_line import kill_line, shell_line
from edgeprune.devices.links.ssh.config import route_to
from edgeprune.devices.links.ssh.host_keys import known_keys_file, trust_host_key, trusted_key
from edgeprune.errors import ConfigError, DeviceError, DeviceTimeout, HostKeyError

pytestmark = [pytest.mark.device, pytest.mark.usefixtures("home")]
NASTY = [
    "$(touch /root/pwned)",
    "`touch /root/pwned`",
    "; touch /root/pwned #",
    "' ; touch /root/pwned ; '",
    '" && touch /root/pwned && "',
    "$HOME",
    "a  b\tc",
    "*",
    "\\",
    "-n",
    "",
    "näme",
    "A=b",
    "!!",
]


def configure(home, text):
    (home / ".ssh" / "config").write_text(text, encoding="utf-8")


def fails(transport, kind):
    with pytest.raises(kind) as caught:
        transport.open()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_arguments_arrive_as_they_are_whatever_they_contain(lab):
    with lab.ssh() as ssh:
        done = ssh.run(["printf", "%s|", *NASTY], 5)
    assert done.stdout == "".join(token + "|" for token in NASTY)
    assert not (lab.device.home / "pwned").exists()


@settings(
    deadline=None, max_examples=examples(15, 60)
)  # a process each, on a machine that may be busy
@given(st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]))))
def test_any_shell_hands_over_exactly_the_tokens(tokens):
    line = shell_line(["printf", "%s\\n", "", *tokens], {"LC_ALL": "C"})
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, timeout=10)
    assert done.stdout.split(b"\n", 1)[1].decode().split("\n")[1:-1] == tokens


@pytest.mark.parametrize("token", ["a\nb", "a\0b", "\udcff"])
def test_a_token_that_no_line_can_carry_is_refused(token):
    with pytest.raises(ConfigError):
        shell_line(["ls", token])
    with pytest.raises(ConfigError):
        shell_line(["ls"], {"GOOD": token})
    with pytest.raises(ConfigError, match="no name of"):
        shell_line(["ls"], {"X;reboot": "1"})


def test_exit_codes_are_the_programs_own(lab):
    with lab.ssh() as ssh:
        assert ssh.run(["true"], 5).code == 0
        done = ssh.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
        assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert ssh.run(["sh", "-c", "kill -9 $$"], 5).code == 128 + 9
        assert ssh.run(["IF=no-such-program"], 5).code == 127
        assert ssh.run(["echo; touch /root/pwned"], 5).code == 127
    assert not (lab.device.home / "pwned").exists()


def test_a_login_shells_greeting_is_not_the_programs_output(lab):
    greeting = lab.device.home / ".bashrc"
    greeting.write_text("echo Welcome; echo mind the gap >&2\n", encoding="utf-8")
    try:
        with lab.ssh() as ssh:
            assert ssh.run(["echo", "hi"], 5).stdout == "hi\n"
    finally:
        greeting.unlink()


def test_a_command_that_runs_too_long_is_killed_with_its_children(lab):
    with lab.ssh() as ssh:
        with pytest.raises(DeviceTimeout):
            ssh.run(["sh", "-c", "sleep 45671 & sleep 45671; :"], 0.5)
        assert lab.gone("45671")
        assert ssh.run(["echo", "still connected"], 5).code == 0


def test_a_kill_reaches_grandchildren_where_the_shell_leads_no_group():
    """As under dropbear."""
    inner = "sh -c 'sleep 45674 & sleep 45674; :' & sleep 45674; :"
    with subprocess.Popen(["sh", "-c", inner]) as shell:
        while sh("ps", "-eo", "args=").splitlines().count("sleep 45674") < 3:
            time.sleep(0.01)
        subprocess.run(["sh", "-c", kill_line(shell.pid)], check=True, timeout=10)
        assert shell.wait(5) == -9
    assert "sleep 45674" not in sh("ps", "-eo", "args=").splitlines()


def test_megabytes_of_complaints_do_not_block_the_output(lab):
    script = "head -c 5000000 /dev/zero >&2; echo done"
    with lab.ssh() as ssh:
        assert ssh.run(["sh", "-c", script], 10).stdout == "done\n"
        channel = ssh.start(["sh", "-c", script], {})
        assert channel.read(5, 10) == b"done\n"
        channel.close()


def test_a_program_gets_its_variables_and_bytes_both_ways(lab):
    data = random.Random(1).randbytes(5_000_000)
    with lab.ssh() as ssh:
        channel = ssh.start(["sh", "-c", 'printf %s "$WORD"; exec cat'], {"WORD": "a 'b'"})
        assert channel.read(5, 5) == b"a 'b'"
        writer = threading.Thread(target=channel.write, args=(data, 10))
        writer.start()
        assert channel.read(len(data), 10) == data
        writer.join()
        assert channel.close() is None
        channel.close()


def test_a_program_that_takes_no_input_is_killed_in_time_and_the_connection_lives(lab):
    with lab.ssh() as ssh:
        channel = ssh.start(["sleep", "45672"], {})
        with pytest.raises(DeviceTimeout):
            channel.write(bytes(50_000_000), 1)
        assert lab.gone("45672")
        assert ssh.run(["echo", "alive"], 5).stdout == "alive\n"


def test_last_words_are_told_when_a_program_ends_early(lab):
    with lab.ssh() as ssh:
        channel = ssh.start(["sh", "-c", "echo no such model >&2; exit 4"], {})
        with pytest.raises(DeviceError, match=r'status 4; the device says: "no such model"'):
            channel.read(10, 5)
        with pytest.raises(DeviceError, match=r'status 4; the device says: "no such model"'):
            channel.write(b"x", 5)
        channel = ssh.start(["sh", "-c", "sleep 0.1; kill -9 $$"], {})
        with pytest.raises(DeviceError, match="signal 9"):
            channel.read(10, 5)
        with pytest.raises(DeviceTimeout):
            ssh.start(["cat"], {}).read(1, 0.2)


def test_closing_ends_the_program_even_one_that_ignores_its_input(lab):
    with lab.ssh() as ssh:
        polite = ssh.start(["sh", "-c", "cat; :", "mark-polite"], {})
        rude = ssh.start(["sh", "-c", "sleep 45673; :", "mark-rude"], {})
        assert lab.marked("mark-polite")
        assert lab.marked("mark-rude")
        polite.close()
        rude.close(0.3)
        assert lab.gone("mark-")
        assert lab.gone("45673")


def test_a_login_by_password_only_is_refused_unless_a_variable_is_named(lab, home, monkeypatch):
    wrong = str(make_key(home / "wrong"))
    assert "refused the login" in fails(lab.ssh(key=wrong), DeviceError)
    monkeypatch.setenv("PI_PASSWORD", PASSWORD)
    assert "refused the login" in fails(lab.ssh(key=wrong), DeviceError)
    with lab.ssh(key=wrong, password_env="PI_PASSWORD") as ssh:
        assert ssh.run(["id", "-u"], 5).stdout == "0\n"
    monkeypatch.setenv("PI_PASSWORD", "guess")
    text = fails(lab.ssh(key=wrong, password_env="PI_PASSWORD"), DeviceError)
    assert "PI_PASSWORD" in text
    assert "guess" not in text
    assert "not set" in fails(lab.ssh(key=wrong, password_env="PI_NONE"), ConfigError)


def test_a_wrong_missing_or_locked_key_is_told_by_its_file(lab, home):
    assert f"{make_key(home / 'wrong')}" in fails(lab.ssh(key=str(home / "wrong")), DeviceError)
    assert "no such file" in fails(lab.ssh(key=str(home / "absent")), DeviceError)
    (home / "text").write_text("hello", encoding="utf-8")
    assert "not usable" in fails(lab.ssh(key=str(home / "text")), DeviceError)
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", home / "locked")
    assert "ssh-add" in fails(lab.ssh(key=str(home / "locked")), DeviceError)


def test_the_ssh_agent_and_default_keys_are_used(lab, home, monkeypatch):
    (home / ".ssh" / "id_ed25519").write_bytes(lab.key.read_bytes())
    with lab.ssh(key=None) as ssh:
        assert ssh.run(["true"], 5).code == 0
    (home / ".ssh" / "id_ed25519").unlink()
    with subprocess.Popen(["ssh-agent", "-D", "-a", home / "agent"], stdout=-3) as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
        try:
            with serial_line.connected(home / "agent"):  # its file is there before it listens
                pass
            sh("ssh-add", "-q", lab.key)
            with lab.ssh(key=None) as ssh:
                assert ssh.run(["true"], 5).code == 0
            configure(home, f"Host {lab.device.address}\n  IdentitiesOnly yes\n")
            fails(lab.ssh(key=None), DeviceError)
        finally:
            agent.terminate()


def test_an_unknown_host_key_is_refused_and_the_line_names_the_command(lab):
    text = fails(lab.ssh(trusted=False), HostKeyError)
    assert "edgeprune devices trust pi" in text
    assert lab.device.host_key().fingerprint in text
    assert not known_keys_file().exists()


def test_a_changed_host_key_is_refused_showing_both(lab):
    other = lab.jump.host_key()
    trust_host_key("pi", other)
    text = fails(lab.ssh(trusted=False), HostKeyError)
    assert "CHANGED" in text
    assert other.fingerprint in text
    assert lab.device.host_key().fingerprint in text
    assert trusted_key("pi") == other


def test_a_key_is_trusted_for_a_name_and_not_for_an_address(lab):
    with lab.ssh("pi"):
        pass
    fails(lab.ssh("other", trusted=False), HostKeyError)


def test_a_torn_file_of_trusted_keys_is_an_error_and_not_an_empty_one(lab):
    trust_host_key("pi", lab.device.host_key())
    known_keys_file().write_text('{"pi": {"type"', encoding="utf-8")
    assert "known_hosts.json" in fails(lab.ssh(trusted=False), ConfigError)


def test_trust_stores_under_the_name_after_the_fingerprint_fits(lab):
    fingerprint = lab.device.host_key().fingerprint
    argv = ["trust", "pi", "--host", lab.device.address]
    run = CliRunner().invoke
    assert isinstance(run(devices, argv).exception, ConfigError)  # there is no terminal
    assert isinstance(run(devices, [*argv, "--fingerprint", "SHA256:x"]).exception, HostKeyError)
    assert trusted_key("pi") is None
    done = run(devices, [*argv, "--fingerprint", fingerprint])
    assert done.exit_code == 0
    assert fingerprint in done.stdout
    assert trusted_key("pi") == lab.device.host_key()
    with lab.ssh(trusted=False) as ssh:
        assert ssh.run(["true"], 5).code == 0


def test_list_shows_each_device_with_its_trusted_key_and_json_alone_on_stdout(lab, home):
    bench = home / "bench.toml"
    text = '[devices.pi]\nboard = "rpi4"\nhost = "h"\n[devices.new]\nboard = "rpi5"\nhost = "n"\n'
    bench.write_text(text, encoding="utf-8")
    key = lab.device.host_key()
    trust_host_key("pi", key)
    done = CliRunner().invoke(devices, ["list", "--bench", str(bench), "--json"])
    pi, new = json.loads(done.stdout)
    assert pi["host_key"] == {"type": key.type, "fingerprint": key.fingerprint}
    assert (new["name"], new["board"], new["host"], new["host_key"]) == ("new", "rpi5", "n", None)
    shown = CliRunner().invoke(devices, ["list", "--bench", str(bench)]).stdout.splitlines()
    assert key.fingerprint in shown[0]
    assert "no host key trusted" in shown[1]


def test_trust_of_a_changed_key_needs_replace(lab):
    trust_host_key("pi", lab.jump.host_key())
    argv = ["trust", "pi", "--host", lab.device.address, "--yes"]
    refused = CliRunner().invoke(devices, argv)
    assert isinstance(refused.exception, HostKeyError)
    assert lab.jump.host_key().fingerprint in refused.stdout
    assert lab.device.host_key().fingerprint in refused.stdout
    assert trusted_key("pi") == lab.jump.host_key()
    assert CliRunner().invoke(devices, [*argv, "--replace"]).exit_code == 0
    assert trusted_key("pi") == lab.device.host_key()


def test_proxyjump_of_the_configuration_leads_through_a_verified_jump_host(lab, home):
    bench = home / "bench.toml"
    bench.write_text('[devices.pi]\nboard = "rpi4"\nhost = "inner"\n', encoding="utf-8")
    entry = f"User root\n  IdentityFile {lab.key}\n"
    configure(
        home,
        f"Host inner\n  HostName {lab.inner_address}\n  ProxyJump gate\n  {entry}"
        f"Host gate\n  HostName {lab.jump.address}\n  {entry}",
    )
    way = {"host": "inner", "user": None, "key": None}
    text = fails(lab.ssh(**way), HostKeyError)
    assert text.startswith("gate (")
    assert text.endswith("edgeprune devices trust pi")
    argv = ["trust", "pi", "--bench", str(bench), "--yes", "--json"]
    assert CliRunner().invoke(devices, argv).exit_code == 0
    assert trusted_key("gate") == lab.jump.host_key()
    assert trusted_key("pi") == lab.device.host_key()
    with lab.ssh(trusted=False, **way) as ssh:
        peer = ssh.run(["sh", "-c", "echo $SSH_CONNECTION"], 5).stdout.split()
    assert (peer[0], peer[2]) == (lab.octets + ".9", lab.inner_address)


def test_bench_overrides_the_configuration_and_jumps_chain(lab, home):
    configure(
        home, "Host a\n  ProxyJump b\n  Port 77\nHost pi\n  User u\n  Port 5\n  ProxyJump z\n"
    )

    def names(**given):
        return [hop.name for hop in route_to(lab.ssh(**given).device)]

    assert names(host="pi", jump="a,c:24") == ["b", "a", "c:24", "pi"]
    assert names(host="pi", jump="none") == ["pi"]
    hop = route_to(lab.ssh(host="pi", jump="none", user="me", port=9).device)[-1]
    assert (hop.user, hop.port, hop.connect_timeout_s) == ("me", 9, 10)
    hop = route_to(lab.ssh(host="pi", user=None).device)[-1]
    assert (hop.user, hop.port) == ("u", 5)
    configure(home, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(ConfigError, match="circle"):
        route_to(lab.ssh(host="a").device)


def test_a_host_that_does_not_answer_is_told_in_time(lab, home):
    configure(home, "Host *\n  ConnectTimeout 1\n")
    assert "cannot be reached" in fails(lab.ssh(port=9), DeviceError)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fails(lab.ssh(host="127.0.0.1", port=port), DeviceError)
    lab.cut()
    try:
        fails(lab.ssh(), DeviceError)
    finally:
        lab.mend()


@pytest.mark.parametrize("seed", [*range(4), *map(also, range(4, 20))])
def test_a_connection_lost_at_any_point_of_a_run_ends_it_in_time_and_leaves_nothing(lab, seed):
    """Every fourth time the cable is pulled; else the device's sshd is killed."""
    dice = random.Random(seed)
    marker = f"mark-run-{seed}-{os.getpid()}"
    pull, is_over = seed % 4 == 0, threading.Event()

    def kill_until_the_end():
        """On a busy machine the first strike may come before there is a session to end."""
        lab.device.kill_sessions()
        while not is_over.wait(0.1):
            lab.device.kill_sessions()

    strike = threading.Timer(dice.uniform(0.0, 0.3), lab.cut if pull else kill_until_the_end)
    timeout_s = 1.0
    if not pull:  # connecting included; on a pulled cable that would only wait for its timeout
        strike.start()
    try:
        with pytest.raises(DeviceError), lab.ssh() as ssh:
            if pull:
                strike.start()
            agent = ssh.start(["sh", "-c", 'while read -r x; do echo "$x"; done', marker], {})
            while True:
                agent.write(b"x" * 999 + b"\n", timeout_s)
                agent.read(1000, timeout_s)
    finally:
        is_over.set()
        strike.join()
        lab.mend()
    assert lab.gone(marker)


def test_a_command_that_prints_without_an_end_is_ended(lab):
    with lab.ssh() as way:
        with pytest.raises(DeviceError, match="a command printed more than 4 MiB"):
            way.run(["yes"], 60)
        assert way.run(["echo", "still there"], 20).stdout == "still there\n"


def test_a_program_that_may_not_be_run_says_what_may_be_wrong(lab):
    with lab.ssh() as way, pytest.raises(DeviceError, match=r"status 126; .*mounted noexec"):
        way.start(["/etc/passwd"], {}).read(1, 20)
