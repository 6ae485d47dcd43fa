"""The leases and the history of schedules.

A run goes through these steps, each in one transaction. A process that is killed between two of them leaves its lease,
which ends; then another process claims the run again::

    claim ──► (begin ──► failed)* ──► begin ──► finish: succeeded or failed
      ▲                       │
      └── finish: interrupted, or the lease ended ◄┘

Every claim has a new token. A process that lost its lease has an old one, and records nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .database import Database, Rows
from .decision import LATE, Decision, Past, Unfinished, decide, decide_following
from .entries import COLUMNS, Claim, Entry, Status, entry_of, instant_of, seconds_of
from .jobs import Job

__all__ = ["Store"]

# A lease that ends later than this is from a clock that was wrong.
LONGEST_LEASE = 3600.0
# Entries that are kept of each schedule.
_KEPT = 1000
# A clock that was set forward by more than a day, and then back, would otherwise stop the schedules for that time.
_AHEAD = timedelta(hours=26)


class Store:
    """The leases and history of a project's schedules.

    Parameters
    ----------
    lease
        Seconds for which a claim is valid without being renewed.
    """

    def __init__(self, database: Database, *, lease: float = 120.0) -> None:
        self._database, self.lease = database, lease

    def claim(self, job: Job, now: datetime, *, holder: str, lenient: bool = False) -> Claim | None:
        """Decide what a job does now, record it, and return the claim of its run; None if it does not run now.

        Parameters
        ----------
        lenient
            Whether a schedule that is seen for the first time may be due since two minutes.
        """
        with self._database.transaction() as rows:
            stored = self._stored(rows, job, now, lenient=lenient)
            rows.change("UPDATE nbship_schedules SET looked = ? WHERE name = ?", now.timestamp(), job.key)
            if stored.is_held:
                return None
            decision = self._decided(rows, job, stored.past, now)
            if decision.run is None and not decision.missed and not decision.abandoned:
                return None
            return self._record(rows, job, stored, decision, now, holder)

    def claim_at(self, job: Job, scheduled: datetime, now: datetime, *, holder: str) -> Claim | Entry | None:
        """Claim the run of a given scheduled time; return its entry if it has ended, and None if the job is running."""
        with self._database.transaction() as rows:
            stored = self._stored(rows, job, now)
            found = self._found(rows, job, scheduled)
            if found and found.state in ("succeeded", "failed"):
                return found
            if stored.is_held:
                return None
            decision = Decision(scheduled, (), "", stored.past.decided)
            return self._record(rows, job, stored, decision, now, holder)

    def begin(self, claim: Claim, now: datetime) -> bool:
        """Record the start of an attempt; return False if the lease was lost."""
        with self._database.transaction() as rows:
            if not self._extend(rows, claim):
                return False
            query = "UPDATE nbship_schedule_runs SET state = 'running', attempts = attempts + 1, ended = NULL"
            rows.change(f"{query} WHERE schedule = ? AND scheduled = ?", claim.job.key, seconds_of(claim.scheduled))
            return True

    def fail(self, claim: Claim, reason: str) -> bool:
        """Record that an attempt failed and another one follows; return False if the lease was lost."""
        with self._database.transaction() as rows:
            if not self._extend(rows, claim):
                return False
            query = "UPDATE nbship_schedule_runs SET failures = failures + 1, recorded = attempts, reason = ? WHERE schedule = ? AND scheduled = ?"
            rows.change(query, reason, claim.job.key, seconds_of(claim.scheduled))
            return True

    def renew(self, claim: Claim) -> bool:
        """Extend the lease; return False if it was lost."""
        with self._database.transaction() as rows:
            return self._extend(rows, claim)

    def finish(self, claim: Claim, state: str, reason: str, now: datetime) -> bool:
        """Record how a run ended (`interrupted`: it is to be repeated) and end the lease; return False if it was lost."""
        with self._database.transaction() as rows:
            query = "UPDATE nbship_schedules SET holder = '', until = 0 WHERE name = ? AND token = ?"
            if not rows.change(query, claim.job.key, claim.token):
                return False
            more = ", failures = failures + 1" if state == "failed" else ""
            rows.change(
                f"UPDATE nbship_schedule_runs SET state = ?, reason = ?, ended = ?, recorded = attempts{more} WHERE schedule = ? AND scheduled = ?",
                state, reason, now.timestamp(), claim.job.key, seconds_of(claim.scheduled),
            )  # fmt: skip
            self._remove_old(rows, claim.job.key)
            return True

    def status(self, job: Job, *, most: int = 100) -> Status | None:
        """Return what is known of a schedule, its latest entries first; None if no scheduler has seen it."""
        with self._database.transaction() as rows:
            found = rows.all("SELECT looked, holder, clock, until FROM nbship_schedules WHERE name = ?", job.key)
            if not found:
                return None
            looked, holder, clock, until = found[0]
            query = f"SELECT {COLUMNS} FROM nbship_schedule_runs WHERE schedule = ? ORDER BY scheduled DESC LIMIT ?"
            entries = [entry_of(row) for row in rows.all(query, job.key, most)]
            held = holder if self._is_valid(rows, clock, until) else ""
            return Status(instant_of(looked), held, entries)

    def _stored(self, rows: Rows, job: Job, now: datetime, *, lenient: bool = False) -> _Stored:
        """Read what is stored of a job, and lock it; store it if it is new, or if its times are others."""
        start = now
        if lenient and (before := job.times.before(now)) and now - before <= LATE:
            start = before - timedelta(seconds=1)
        rows.change(
            "INSERT INTO nbship_schedules VALUES (?, ?, ?, ?, 0, '', '', 0) ON CONFLICT (name) DO NOTHING",
            job.key, job.rule, seconds_of(start), now.timestamp(),
        )  # fmt: skip
        query = "SELECT rule, decided, looked, token, holder, clock, until FROM nbship_schedules WHERE name = ?"
        rule, decided, looked, token, holder, clock, until = rows.all(query + self._database.for_update, job.key)[0]
        if rule != job.rule or instant_of(decided) > now + _AHEAD:
            decided = seconds_of(start)
            query = "UPDATE nbship_schedules SET rule = ?, decided = ? WHERE name = ?"
            rows.change(query, job.rule, decided, job.key)
        query = f"SELECT {COLUMNS} FROM nbship_schedule_runs WHERE schedule = ? "
        open_runs = "AND state IN ('running', 'interrupted') ORDER BY scheduled LIMIT 1"
        unfinished = next((entry_of(row) for row in rows.all(query + open_runs, job.key)), None)
        ended = "AND ended IS NOT NULL AND count = 1 ORDER BY ended DESC LIMIT 1"
        last = next((entry_of(row) for row in rows.all(query + ended, job.key)), None)
        taken = rows.all(
            "SELECT scheduled FROM nbship_schedule_runs WHERE schedule = ? AND scheduled > ?", job.key, decided
        )
        past = Past(
            instant_of(decided),
            instant_of(looked),
            Unfinished(unfinished.scheduled, unfinished.started or now) if unfinished else None,
            (last.started, last.ended) if last and last.started and last.ended else None,
            frozenset(instant_of(row[0]) for row in taken),
        )
        return _Stored(past, int(token), bool(holder) and self._is_valid(rows, clock, until), unfinished)

    def _decided(self, rows: Rows, job: Job, past: Past, now: datetime) -> Decision:
        catch_up = job.schedule.catch_up
        if not job.followed_key:
            return decide(job.times, past, now, catch_up=catch_up, zone=job.zone)
        # `decided` stays the time at which this job was first seen: what succeeded before is not followed.
        query = (
            "SELECT scheduled FROM nbship_schedule_runs WHERE schedule = ? AND state = 'succeeded' AND ended >= ? "
            "AND scheduled NOT IN (SELECT scheduled FROM nbship_schedule_runs WHERE schedule = ?)"
        )
        found = rows.all(query, job.followed_key, seconds_of(past.decided), job.key)
        return decide_following([instant_of(row[0]) for row in found], past, catch_up=catch_up)

    def _record(
        self, rows: Rows, job: Job, stored: _Stored, decision: Decision, now: datetime, holder: str
    ) -> Claim | None:
        insert = f"INSERT INTO nbship_schedule_runs (schedule, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        if decision.abandoned and stored.unfinished:
            rows.change(
                "UPDATE nbship_schedule_runs SET state = 'abandoned', reason = ? WHERE schedule = ? AND scheduled = ?",
                decision.abandoned, job.key, seconds_of(stored.unfinished.scheduled),
            )  # fmt: skip
        for each in decision.missed:
            values = (
                seconds_of(each.last),
                "missed",
                seconds_of(each.first),
                each.count,
                0,
                0,
                0,
                None,
                None,
                each.reason,
            )
            rows.change(insert, job.key, *values)
        token = stored.token + 1
        run = decision.run
        clock, seconds = rows.now()
        rows.change(
            "UPDATE nbship_schedules SET decided = ?, token = ?, holder = ?, clock = ?, until = ? WHERE name = ?",
            seconds_of(decision.decided), token, holder if run else "", clock, seconds + self.lease if run else 0, job.key,
        )  # fmt: skip
        if run is None:
            return None
        found = self._found(rows, job, run)
        if found is None:
            first = (seconds_of(run), "running", seconds_of(run), 1, 0, 0, 0, now.timestamp(), None, "")
            rows.change(insert, job.key, *first)
            return Claim(job, run, token)
        if found.state == "missed" and found.count > 1 and (before := job.times.before(run - timedelta(seconds=1))):
            # The others of these missed times stay.
            values = (
                seconds_of(before),
                "missed",
                seconds_of(found.first),
                found.count - 1,
                0,
                0,
                0,
                None,
                None,
                found.reason,
            )
            rows.change(f"{insert} ON CONFLICT (schedule, scheduled) DO NOTHING", job.key, *values)
        rows.change(
            "UPDATE nbship_schedule_runs SET state = 'running', first = scheduled, count = 1, "
            "started = coalesce(started, ?), ended = NULL, reason = '' WHERE schedule = ? AND scheduled = ?",
            now.timestamp(), job.key, seconds_of(run),
        )  # fmt: skip
        return Claim(job, run, token, found.attempts, found.failures, found.recorded)

    def _found(self, rows: Rows, job: Job, scheduled: datetime) -> Entry | None:
        query = f"SELECT {COLUMNS} FROM nbship_schedule_runs WHERE schedule = ? AND scheduled = ?"
        return next((entry_of(row) for row in rows.all(query, job.key, seconds_of(scheduled))), None)

    def _extend(self, rows: Rows, claim: Claim) -> bool:
        clock, seconds = rows.now()
        query = "UPDATE nbship_schedules SET until = ?, clock = ? WHERE name = ? AND token = ?"
        return bool(rows.change(query, seconds + self.lease, clock, claim.job.key, claim.token))

    def _is_valid(self, rows: Rows, clock: str, until: float) -> bool:
        here, now = rows.now()
        return clock == here and now < until <= now + LONGEST_LEASE

    def _remove_old(self, rows: Rows, name: str) -> None:
        query = "SELECT scheduled FROM nbship_schedule_runs WHERE schedule = ? ORDER BY scheduled DESC LIMIT 1 OFFSET ?"
        for row in rows.all(query, name, _KEPT):
            done = "state NOT IN ('running', 'interrupted')"
            rows.change(
                f"DELETE FROM nbship_schedule_runs WHERE schedule = ? AND scheduled <= ? AND {done}", name, row[0]
            )


@dataclass(frozen=True)
class _Stored:
    past: Past
    token: int
    is_held: bool
    unfinished: Entry | None
