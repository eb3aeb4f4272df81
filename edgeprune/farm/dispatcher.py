"""Which device runs which job next: one transaction a turn, so that a turn is whole or nothing.

All that matters is in the database. What is kept here can be lost at any moment: a scheduler that
is killed and started again reads it anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from edgeprune.farm import confirming, health
from edgeprune.farm.executor import Assignment, Ending, Lease, Sign
from edgeprune.farm.job import Job, Kind, State
from edgeprune.farm.plan import DEFAULT_CONFIRM_SHARE
from edgeprune.farm.store import devices, golden, jobs, leases, nights, results
from edgeprune.farm.store.devices import Event, Presence, Standing
from edgeprune.farm.store.nights import Night
from edgeprune.history.writer import Writer

REFRESH_MS = 10_000
"""How often leases are renewed, and looked at what others did. Source: ours; a sixth of a lease."""

GOLDEN_AGAIN_MS = 30 * 60_000
"""How long a device in quarantine rests between two golden runs. Source: ours."""


@dataclass(frozen=True)
class Work:
    """What a scheduler is to do in a night.

    Attributes:
        night: The night.
        jobs: Its jobs.
        boards: Board of each device that this host, or one of the farm's hosts, reaches.
        golden: The golden job of each device; empty where there is no golden model.
        band: How far the golden model's figure may lie from what is usual, as a share.
        confirm_share: Largest share of the night in which changes are measured again.
        hosts: Which host reaches a device, where that is another one.
    """

    night: Night
    jobs: Sequence[Job]
    boards: Mapping[str, str]
    golden: Mapping[str, Job] = field(default_factory=dict)
    band: float = 0.15
    confirm_share: float = DEFAULT_CONFIRM_SHARE
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """What a turn decided.

    Attributes:
        assignments: To be started now.
        refused: Endings that came too late: another attempt has their jobs.
        lost: Devices whose lease was taken from us while a job ran.
        said: What befell devices, and what results showed of changes over nights, a line each.
        open_jobs: How many jobs are not over, by kind; None where that was not counted.
    """

    assignments: tuple[Assignment, ...] = ()
    refused: tuple[Assignment, ...] = ()
    lost: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    open_jobs: Mapping[Kind, int] | None = None


class Dispatcher:
    """Hands the jobs of one night to the devices of one host."""

    def __init__(
        self, writer: Writer, work: Work, me: str, host: str, clock_ms: Callable[[Connection], int]
    ) -> None:
        """Nothing is read before :meth:`begin`.

        Args:
            writer: The history, held open.
            work: The night, its jobs and its devices.
            me: This scheduler's name on its leases.
            host: This machine's name.
            clock_ms: The present moment in milliseconds since 1970, which all schedulers of this
                history agree on.
        """
        self._writer, self._work, self._me, self._host = writer, work, me, host
        self._clock_ms = clock_ms
        self._standings: dict[str, Standing] = {}
        self._online: dict[str, bool] = {}
        self._running: dict[str, Assignment] = {}
        self._golden_due_ms: dict[str, int] = {}
        self._next_refresh_ms = -math.inf
        self._idle: set[str] = set()
        self._said: list[str] = []

    def begin(self) -> None:
        """Begins the night, or goes on with it.

        Raises:
            ConfigError: The history cannot be used.
        """
        night = self._work.night
        with self._writer.transaction() as connection:
            now_ms = self._clock_ms(connection)
            nights.begin(connection, night, now_ms)
            jobs.add(connection, night.name, self._work.jobs)
            hosts = self._work.hosts
            found = [
                (name, board, hosts.get(name, self._host))
                for name, board in self._work.boards.items()
            ]
            devices.register(connection, found, now_ms)

    def widen(self, work: Work) -> None:
        """Goes on with more devices, and the jobs that came with them.

        Args:
            work: All of it, of the same night.

        Raises:
            ConfigError: The history cannot be used: nothing happened.
        """
        before, self._work = self._work, work
        try:
            self.begin()
        except BaseException:
            self._work = before
            raise
        self._next_refresh_ms = -math.inf

    def turn(
        self,
        endings: Sequence[tuple[Assignment, Ending]],
        signs: Mapping[str, Sign],
        cycled: Sequence[tuple[str, str]],
        room: int,
        *,
        counts: bool,
    ) -> Turn:
        """Takes what happened, and gives free devices their next jobs.

        Args:
            endings: Attempts that ended since the last turn.
            signs: What devices answered since then.
            cycled: Devices whose power was cycled, with what came of it.
            room: How many more jobs may run at once.
            counts: Count the jobs that are not over.

        Raises:
            ConfigError: The history cannot be used: nothing happened, and all is to be said again.
        """
        night, was_online = self._work.night.name, dict(self._online)
        try:
            with self._writer.transaction() as connection:
                now_ms = self._clock_ms(connection)
                refused = [
                    assignment
                    for assignment, ending in endings
                    if not self._end(connection, assignment, ending, now_ms)
                ]
                for device, sign in signs.items():
                    self._note(connection, device, sign, now_ms)
                for device, message in cycled:
                    devices.record(connection, device, Event.POWER_CYCLED, message, night, now_ms)
                ended = {assignment.lease for assignment, _ in endings}
                lost = self._refreshed(connection, ended, now_ms)
                granted = self._granted(connection, room, now_ms)
                open_jobs = jobs.open_counts(connection, night) if counts else None
        except BaseException:
            self._next_refresh_ms, self._online, self._said = -math.inf, was_online, []
            raise
        said, self._said = tuple(self._said), []
        for assignment, _ in endings:
            self._forget(assignment)
        for assignment in granted:
            self._running[assignment.lease.device] = assignment
        return Turn(tuple(granted), tuple(refused), tuple(lost), said, open_jobs)

    def let_go(self) -> None:
        """Ends whatever leases we still have: a commit may have given one that we never heard of.

        Raises:
            ConfigError: The history cannot be used.
        """
        with self._writer.transaction() as connection:
            now_ms = self._clock_ms(connection)
            for orphan in leases.orphans(connection, self._me, {}, now_ms):
                if orphan.lease.holder == self._me:
                    results.abandon(connection, orphan, now_ms)

    def finish(self, message: str) -> None:
        """Ends the night: what still waits is missed.

        Args:
            message: Why.

        Raises:
            ConfigError: The history cannot be used.
        """
        with self._writer.transaction() as connection:
            now_ms = self._clock_ms(connection)
            jobs.miss(connection, self._work.night.name, message, now_ms)
            nights.end(connection, self._work.night.name, now_ms)

    def _forget(self, assignment: Assignment) -> None:
        if self._running.get(assignment.lease.device) == assignment:
            del self._running[assignment.lease.device]

    def _end(
        self, connection: Connection, assignment: Assignment, ending: Ending, now_ms: int
    ) -> bool:
        """Ends an attempt; whether its ending counts."""
        device = assignment.lease.device
        if results.end_attempt(connection, assignment, ending, now_ms) is results.Fate.REFUSED:
            return False
        standing = self._standings.get(device)
        usable = self._usable_by_board().get(assignment.job.board, 0)
        share, night = self._work.confirm_share, self._work.night
        self._said += confirming.follow(
            connection, assignment, ending, night, now_ms=now_ms, usable=usable, share=share
        )
        if standing is None:
            return True
        standing.holder = None
        if assignment.job.kind is Kind.GOLDEN:
            self._golden_due_ms[device] = now_ms + GOLDEN_AGAIN_MS
            self._judge(connection, standing, assignment, ending, now_ms)
        elif ending.run is not None or ending.error_kind is not None:
            has_golden = device in self._work.golden
            change = health.after_job(standing, ending, has_golden=has_golden)
            self._changed(connection, standing, change, now_ms)
        self._idle.discard(device)
        if ending.leaves_doubt:
            self._online.pop(device, None)  # nobody knows until it is asked again
        return True

    def _judge(
        self,
        connection: Connection,
        standing: Standing,
        assignment: Assignment,
        ending: Ending,
        now_ms: int,
    ) -> None:
        """Trusts a device, or not, by what its golden model did."""
        job, wrong = assignment.job, ""
        if ending.error_kind is None and ending.run is not None:
            figure = ending.run.deployed
            earlier = golden.earlier_figures(
                connection, assignment.lease, job.model_sha256, health.REFERENCE_RUNS
            )
            wrong = health.out_of_band(figure, earlier, self._work.band)
        elif jobs.state_of(connection, assignment.id) is State.PENDING:
            return  # it is tried again
        else:
            wrong = f"the golden model failed: {ending.message}"
        change = health.after_golden(standing, self._work.night.name, wrong)
        self._changed(connection, standing, change, now_ms)

    def _changed(
        self, connection: Connection, before: Standing, change: health.Change, now_ms: int
    ) -> None:
        after, event, message = change
        if after != before:
            devices.set_standing(connection, after, now_ms)
            self._standings[after.device] = after
        if event is not None:
            night = self._work.night.name
            devices.record(connection, after.device, event, message, night, now_ms)
            if event is Event.QUARANTINED:
                self._said.append(f"{after.device} cannot be used: in quarantine: {message}")
            elif event is Event.RECOVERED:
                self._said.append(f"{after.device} is trusted again: {message}")

    def _note(self, connection: Connection, device: str, sign: Sign, now_ms: int) -> None:
        """Writes down what a device answered."""
        was_online = self._online.get(device)
        self._online[device] = sign.is_online
        self._idle.discard(device)
        if sign.is_online == was_online:
            return
        presence = Presence.ONLINE if sign.is_online else Presence.OFFLINE
        devices.set_presence(connection, device, presence, sign.message, now_ms)
        if was_online is not None or not sign.is_online:
            event = Event.FOUND if sign.is_online else Event.LOST
            night = self._work.night.name
            devices.record(connection, device, event, sign.message, night, now_ms)
            if event is Event.LOST:
                self._said.append(f"{device} cannot be used: {sign.message}")
            else:
                self._said.append(f"{device} is back")

    def _refreshed(
        self, connection: Connection, ended: Collection[Lease], now_ms: int
    ) -> list[str]:
        """Renews our leases, ends those that nobody keeps, and reads what others did.

        Returns:
            Devices of which we lost the lease.
        """
        is_due = self._next_refresh_ms - REFRESH_MS <= now_ms < self._next_refresh_ms
        if is_due:  # nothing to do yet, and the clock has not jumped back
            return []
        self._next_refresh_ms = now_ms + REFRESH_MS
        self._idle.clear()
        mine = {
            device: one.lease.epoch
            for device, one in self._running.items()
            if one.lease not in ended
        }
        for orphan in leases.orphans(connection, self._me, mine, now_ms):
            results.abandon(connection, orphan, now_ms)
        leases.renew(connection, self._me, now_ms + leases.TTL_MS)
        held = leases.epochs_of(connection, self._me)
        self._standings = devices.standings(connection, self._work.boards)
        return [device for device, epoch in mine.items() if held.get(device) != epoch]

    def _granted(self, connection: Connection, room: int, now_ms: int) -> list[Assignment]:
        granted: list[Assignment] = []
        usable = self._usable_by_board()
        for device, standing in self._standings.items():
            if len(granted) >= room:
                break
            if standing.holder is not None or device in self._idle or not self._online.get(device):
                continue
            assignment = self._assigned(connection, standing, usable[standing.board], now_ms)
            if assignment is None:
                self._idle.add(device)
            else:
                standing.holder = self._me
                granted.append(assignment)
        return granted

    def _usable_by_board(self) -> dict[str, int]:
        """How many devices of each board can be expected to take a job some time."""
        usable: dict[str, int] = {}
        for device, standing in self._standings.items():
            is_usable = standing.quarantine_reason is None and bool(self._online.get(device))
            usable[standing.board] = usable.get(standing.board, 0) + is_usable
        return usable

    def _assigned(
        self, connection: Connection, standing: Standing, usable: int, now_ms: int
    ) -> Assignment | None:
        """The next job of a device, leased and begun; None where there is none for it."""
        job = self._next_job(connection, standing, usable, now_ms)
        if job is None:
            return None
        number, what = job
        lease = leases.grant(
            connection,
            standing.device,
            self._me,
            number,
            now_ms + leases.TTL_MS,
            is_measured=what.kind is not Kind.GOLDEN,
        )
        if lease is None:
            return None
        if not jobs.begin(connection, number, lease, now_ms):
            leases.release(connection, lease)
            return None
        return Assignment(number, self._work.night.name, what, lease, what.time_budget_s)

    def _next_job(
        self, connection: Connection, standing: Standing, usable: int, now_ms: int
    ) -> tuple[str, Job] | None:
        night = self._work.night
        template = self._work.golden.get(standing.device)
        is_out = standing.quarantine_reason is not None
        if template is not None and (is_out or standing.trusted_night != night.name):
            if is_out and now_ms < self._golden_due_ms.get(standing.device, 0):
                return None
            number = golden.waiting_job(connection, night.name, template, now_ms)
            return None if number is None else (number, jobs.job_with_id(connection, number))
        if is_out:
            return None
        while True:
            row = jobs.next_for(
                connection,
                night.name,
                standing.board,
                standing.device,
                now_ms,
                may_again=usable < 2,
            )
            if row is None:
                return None
            job = jobs.job_of(row)
            why = ""
            if job.kind is Kind.CONFIRM:
                share = self._work.confirm_share
                why = confirming.too_much(connection, night, standing.device, share)
            if not why:
                return row.job, job
            jobs.miss_one(connection, row.job, why, now_ms)
