"""Leases: who works on what, with an epoch that every write checks."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from crossdock.errors import LeaseLostError
from crossdock.store.database import Database, stamp


@attrs.frozen
class Lease:
    """A piece of work taken by `owner`; `epoch` fences off everybody who had it before."""

    name: str
    owner: str
    epoch: int


class Leases:
    """Verbs on leases."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def take(self, name: str, owner: str, now: datetime, ttl: timedelta) -> Lease | None:
        """The lease, or `None` while somebody who is alive has it."""
        at, until = stamp(now), stamp(now + ttl)
        # Not durable: a power cut leaves nobody alive who believes in it, or one whose owner the next write checks.
        with self._db.quick() as db:
            rows = db.query(
                "INSERT INTO lease (name, owner, epoch, until) VALUES (?, ?, 1, ?) ON CONFLICT (name) DO UPDATE SET "
                "owner = excluded.owner, epoch = lease.epoch + 1, until = excluded.until "
                "WHERE lease.owner = '' OR lease.until <= ? RETURNING epoch",
                (name, owner, until, at),
            )
            if rows:
                return Lease(name, owner, rows[0][0])
            rows = db.query("SELECT owner, epoch FROM lease WHERE name = ?", (name,))
            if not rows or not is_dead(rows[0][0]):
                return None
            epoch = rows[0][1]
            touched = db.run(
                "UPDATE lease SET owner = ?, epoch = ?, until = ? WHERE name = ? AND epoch = ?",
                (owner, epoch + 1, until, name, epoch),
            )
            return Lease(name, owner, epoch + 1) if touched else None

    def check(self, lease: Lease, now: datetime, ttl: timedelta) -> None:
        """Renew inside the caller's transaction; raises `LeaseLostError` when somebody took it over."""
        touched = self._db.run(
            "UPDATE lease SET until = ? WHERE name = ? AND epoch = ? AND owner = ?",
            (stamp(now + ttl), lease.name, lease.epoch, lease.owner),
        )
        if not touched:
            raise LeaseLostError(f"Another worker took over {lease.name}; nothing was written.")

    def release(self, lease: Lease) -> None:
        """Give it back."""
        with self._db.quick() as db:
            db.run("UPDATE lease SET owner = '', until = '' WHERE name = ? AND epoch = ?", (lease.name, lease.epoch))

    def held(self) -> dict[str, tuple[str, str]]:
        """Leases in use: name to owner and until."""
        return {
            row[0]: (row[1], row[2])
            for row in self._db.query("SELECT name, owner, until FROM lease WHERE owner <> '' ORDER BY name")
        }


def whoami() -> str:
    """A name for this process that its neighbours can tell alive from dead.

    Boot and process namespace, process number and start time: a number that is used again, or the same number in
    another container or on another machine, is somebody else.
    """
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        return f"{socket.gethostname()}-{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{socket.gethostname()}-unknown"


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # One that ended and that its parent has not asked about yet is as dead as one that is gone.
        return "" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return ""


def is_dead(owner: str) -> bool:
    """Whether `owner` is certainly no longer running; false when that cannot be known from here."""
    place, _, rest = owner.partition("/")
    pid, _, started = rest.partition("/")
    if place != _place() or place.endswith("-unknown") or not started or not pid.isdigit():
        return False
    return _started(int(pid)) != started
