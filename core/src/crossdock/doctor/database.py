"""The database: its version, where it lies, and whether it keeps what it is given."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from crossdock.app import App
from crossdock.errors import CrossdockError
from crossdock.session import Check
from crossdock.store import migrate
from crossdock.store.condition import (
    PostgresCondition,
    SqliteCondition,
    postgres_condition,
    sqlite_condition,
    writable,
)
from crossdock.store.database import connect
from crossdock.store.store import Store

OLDEST_SQLITE = (3, 35)  # RETURNING
OLDEST_POSTGRES = 130000
_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_MB = 1_000_000
# SQLite's write-ahead log needs memory that all processes share, and locks that hold: no network has both.
_NETWORKS = frozenset((
    "nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "davfs",
    "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs2", "fuse.gcsfuse", "fuse.curlftpfs",
))  # fmt: skip
_MOUNTS = Path("/proc/self/mounts")


def opened(app: App) -> tuple[Store | None, list[Check]]:
    """The store, if it can be worked with, and what is to be said of its version. An older one is not upgraded."""
    try:
        if not app.has_store:
            app.store  # noqa: B018  makes it in a project; in a folder that is none it says so, and makes nothing
        with contextlib.closing(connect(app.database_url)) as database:
            version, kind = migrate.current(database), _KINDS.get(database.dialect, database.dialect)
        if version in migrate.KNOWN and version != migrate.HEAD:
            return None, [Check(
                name="Database", state="fail", detail=f"{kind}, version {version}: upgrades up to {migrate.HEAD} wait",
                hint="crossdock db upgrade (any other command does it, too); take a backup before: crossdock db backup",
            )]  # fmt: skip
        return app.store, [Check(name="Database", state="ok", detail=f"{kind}, version {migrate.HEAD}")]
    except CrossdockError as error:
        return None, [Check(name="Database", state="fail", detail=str(error), hint=error.hint or "crossdock db check")]


def checks(store: Store) -> Iterator[Check]:
    """How the database is doing."""
    database = store.database
    found = migrate.integrity(database)
    if found == "ok":
        yield Check(name="Integrity", state="ok")
    else:
        yield Check(name="Integrity", state="fail", detail=found,
                    hint="Stop everything, keep a copy of the file, and restore the last backup.")  # fmt: skip
    refused = writable(database)
    if refused:
        yield Check(name="Writing", state="fail", detail=refused,
                    hint="Whoever runs Crossdock needs to write the database, and SQLite its folder, too.")  # fmt: skip
    if database.dialect == "sqlite":
        condition = sqlite_condition(database)
        with contextlib.suppress(OSError):
            yield disk(condition, shutil.disk_usage(condition.path.parent).free)
        mounts = _MOUNTS.read_text(errors="replace") if _MOUNTS.is_file() else ""
        yield place(condition.path, mounts)
        yield from sqlite(condition)
    else:
        yield from postgres(postgres_condition(database))


def sqlite(condition: SqliteCondition) -> Iterator[Check]:
    """The library and how the file is written."""
    text = f"SQLite {'.'.join(map(str, condition.library))}"
    if condition.library < OLDEST_SQLITE:
        yield Check(name="Library", state="fail", detail=text,
                    hint="Crossdock needs SQLite 3.35 or later: use a Python that brings one.")  # fmt: skip
    else:
        yield Check(name="Library", state="ok", detail=text)
    if condition.journal != "wal":
        yield Check(
            name="Journal", state="fail", detail=f"it is {condition.journal} instead of wal: readers and writers wait",
            hint="Is the file on a network filesystem, or open in another program? Stop it, and try again.",
        )  # fmt: skip
    elif condition.log > 256 * _MB:
        yield Check(
            name="Journal", state="warn", detail=f"the file beside it has grown to {_megabytes(condition.log)}",
            hint="Some program reads the database and never ends: a forgotten sqlite3, a backup of files.",
        )  # fmt: skip
    else:
        yield Check(name="Journal", state="ok", detail="wal")
    if condition.free > 200 * _MB and condition.free > condition.size / 2:
        yield Check(name="Free pages", state="warn", detail=f"{_megabytes(condition.free)} of it are unused",
                    hint="With nothing else running: crossdock db prune --compact")  # fmt: skip


def disk(condition: SqliteCondition, free: int) -> Check:
    """Whether the disk has room for `free` bytes more: for writing, and for writing the whole file anew."""
    size = condition.size + condition.log
    detail = f"the database has {_megabytes(size)}, the disk {_megabytes(free)} free"
    if free < 50 * _MB:
        return Check(name="Disk", state="fail", detail=detail, hint="Make room now: without any, work stops.")
    if free < max(500 * _MB, size):
        return Check(name="Disk", state="warn", detail=detail, hint="Make room, or keep less: crossdock db prune")
    return Check(name="Disk", state="ok", detail=detail)


def place(path: Path, mounts: str) -> Check:
    """Whether the file lies on this machine; `mounts` is what Linux says in ``/proc/self/mounts``."""
    kind = filesystem(path, mounts)
    if kind in _NETWORKS:
        return Check(
            name="Filesystem", state="fail", detail=f"the database is on {kind}, where SQLite can lose what it wrote",
            hint="Move it to a disk of this machine, or to PostgreSQL: crossdock db copy --to URL",
        )  # fmt: skip
    return Check(name="Filesystem", state="ok", detail=kind or "not known")


def filesystem(path: Path, mounts: str) -> str:
    """The kind of filesystem that a path is on; empty when that is not known."""
    best, kind = "", ""
    where = str(path.resolve())
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        # Blanks in the name of a mount point are written as octal numbers.
        point = fields[1].replace("\\040", " ")
        inside = where == point or where.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def postgres(condition: PostgresCondition) -> Iterator[Check]:
    """The server and its settings."""
    version = f"PostgreSQL {condition.version // 10000}.{condition.version % 10000}"
    if condition.version < OLDEST_POSTGRES:
        yield Check(name="Server", state="warn", detail=f"{version} is older than what Crossdock is tested with",
                    hint="Upgrade the server to PostgreSQL 13 or later.")  # fmt: skip
    else:
        yield Check(name="Server", state="ok", detail=f"{version}, {_megabytes(condition.size)}")
    if condition.read_only:
        yield Check(name="Server role", state="fail", detail="it only answers reads: a standby, or set to read only",
                    hint="Point CROSSDOCK_DATABASE_URL at the primary server.")  # fmt: skip
    encoding = condition.settings["server_encoding"]
    if encoding != "UTF8":
        yield Check(name="Encoding", state="fail", detail=f"the database keeps text as {encoding}",
                    hint="Make one with ENCODING 'UTF8', and copy: crossdock db copy --to URL")  # fmt: skip
    unsafe = [name for name in ("fsync", "full_page_writes") if condition.settings[name] != "on"]
    if unsafe:
        yield Check(
            name="Durability", state="fail", detail=f"{' and '.join(unsafe)} off: a power cut can lose what was sent",
            hint=f"ALTER SYSTEM SET {unsafe[0]} = on; SELECT pg_reload_conf();",
        )  # fmt: skip
    else:
        yield Check(name="Durability", state="ok")
    most = int(condition.settings["max_connections"])
    if condition.connections > most * 0.9:
        yield Check(name="Server connections", state="warn", detail=f"{condition.connections} of {most} are taken",
                    hint="Raise max_connections, or run fewer workers.")  # fmt: skip


def _megabytes(size: int) -> str:
    return f"{size / _MB:,.1f} MB"
