"""A farm in compressed time: real scheduler and database; clock, devices and faults are fake.

Devices keep the agents' own logs, from which is judged whether two jobs ever ran at once.
"""

import asyncio
import random
import selectors
from dataclasses import dataclass, field

from farm_world import GOLDEN, World

from edgeprune.errors import ConfigError
from edgeprune.farm.dispatcher import Dispatcher, Work
from edgeprune.farm.executor import Ending, Run, Sign
from edgeprune.farm.job import ErrorKind, How, Job, Kind
from edgeprune.farm.presence import Presence
from edgeprune.farm.rerun import REPEATS
from edgeprune.farm.scheduler import Scheduler, Settings
from edgeprune.farm.store.nights import Night
from edgeprune.history.writer import Writer

BOARD = "rpi4"
START_MS = 1_790_000_000_000
RERUN_RUNS = {"turns": 4, "repeat": REPEATS}
"""A re-run takes as long as so many other jobs."""


class FakeTime(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to whatever comes next."""

    def __init__(self):
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self):
        return self._jumping.now_s


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: the time that would be waited is over at once."""

    def __init__(self):
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now_s += max(0.0, timeout)
        return super().select(0)


@dataclass
class Odds:
    """How often what breaks, as a share of jobs or a number a night."""

    job_fails: float = 0.01
    device_vanishes: float = 0.005
    wrong_output: float = 0.002
    kills: float = 2.0
    database_faults: float = 3.0
    clock_jumps: float = 1.0


@dataclass
class SimDevice:
    """A device with its agent, which knows nothing but epochs.

    ``log`` has what the agent would write: (second, what, epoch, job).
    """

    name: str
    speed_s: float
    gone_until_s: float = 0.0
    highest: int = 0
    running: tuple | None = None
    log: list = field(default_factory=list)

    def start(self, now_s, epoch, job):
        """Whether it begins; one of an older epoch that still runs is ended first."""
        if epoch < self.highest or (epoch == self.highest and self.running):
            self.log.append((now_s, "refused" if epoch < self.highest else "doubled", epoch, job))
            return False
        if self.running:
            self.log.append((now_s, "killed", *self.running))
        self.highest, self.running = epoch, (epoch, job)
        self.log.append((now_s, "start", epoch, job))
        return True

    def end(self, now_s, epoch, job):
        """Whether the run was still there to hand out its result."""
        if self.running != (epoch, job):
            return False
        self.running = None
        self.log.append((now_s, "end", epoch, job))
        return True

    def lose(self, now_s):
        if self.running:
            self.log.append((now_s, "lost", *self.running))
        self.running = None


class Lab:
    """All devices, the wall clock and the database's moods."""

    def __init__(self, devices, seed, odds, world=None):
        self.random = random.Random(seed)
        self.odds = odds
        self.night = 0
        self.terms = {}
        """Values of the nights' ``Work`` that are not the usual ones."""
        self.has_deadline = False
        self.devices = {
            f"pi-{k}": SimDevice(f"pi-{k}", self.random.uniform(100, 250)) for k in range(devices)
        }
        self.world = world or World(self.devices, seed)
        self.offset_ms = 0
        self.broken_until_s = 0.0
        self.breaks_after_commit = False

    def now_s(self):
        return asyncio.get_running_loop().time()

    def clock_ms(self, connection=None):
        return START_MS + round(1000 * self.now_s()) + self.offset_ms


class SimExecutor:
    """Runs jobs on the lab's devices; a killed host leaves its runs behind."""

    def __init__(self, lab):
        self.lab = lab
        self.is_dead = False

    async def run(self, assignment):
        lab, lease = self.lab, assignment.lease
        device, key = lab.devices[lease.device], (lease.epoch, assignment.id)
        begins_s = lab.now_s()
        if begins_s < device.gone_until_s:
            await asyncio.sleep(20)
            return Ending(None, ErrorKind.INFRASTRUCTURE, "it does not answer")
        if not device.start(begins_s, *key):
            return Ending(None, ErrorKind.INFRASTRUCTURE, "the agent refused the epoch")
        chance = lab.random.random()
        took_s = device.speed_s * lab.random.uniform(0.9, 1.1)
        if assignment.job.kind is Kind.CONFIRM:
            took_s *= RERUN_RUNS[assignment.job.options["how"]]
        if chance < lab.odds.device_vanishes:
            device.gone_until_s = begins_s + lab.random.uniform(60, 7200)
            device.lose(begins_s)
            await asyncio.sleep(30)
            return Ending(None, ErrorKind.INFRASTRUCTURE, "the device went away")
        try:
            await asyncio.sleep(took_s)
        except asyncio.CancelledError:
            if not self.is_dead:
                device.lose(lab.now_s())
            raise
        if not device.end(lab.now_s(), *key):
            return Ending(None, ErrorKind.INFRASTRUCTURE, "the agent refused to hand it out")
        chance -= lab.odds.device_vanishes
        if chance < lab.odds.job_fails:
            return Ending(None, ErrorKind.INFRASTRUCTURE, "a read timed out")
        if chance < lab.odds.job_fails + lab.odds.wrong_output:
            return Ending(Run(lease.device, "{}"), ErrorKind.TEST, "outputs differ")
        return self._measured(assignment)

    def _measured(self, assignment):
        world, night = self.lab.world, self.lab.night
        job, device = assignment.job, assignment.lease.device
        if job.kind is not Kind.CONFIRM:
            return Ending(world.run(device, job.model_path, night))
        if job.options["how"] == How.TURNS:
            old, new = world.in_turns(device, job.model_path, job.options["files"], night)
        else:
            digest = job.options["files"][1]
            *old, new = (world.run(device, job.model_path, night, digest) for _ in range(REPEATS))
            return Ending(new, beside=tuple(old))
        return Ending(new, beside=(old,))


class SimProber:
    def __init__(self, lab):
        self.lab = lab

    async def probe(self, device, timeout_s):
        await asyncio.sleep(0.1)
        is_there = self.lab.now_s() >= self.lab.devices[device].gone_until_s
        return Sign(is_there, "" if is_there else "it does not answer")

    async def power_cycle(self, device, timeout_s):
        await asyncio.sleep(5)
        return ""


class SimWriter(Writer):
    """The history, which breaks before a commit, or after one that nobody was told of."""

    lab = None

    def transaction(self):
        return _Breaking(self.lab, super().transaction())


class _Breaking:
    def __init__(self, lab, real):
        self.lab, self.real = lab, real

    def __enter__(self):
        self.is_broken = self.lab.now_s() < self.lab.broken_until_s
        if self.is_broken and not self.lab.breaks_after_commit:
            raise ConfigError("the database went away")
        return self.real.__enter__()

    def __exit__(self, *error):
        self.real.__exit__(*error)
        if self.is_broken and error[0] is None:
            raise ConfigError("the connection broke in the commit")


class Silent:
    """Hears nothing."""

    def ended(self, assignment, ending):
        pass

    def trouble(self, line):
        pass


def jobs_of(lab, number, a_device):
    """Jobs of a night: every other model of a device for it alone, the rest for any."""
    names = list(lab.devices)
    return [
        Job(
            k, Kind.MEASURE, f"/models/{k}.tflite", f"{k:064x}", "as-is", BOARD,
            names[k % number] if k // number % 2 == 0 else None,
            priority=lab.random.choice((0, 0, 5)),
        )
        for k in range(number * a_device)
    ]  # fmt: skip


def golden_of(lab):
    return {
        name: Job(0, Kind.GOLDEN, GOLDEN, "f" * 64, "as-is", BOARD, name, priority=10**6)
        for name in lab.devices
    }


@dataclass
class Host:
    """One life of a scheduler, from its start to its end or its death."""

    scheduler: Scheduler
    executor: SimExecutor
    task: asyncio.Task

    def kill(self):
        """At once: nothing is written, and devices are not told."""
        self.executor.is_dead = True
        for _, task in self.scheduler._tasks.values():
            task.remove_done_callback(lambda _: None)
        self.scheduler._dispatcher = _Gone()
        self.task.cancel()


class _Gone:
    """What a dead process says to its database: nothing."""

    def __getattr__(self, name):
        return lambda *_, **__: None


def host(lab, place, work, number, deadline_s):
    """Starts a scheduler."""
    writer = SimWriter(place)
    writer.lab = lab
    dispatcher = Dispatcher(writer, work, f"host {number}", "lab", lab.clock_ms)
    executor = SimExecutor(lab)

    async def call(function, *given, **named):
        return function(*given, **named)

    scheduler = Scheduler(
        dispatcher,
        executor,
        lambda wake: Presence(SimProber(lab), lab.devices, lab.now_s, wake),
        Settings(len(lab.devices), deadline_s, lab.now_s, call),
        Silent(),
    )

    async def life():
        try:
            return await scheduler.run()
        finally:
            writer.close()

    return Host(scheduler, executor, asyncio.create_task(life()))


async def chaos(lab, night_s):
    """Breaks the database and moves the clock, now and then, for a whole night."""
    faults = lab.odds.database_faults + lab.odds.clock_jumps
    while faults:
        await asyncio.sleep(lab.random.expovariate(faults / night_s))
        if lab.random.random() < lab.odds.clock_jumps / faults:
            lab.offset_ms += round(lab.random.choice((-1, 1)) * lab.random.uniform(0, 7.2e6))
        else:
            lab.breaks_after_commit = lab.random.random() < 0.3
            lab.broken_until_s = lab.now_s() + lab.random.uniform(1, 180)


async def one_night(lab, place, number, a_device, night_s=12 * 3600.0):
    """A night from its begin to its end, over as many lives of the scheduler as it takes."""
    name = f"nightly {number}"
    golden = golden_of(lab)
    jobs = jobs_of(lab, len(lab.devices), a_device)
    boards = dict.fromkeys(lab.devices, BOARD)
    deadline_s = lab.now_s() + night_s
    deadline_ms = lab.clock_ms() + round(1000 * night_s) if lab.has_deadline else None
    night = Night(name, "nightly", "0" * 64, deadline_ms)
    work = Work(night, jobs, boards, golden, **lab.terms)
    breaking = asyncio.create_task(chaos(lab, night_s))
    lives = 0
    while True:
        lives += 1
        life = host(lab, place, work, f"{number}.{lives}", deadline_s)
        left_s = lab.random.expovariate(lab.odds.kills / night_s) if lab.odds.kills else None
        done, _ = await asyncio.wait([life.task], timeout=left_s)
        if done and life.task.exception() is None:
            break
        if done and not isinstance(life.task.exception(), ConfigError):
            life.task.result()
        life.kill()
        await asyncio.gather(life.task, return_exceptions=True)
        await asyncio.sleep(lab.random.uniform(0, 300))
    breaking.cancel()
    await asyncio.gather(breaking, return_exceptions=True)
    lab.broken_until_s = 0.0
    return name, lives


def faults_in_logs(lab):
    """What the agents' logs show that must not be: two runs at once, or one epoch twice."""
    faults = []
    for device in lab.devices.values():
        running, epochs = None, set()
        for second, what, epoch, job in device.log:
            if what == "doubled":
                faults.append(f"{device.name}: epoch {epoch} was given twice at {second}")
            if what == "start":
                if running is not None:
                    faults.append(f"{device.name}: {job} began within {running} at {second}")
                if epoch in epochs:
                    faults.append(f"{device.name}: epoch {epoch} began twice")
                epochs.add(epoch)
                running = (epoch, job)
            elif what in ("end", "killed", "lost"):
                running = None
    return faults


class Nights:
    """Nights of one lab, one after the other; a context manager."""

    def __init__(self, devices, a_device, seed, place, odds=None, night_s=12 * 3600.0, world=None):
        self._a_device, self._place, self._night_s = a_device, place, night_s
        self._number = 0
        self.lab = Lab(devices, seed, odds or Odds(), world)
        self._runner = asyncio.Runner(loop_factory=FakeTime)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._runner.close()

    def next(self):
        """Runs a night and the day behind it; how many lives of the scheduler it took."""
        return self._runner.run(self._next())

    async def _next(self):
        begin_s = self.lab.now_s()
        self.lab.night = self._number
        _, lives = await one_night(
            self.lab, self._place, self._number, self._a_device, self._night_s
        )
        self._number += 1
        await asyncio.sleep(max(0.0, begin_s + 24 * 3600.0 - self.lab.now_s()))
        return lives


def simulate(devices, nights, a_device, seed, place, odds=None, night_s=12 * 3600.0, world=None):
    """Nights of a farm; the lab with its logs, and the lives of the scheduler each night took."""
    with Nights(devices, a_device, seed, place, odds, night_s, world) as running:
        return running.lab, [running.next() for _ in range(nights)]
