"""Jobs with agents, several at once."""

import os
import signal
import threading

import agent_rig
import pytest

from edgeprune.agents import build
from edgeprune.agents.crew import Job, run_side_by_side, usable_cores
from edgeprune.agents.session import AgentSession
from edgeprune.console import interrupts
from edgeprune.devices.links.pipes import Child
from edgeprune.devices.transports.local import LocalChannel
from edgeprune.errors import DeviceError

LONG_S = 600.0
"""What a job would take that is not ended."""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(agent_rig.small_net())
    return str(path)


def fresh():
    return AgentSession(LocalChannel(Child([str(build.agent("host"))], {})))


def endless(net, at_work, ended):
    """A job that times a network for minutes, and says that it has begun and why it ended."""

    def do(crew):
        with crew.working(fresh()) as agent:
            agent.load(agent_rig.library(), net)
            at_work.release()
            try:
                agent.time(0, 10**6, LONG_S)
            except DeviceError as error:
                ended.append(str(error))
                raise

    return Job("timing for ever", do)


def test_jobs_are_done_in_order_and_no_more_at_once_than_there_are_workers():
    at_once, most, order, lock = [], [], [], threading.Lock()

    def job(k):
        def do(crew):
            with lock:
                at_once.append(k)
                order.append(k)
                most.append(len(at_once))
            threading.Event().wait(0.02)
            with lock:
                at_once.remove(k)

        return Job(f"job {k}", do)

    run_side_by_side([job(k) for k in range(6)], 1)
    assert order == list(range(6)) and max(most) == 1
    run_side_by_side([job(k) for k in range(8)], 3)
    assert sorted(order[6:]) == list(range(8)) and max(most) <= 3


def test_two_workers_are_at_work_at_the_same_time():
    both = threading.Barrier(2)
    run_side_by_side([Job("meeting", lambda crew: both.wait(60))] * 2, 2)
    assert not both.broken


def test_the_first_failure_ends_the_others_and_is_the_one_that_is_told(net):
    at_work, ended, done = threading.Semaphore(0), [], []

    def fails(crew):
        for _ in range(2):
            assert at_work.acquire(timeout=60)
        raise DeviceError("the third failed")

    jobs = [endless(net, at_work, ended)] * 2
    last = Job("never begun", lambda crew: done.append(1))
    with pytest.raises(DeviceError, match=r"^the third failed$"):
        run_side_by_side([*jobs, Job("failing", fails), last], 3)
    assert len(ended) == 2 and all("ended by SIGKILL" in line for line in ended)
    assert done == []


def test_an_interrupt_ends_all_agents_and_says_what_they_were_at(net, handlers):
    interrupts.install()
    at_work, ended = threading.Semaphore(0), []

    def interrupting(crew):
        assert at_work.acquire(timeout=60)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"^while timing for ever"):
        run_side_by_side([endless(net, at_work, ended), Job("interrupting", interrupting)], 2)
    assert len(ended) == 1 and "ended by SIGKILL" in ended[0]


def test_an_agent_that_starts_after_the_end_is_closed_and_does_nothing(net):
    crews, talked = [], []
    run_side_by_side([Job("ending", crews.append)], 1)
    with pytest.raises(DeviceError, match="have ended"):
        with crews[0].working(fresh()) as agent:
            talked.append(agent.hello())
    assert talked == []


def test_cores_that_this_process_may_not_use_do_not_count():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cores() == len(before)
