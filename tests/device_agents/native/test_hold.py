"""Settings held by the agent and restored by its watchdog, under address and undefined checks."""

import os
import shutil
import signal

import agent_rig
import pytest
from cpufreq_rig import Cpufreq, processes

from edgeprune.agents.session import AgentSession
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import DeviceError

pytestmark = [pytest.mark.device]
MODE = {"fixed_performance_mode": "true"}


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    return agent_rig.sanitized_agent(tmp_path_factory.mktemp("agent"))


@pytest.fixture
def device(tmp_path):
    return Cpufreq(tmp_path)


def start(device, agent):
    path = f"{device.commands}:{os.environ['PATH']}"
    child = Child(device.within(agent), agent_rig.SANITIZER_ENV | {"PATH": path})
    return child, AgentSession(LocalChannel(child))


@pytest.fixture
def pair(device, agent):
    """A device, and an agent on it that must end well unless the test ended it."""
    child, session = start(device, agent)
    yield device, session, child
    child.close(60)
    assert device.is_restored(agent)


def test_settings_are_held_until_they_are_released(pair):
    device, session, child = pair
    before = session.hold(device.wanted())
    assert list(before.values()) == list(device.before)
    assert device.are("performance", "performance")
    assert session.release() == ()
    assert device.are(*device.before)
    assert child.close(60) == 0, child.last_words()


def test_an_agent_holds_and_releases_as_often_as_it_likes(pair):
    device, session, _ = pair
    for governor in ("performance", "powersave", "performance"):
        session.hold(device.wanted(governor))
        assert device.are(governor, governor)
        with pytest.raises(DeviceError, match="held already"):
            session.hold(device.wanted())
        session.release()
        with pytest.raises(DeviceError, match="no settings are held"):
            session.release()


def agent_pid(session):
    return session.hello().pid


ENDS = {
    "its input closes": lambda child, session: child.close(60),
    "it is asked to quit": lambda child, session: session._ask("quit", {}, 5),
    "SIGKILL": lambda child, session: os.kill(agent_pid(session), signal.SIGKILL),
    "SIGTERM": lambda child, session: os.kill(agent_pid(session), signal.SIGTERM),
    "SIGHUP": lambda child, session: os.kill(agent_pid(session), signal.SIGHUP),
    "a crash": lambda child, session: os.kill(agent_pid(session), signal.SIGSEGV),
    "its session is killed": lambda child, session: os.killpg(agent_pid(session), signal.SIGKILL),
    "its session is hung up": lambda child, session: os.killpg(agent_pid(session), signal.SIGHUP),
}


@pytest.mark.parametrize("end", ENDS)
def test_settings_are_restored_however_the_agent_ends(device, agent, end):
    child, session = start(device, agent)
    session.hold(device.wanted())
    assert device.are("performance", "performance")
    ENDS[end](child, session)
    assert device.is_restored(agent)
    child.close(60)


def test_the_watchdog_outlives_signals_to_itself_and_none_of_the_agents_pipes(device, agent):
    child, session = start(device, agent)
    session.hold(device.wanted())
    pid = agent_pid(session)
    (watchdog,) = set(processes(agent)) - {pid}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(watchdog, number)
    assert os.getsid(watchdog) != os.getsid(pid)
    descriptors = {os.readlink(f"/proc/{watchdog}/fd/{n}") for n in range(3)}
    assert descriptors == {"/dev/null"}
    os.kill(pid, signal.SIGKILL)
    assert device.is_restored(agent)
    child.close(60)


def test_the_watchdog_keeps_no_descriptor_of_the_agent_whatever_its_number(device, agent):
    many = "ulimit -n 3000 && exec 1023>&1 1024>&1 2999>&1 && exec"
    path = f"{device.commands}:{os.environ['PATH']}"
    argv = device.within("bash", "-c", f'{many} "$0"', agent)
    child = Child(argv, agent_rig.SANITIZER_ENV | {"PATH": path})
    session = AgentSession(LocalChannel(child))
    session.hold(device.wanted())
    pid = agent_pid(session)
    (watchdog,) = set(processes(agent)) - {pid}
    assert "2999" in os.listdir(f"/proc/{pid}/fd")
    kept = sorted(
        os.readlink(f"/proc/{watchdog}/fd/{n}") for n in os.listdir(f"/proc/{watchdog}/fd")
    )
    assert kept[:4] == ["/dev/null", "/dev/null", "/dev/null", "/sys/devices/system/cpu"]
    assert len(kept) == 5 and kept[4].startswith("socket:")
    child.close(60)
    assert device.is_restored(agent)


def test_a_killed_watchdog_is_told(device, agent):
    child, session = start(device, agent)
    session.hold(device.wanted())
    (watchdog,) = set(processes(agent)) - {agent_pid(session)}
    os.kill(watchdog, signal.SIGKILL)
    with pytest.raises(DeviceError, match="settings may not be as they were"):
        session.release()
    child.close(60)


def test_what_somebody_else_changed_meanwhile_is_left_alone_and_told(device, agent):
    child, session = start(device, agent)
    session.hold(device.wanted())
    device.file(0).write_text("powersave\n")
    assert session.release() == (f"{device.name(0)}: somebody set it to powersave",)
    assert device.are("powersave", "ondemand")
    child.close(60)


