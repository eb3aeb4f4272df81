"""Both agents as samplers of files; the native one under sanitizers."""

import agent_rig
import pytest
from waits import lines, until

from edgeprune.agents.sampler import AgentSampler
from edgeprune.agents.sampling import samples_of
from edgeprune.agents.session import AgentSession
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import DeviceError


@pytest.fixture(scope="module", params=["sanitized", "python"])
def agent(request, tmp_path_factory):
    return agent_rig.agent(request.param, tmp_path_factory.mktemp("agent"))


def test_files_and_a_command_are_read_at_the_given_rate(agent, tmp_path):
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("-42\nsecond line\n")
    files = [str(tmp_path / name) for name in ("a", "gone", "b")]
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        begin_s = session.clock_s()
        sampler.start(files, f"echo x >> {tmp_path}/asked; cat {tmp_path}/a; echo 5", 0.02)
        until(lambda: lines(tmp_path / "asked") > 6)
        rows = sampler.stop()
        end_s = session.clock_s()
    assert 5 < len(rows) <= (end_s - begin_s) / 0.02 + 2
    assert {row.texts for row in rows} == {("1", None, "-42\nsecond line", "1\n5")}
    times_s = [row.time_s for row in rows]
    assert begin_s <= times_s[0] and times_s[-1] <= end_s and times_s == sorted(set(times_s))


def test_a_change_is_seen_when_it_happens(agent, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        sampler.start([str(counter)], f"echo x >> {tmp_path}/asked", 0.005)
        until(lambda: lines(tmp_path / "asked") > 2)
        before_s = session.clock_s()
        (tmp_path / "next").write_text("1")
        (tmp_path / "next").replace(counter)
        after_s, before = session.clock_s(), lines(tmp_path / "asked")
        until(lambda: lines(tmp_path / "asked") > before + 2)
        rows = sampler.stop()
    first_s = next(row.time_s for row in rows if row.texts[0] == "1")
    old_s = [row.time_s for row in rows if row.texts[0] == "0"]
    assert before_s <= first_s and max(old_s) < first_s
    # A sample's time is the middle of its reading: one may have been under way.
    assert len([time_s for time_s in old_s if time_s > after_s]) <= 1


def test_a_command_that_fails_or_is_slow_leaves_samples_out(agent, tmp_path):
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        sampler.start([], f"echo x >> {tmp_path}/failed; echo 1; exit 3", 0.02)
        until(lambda: lines(tmp_path / "failed") > 2)
        assert {row.texts for row in sampler.stop()} == {(None,)}
        begin_s = session.clock_s()
        sampler.start([], f"echo x >> {tmp_path}/slow; sleep 0.1; echo 1", 0.01)
        until(lambda: lines(tmp_path / "slow") > 3)
        rows = sampler.stop()
        took_s = session.clock_s() - begin_s
    assert 2 <= len(rows) <= took_s / 0.1 and rows[0].texts == ("1",)


def test_samples_that_were_missed_are_not_made_up_for(agent, tmp_path):
    slow_once = f"[ -e {tmp_path}/done ] || {{ touch {tmp_path}/done; sleep 0.4; }}; echo 1"
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        begin_s = session.clock_s()
        sampler.start([], f"echo x >> {tmp_path}/asked; {slow_once}", 0.05)
        until(lambda: lines(tmp_path / "asked") > 3)
        rows = sampler.stop()
        took_s = session.clock_s() - begin_s
    assert 2 <= len(rows) <= (took_s - 0.4) / 0.05 + 3


def test_the_command_does_not_eat_requests(agent):
    with agent_rig.session(agent) as session:
        session.sample_start([], "cat", 0.01)
        for _ in range(20):
            session.clock_s()
        assert session.sample_stop()


def test_a_long_file_is_cut(agent, tmp_path):
    (tmp_path / "long").write_text("x" * 5000)
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        sampler.start([str(tmp_path / "long")], "", 1.0)
        assert [row.texts for row in sampler.stop()] == [("x" * 4096,)]


def test_stopping_does_not_wait_for_the_next_sample(agent, tmp_path):
    (tmp_path / "a").write_text("1")
    with agent_rig.session(agent) as session:
        sampler = AgentSampler(session)
        for _ in range(3):
            sampler.start([str(tmp_path / "a")], "", 10.0)
            begin_s = session.clock_s()
            assert len(sampler.stop()) <= 1
            assert session.clock_s() - begin_s < 5


@pytest.mark.parametrize(
    ("files", "command", "period_s", "message"),
    [
        ([], "", 0.1, "neither files nor a command"),
        (["/a"] * 65, "", 0.1, "more than 64 files"),
        (["/a"], "", 0.0, "period_ns is 0, must be"),
        (["/a"], "", 20.0, "must be 1000000 to 10000000000"),
    ],
)
def test_what_cannot_be_sampled_is_refused_and_the_agent_lives_on(
    agent, files, command, period_s, message
):
    with agent_rig.session(agent) as session:
        with pytest.raises(DeviceError, match=message):
            session.sample_start(files, command, period_s)
        with pytest.raises(DeviceError, match="no samples are being taken"):
            session.sample_stop()
        session.sample_start(["/gone"], "", 1.0)
        with pytest.raises(DeviceError, match="already"):
            session.sample_start(["/gone"], "", 1.0)
        assert session.sample_stop()


def test_the_agent_ends_with_its_input_while_it_samples(agent):
    child = agent_rig.start(agent)
    AgentSampler(AgentSession(LocalChannel(child))).start(["/gone"], "sleep 0.01", 0.01)
    assert child.close(60) == 0, child.last_words()


def test_samples_that_end_early_are_told():
    whole = bytes(8) + (2).to_bytes(4, "little") + b"42"
    assert len(samples_of(whole * 2, 1)) == 2
    for length in range(1, len(whole)):
        with pytest.raises(DeviceError, match="is cut off"):
            samples_of(whole[:length], 1)
