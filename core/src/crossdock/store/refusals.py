"""What SQLite refuses, as sentences with what helps."""

from __future__ import annotations

import sqlite3

from crossdock.errors import StoreError


def unopened(path: str, error: sqlite3.Error) -> StoreError:
    """Why a file cannot be opened as a database."""
    # What the system refuses is an OperationalError; a file that is no database, or no longer one, is not.
    damaged = not isinstance(error, sqlite3.OperationalError)
    return StoreError(
        f"The database {path} cannot be opened: {error}.",
        hint="It is damaged, or another file has its name. Put the last backup in its place: crossdock db restore FILE"
        if damaged
        else "Check that the folder exists and is writable, or set CROSSDOCK_DATABASE_URL.",
    )


def refused(error: sqlite3.Error) -> StoreError:
    """Why a statement was not executed."""
    locked = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
    return StoreError(
        f"The database refused: {error}",
        hint="For half a minute another program kept others from writing to it: a copy or backup of the file, or an "
        "open sqlite3? Let that end; nothing is lost."
        if locked
        else "",
    )