def test_a_core_that_is_gone_at_the_end_is_told(device, agent):
    child, session = start(device, agent)
    session.hold(device.wanted())
    device.file(1).unlink()
    assert session.release() == (f"{device.name(1)}: No such file or directory",)
    assert device.file(0).read_text() == "schedutil\n"
    child.close(60)


def test_cores_of_one_cluster_that_share_a_governor_are_restored_and_nothing_else_is_told(
    device, agent
):
    shutil.rmtree(device.file(1).parent)
    device.file(1).parent.symlink_to("../cpu0/cpufreq")
    child, session = start(device, agent)
    assert list(session.hold(device.wanted()).values()) == ["schedutil", "schedutil"]
    assert device.are("performance", "performance")
    assert session.release() == ()
    assert device.are("schedutil", "schedutil")
    child.close(60)


def test_one_setting_that_fails_leaves_all_as_they_were(pair):
    device, session, _ = pair
    wanted = device.wanted() | {device.name(7): "performance"}
    with pytest.raises(DeviceError, match=r"cpu7/.* cannot be set to performance: No such file"):
        session.hold(wanted)
    assert device.are(*device.before)
    session.hold(device.wanted())


def test_a_second_holder_waits_for_the_first_and_takes_no_value_of_its(pair, agent):
    device, session, _ = pair
    session.hold(device.wanted())
    child, second = start(device, agent)
    with pytest.raises(DeviceError, match="another agent on this device holds settings"):
        second.hold(device.wanted("powersave"))
    assert device.are("performance", "performance")
    session.release()
    assert list(second.hold(device.wanted("powersave")).values()) == list(device.before)
    child.close(60)


def test_the_next_holder_finds_the_values_from_before_a_kill(device, agent):
    for _ in range(10):
        child, session = start(device, agent)
        assert tuple(session.hold(device.wanted()).values()) == device.before
        os.kill(agent_pid(session), signal.SIGKILL)
        child.close(60)
    assert device.is_restored(agent)


def test_a_phones_fixed_performance_mode_is_held_and_restored(device, agent):
    device.make_cmd()
    child, session = start(device, agent)
    assert session.hold(MODE) == {"fixed_performance_mode": "false"}
    assert device.called() == ["power set-fixed-performance-mode-enabled true"]
    os.kill(agent_pid(session), signal.SIGKILL)
    assert device.is_restored(agent)
    assert device.called()[1:] == ["power set-fixed-performance-mode-enabled false"]
    child.close(60)


def test_a_phones_command_is_looked_for_in_folders_with_a_full_name_alone(device, agent):
    """What the agent runs does not depend on where it was started."""
    device.make_cmd()
    argv = device.within(
        "sh", "-c", f'cd {device.commands} && PATH=:.:/nowhere && exec "$0"', agent
    )
    child = Child(argv, agent_rig.SANITIZER_ENV)
    session = AgentSession(LocalChannel(child))
    with pytest.raises(DeviceError, match="fixed_performance_mode cannot be set to true: No such"):
        session.hold(MODE)
    assert not (device.commands / "log").exists()
    child.close(60)


@pytest.mark.parametrize(("status", "why"), [(None, "No such file"), (255, "not supported")])
def test_a_phone_without_the_mode_says_so(pair, status, why):
    device, session, _ = pair
    if status is not None:
        device.make_cmd(status)
    with pytest.raises(DeviceError, match=f"fixed_performance_mode cannot be set to true: .*{why}"):
        session.hold(MODE)


@pytest.mark.parametrize(
    "line",
    [
        "/etc/passwd=x",
        "/sys/devices/system/cpu/cpu0/online=0",
        "/sys/devices/system/cpu/cpu0/cpufreq/../online=0",
        "/sys/devices/system/cpu/cpu/cpufreq/scaling_governor=performance",
        "/sys/devices/system/cpu/cpu0/../cpu0/cpufreq/scaling_governor=performance",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor=a b",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor=",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor=" + "x" * 32,
        "/sys/devices/system/cpu/cpu" + "0" * 80 + "/cpufreq/scaling_governor=performance",
        "fixed_performance_mode=false",
        "fixed_performance_mode",
        "=true",
    ],
)
def test_nothing_else_can_be_set(pair, line):
    device, session, _ = pair
    with pytest.raises(DeviceError, match="is no setting that may be held"):
        session._ask("hold", {"settings": line}, 5)
    with pytest.raises(DeviceError, match="no settings to hold"):
        session._ask("hold", {"settings": ""}, 5)
    many = "\n".join(["fixed_performance_mode=true"] * 513)
    with pytest.raises(DeviceError, match="more than 512 settings"):
        session._ask("hold", {"settings": many}, 5)
    assert device.are(*device.before)


def test_peak_memory_is_told_without_a_model(pair):
    _, session, _ = pair
    assert 1 << 18 < session.peak_memory_bytes() < 1 << 30


def test_the_agent_ends_with_its_input_while_it_holds(device, agent):
    child, session = start(device, agent)
    session.hold(device.wanted())
    assert child.close(60) == 0, child.last_words()
    assert device.is_restored(agent)
