"""Backups of a database while it is worked with, and putting one back."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path

import attrs

from crossdock.errors import StoreError, UsageError
from crossdock.store import migrate
from crossdock.store.database import connect, sqlite_path
from crossdock.store.transfer import refuse_work

_BESIDE = ("-wal", "-shm")


@attrs.frozen(kw_only=True)
class Backup:
    """A backup that was taken: its file, size in bytes, and the version of the database in it (PostgreSQL: empty)."""

    file: Path
    size: int
    version: str


def back_up(url: str, file: Path) -> Backup:
    """Write the database of `url`, as it is at one moment, to a new file that only its owner can read.

    Others may go on working with it. SQLite becomes a database file without others beside it, checked; PostgreSQL what
    ``pg_dump`` writes in its custom format. The file is there, whole and on the disk, or not at all. Raises
    `UsageError` for a file that exists already.
    """
    if file.exists():
        raise UsageError(f"There is a file {file} already; it is not overwritten.", hint="Give another name.")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.", hint="Make it, or give another name.")
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        version = _copied(url, part) if url.startswith("sqlite") else _dumped(url, part)
        _settle(part)
        part.replace(file)
        _settle(file.parent)
    finally:
        part.unlink(missing_ok=True)
    return Backup(file=file, size=file.stat().st_size, version=version)


def put_back(url: str, file: Path, now: datetime) -> Path | None:
    """Make the database of `url` what it was when `file` was written; answers where the SQLite file before it is now.

    Raises `UsageError` when something works with the database, or the file is no whole backup of one.
    """
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", hint="Name a file that crossdock db backup wrote.")
    if not url.startswith("sqlite"):
        with contextlib.closing(connect(url)) as database:
            if migrate.current(database):
                refuse_work(database, now)
        _client("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction", str(file))
        return None
    _inspect(file)
    path = Path(sqlite_path(url))
    kept = _set_aside(url, path, now) if path.is_file() else None
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(file)) as rows, contextlib.closing(sqlite3.connect(part)) as target:
        rows.backup(target)
    _settle(part)
    part.replace(path)
    _settle(path.parent)
    return kept


# -- SQLite ----------------------------------------------------------------------------------------


def _copied(url: str, part: Path) -> str:
    path = Path(sqlite_path(url))
    if not path.is_file():
        raise StoreError(f"There is no database {path}.", hint="Nothing was kept in this project yet.")
    try:
        rows, copy = sqlite3.connect(path, timeout=30), sqlite3.connect(part)
        with contextlib.closing(rows), contextlib.closing(copy):
            # All pages at one moment: readers keep no writer waiting, and the copy need not begin again.
            rows.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"The backup failed: {error}.", hint="crossdock doctor") from error
    return _inspect(part)


def _inspect(file: Path) -> str:
    """The version of a database in a file; raises `UsageError` when it is not whole, or none of Crossdock's."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as copy:
            found = "; ".join(str(row[0]) for row in copy.execute("PRAGMA quick_check"))
            version = (
                str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]) if found == "ok" else ""
            )
    except (sqlite3.Error, TypeError) as error:
        raise UsageError(f"{file} is no database of Crossdock: {error}.") from error
    if found != "ok":
        raise UsageError(f"{file} is damaged: {found}.", hint="Take an older backup; nothing was changed.")
    if version not in migrate.KNOWN:
        raise UsageError(
            f"{file} has version {version}, which this Crossdock does not know (it knows up to {migrate.HEAD}).",
            hint="Upgrade Crossdock to the release that wrote it.",
        )
    return version


def _set_aside(url: str, path: Path, now: datetime) -> Path:
    """Whoever restores may be wrong: the file that was there is kept."""
    # A file that cannot be opened any more is why people restore.
    with contextlib.suppress(StoreError), contextlib.closing(connect(url)) as database:
        if migrate.current(database) == migrate.HEAD:
            refuse_work(database, now)
    kept = path.with_name(f"{path.name}.before-{now:%Y%m%d-%H%M%S}")
    for beside in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{beside}", f"{kept}{beside}")
    path.replace(kept)
    return kept


def _settle(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- PostgreSQL ------------------------------------------------------------------------------------


def _dumped(url: str, part: Path) -> str:
    _client("pg_dump", url, "--format=custom", f"--file={part}")
    return ""


def _client(name: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs; a password goes by the environment, where other people cannot see it."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    program = shutil.which(name)
    if program is None:
        raise UsageError(
            f"{name} is not installed here.",
            hint="Install PostgreSQL's client programs, as new as the server or newer.",
        )
    place = {name: str(value) for name, value in conninfo_to_dict(url.replace("+psycopg", "", 1)).items()}
    password = place.pop("password", "")
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(  # noqa: S603  PostgreSQL's own program, with arguments of ours
        [program, f"--dbname={make_conninfo(**place)}", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StoreError(f"{name} failed: {done.stderr.strip()[-2000:]}", hint=f"Is {program} as new as the server?")
