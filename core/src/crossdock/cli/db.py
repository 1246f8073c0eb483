"""``crossdock db``: the database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import attrs
import click

from crossdock.app import App
from crossdock.cli.context import app_from_context, confirm, stoppable
from crossdock.cli.output import emit, examples, json_option, mark, needs_attention, plural
from crossdock.engine.restore import Restored, mark_restored
from crossdock.retention import days_text
from crossdock.store import migrate
from crossdock.store.database import Database, connect, sqlite_path
from crossdock.vault import KEY_FILE


@click.group()
def db() -> None:
    """The database: upgrade, check, back up, restore, copy to another place, prune."""


@contextlib.contextmanager
def _database(app: App) -> Iterator[Database]:
    """The database as it is, without upgrading it."""
    database = connect(app.database_url)
    try:
        yield database
    finally:
        database.close()


def shown_url(url: str) -> str:
    """A database URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{place}"))


@db.command(epilog=examples("crossdock db upgrade"))
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the database to the version that this Crossdock needs; a database from the future is refused."""
    app = app_from_context()
    with _database(app) as database:
        before = migrate.current(database)
        migrate.ensure(database)
        after = migrate.current(database)

    def text() -> str:
        if before == after:
            return f"{mark('ok')} The database has version {after} already."
        return f"{mark('ok')} The database has version {after} now" + (f", before {before}." if before else ".")

    emit({"before": before, "after": after}, as_json, text)


@db.command(epilog=examples("crossdock db version"))
@json_option
def version(as_json: bool) -> None:
    """Show the database's version and the one this Crossdock needs. Exit code 1 when they differ."""
    app = app_from_context()
    with _database(app) as database:
        found = migrate.current(database)
    fits = found == migrate.HEAD
    # What a newer release made cannot be brought back.
    remedy = "crossdock db upgrade" if found in (None, *migrate.KNOWN) else "a newer Crossdock made it"
    advice = "" if fits else f" (needed: {migrate.HEAD}; {remedy})"
    emit({"version": found, "needed": migrate.HEAD}, as_json, lambda: f"{found or 'empty'}{advice}")
    if not fits:
        needs_attention()


@db.command(epilog=examples("crossdock db check"))
@json_option
def check(as_json: bool) -> None:
    """Check version, schema and integrity of the database. Exit code 1 when something is wrong."""
    app = app_from_context()
    with _database(app) as database:
        found = migrate.current(database)
        whole = migrate.integrity(database)
        differing = migrate.differences(database) if found == migrate.HEAD else []
    problems = [] if found == migrate.HEAD else [f"version {found or 'none'} instead of {migrate.HEAD}"]
    problems += [] if whole == "ok" else [f"integrity: {whole}"]
    problems += [f"schema: {each}" for each in differing]
    data = {"version": found, "needed": migrate.HEAD, "integrity": whole, "problems": problems}
    emit(data, as_json,
         lambda: [f"{mark('fail')} {each}" for each in problems]
         or [f"{mark('ok')} The database is sound, version {found}."])  # fmt: skip
    if problems:
        needs_attention()


@db.command(epilog=examples("crossdock db path", "sqlite3 $(crossdock db path) 'SELECT * FROM orders LIMIT 5'"))
@json_option
def path(as_json: bool) -> None:
    """Show where the database is: its file, or its URL without the password."""
    app = app_from_context()
    url = shown_url(app.database_url)
    file = sqlite_path(app.database_url) if app.database_url.startswith("sqlite") else None
    emit({"url": url, "file": file}, as_json, lambda: file or url)


@db.command(
    epilog=examples("crossdock db backup crossdock-2026-11-30.backup", "crossdock db backup /backups/shop --json")
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write the database, as it is at this moment, to the new FILE; everything may go on working.

    SQLite is copied and the copy checked; PostgreSQL is dumped by its own pg_dump, which has to be installed. Only you
    can read FILE. The key that secrets are kept with is not in it: keep crossdock.key elsewhere.
    """
    from crossdock.store.backup import back_up

    app = app_from_context()
    done = back_up(app.database_url, file)
    key = app.home / KEY_FILE

    def text() -> Iterator[str]:
        yield f"{mark('ok')} {done.file}: {megabytes(done.size)}" + (
            f", version {done.version}" if done.version else ""
        )
        if key.is_file():
            yield f"{mark('skip')} Secrets in it are of no use without {key}; keep a copy of that in another place."

    emit(attrs.asdict(done), as_json, text)


@db.command(epilog=examples("crossdock db restore crossdock-2026-11-30.backup"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(file: Path, yes: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of the database, and say so, as `db restored` does.

    Nothing may work with the database. A SQLite file that was there is kept under another name; what is in a PostgreSQL
    database is lost. An older backup is upgraded. From then on nothing is made at a target before it was asked for it.
    """
    from crossdock.store.backup import put_back

    app = app_from_context()
    confirm(yes, as_json, f"Put {file} in the place of {shown_url(app.database_url)}?")
    kept = put_back(app.database_url, file, app.clock.now())
    marked = mark_restored(app.bench)

    def text() -> Iterator[str]:
        yield f"{mark('ok')} {file} is in place."
        if kept is not None:
            yield f"{mark('skip')} What was there before: {kept}"
        yield from _marked(marked)

    emit({**attrs.asdict(marked), "kept": kept}, as_json, text)


@db.command(epilog=examples("crossdock db copy --to env:NEW_DATABASE", "crossdock db copy --to sqlite:///copy.db"))
@click.option(
    "--to", "url", required=True, metavar="URL", help="An empty database, or env:VARIABLE with its URL in it."
)
@json_option
def copy(url: str, as_json: bool) -> None:
    """Copy everything to another database, from SQLite to PostgreSQL or back, and compare it row by row.

    All or nothing; nothing may work with the database meanwhile, and the target has to be empty. Afterwards set
    CROSSDOCK_DATABASE_URL, keep the same key, and put the old database away: one of the two may be used, never both.
    """
    from crossdock.store.transfer import copy as transfer

    app = app_from_context()
    target = resolved(url)
    with contextlib.closing(connect(target)) as database:
        counts = transfer(app.store.database, database, app.clock.now())

    def text() -> Iterator[str]:
        for table, number in counts.items():
            if number:
                yield f"{number:>9,} {table}"
        yield f"{mark('ok')} {sum(counts.values()):,} rows in {len(counts)} tables were copied and compared."
        yield f"Next: set CROSSDOCK_DATABASE_URL to {shown_url(target)}, keep the key, and put the old database away."

    emit({"url": shown_url(target), "rows": counts}, as_json, text)


def resolved(url: str) -> str:
    """The URL itself, or what the variable has that it names: a password does not belong on a command line."""
    if not url.startswith("env:"):
        return url
    value = os.environ.get(url[4:], "")
    if not value:
        raise click.UsageError(f"The variable {url[4:]} is not set.")
    return value


def _marked(marked: Restored) -> Iterator[str]:
    yield f"{mark('ok')} What is older than now and not known to be delivered is asked for before it is sent."
    for flow, number in marked.asked.items():
        yield f"  {flow}: {plural(number, 'effect')} at once, and what the next sync brings"
    yield "Next: crossdock sync, then crossdock push, then crossdock reconcile FLOW"


@db.command(epilog=examples("crossdock db restored", "crossdock db restored && crossdock sync && crossdock push"))
@json_option
def restored(as_json: bool) -> None:
    """Say that the database was restored from a backup, so that nothing is made a second time.

    `crossdock db restore` says it by itself. From then on a push asks the target for each order and shipment that is
    older and not known to be there, before it sends it. Say it before the first push after a restore; saying it twice
    does no harm.
    """
    app = app_from_context()
    marked = mark_restored(app.bench)
    emit(marked, as_json, lambda: _marked(marked))


_FORGOTTEN = {
    "payloads": "payloads of records", "exchanges": "requests in the log", "runs": "runs",
    "attempts": "tries of effects", "events": "events", "inbox": "webhooks", "alerts": "alerts",
    "notices": "messages of alerts", "personal": "orders and shipments without the person now",
}  # fmt: skip


@db.command(epilog=examples("crossdock db prune --dry-run", "crossdock db prune", "crossdock db prune --compact"))
@click.option("--dry-run", is_flag=True, help="Only say what would be forgotten.")
@click.option("--compact", "smaller", is_flag=True, help="Then give the space back to the disk; nothing else may run.")
@json_option
def prune(dry_run: bool, smaller: bool, as_json: bool) -> None:
    """Forget what is older than the project keeps it: see [retention] in crossdock.toml.

    The ledger, bindings, bookmarks, records and whatever waits for somebody stay, however old. Works in small steps
    beside everything else, may be stopped and repeated. Exit code 1 when another process is at it.
    """
    from crossdock.housekeeping import compact, housekeep, retention_of

    if dry_run and smaller:
        raise click.UsageError("--compact does something; --dry-run does nothing.")
    app = app_from_context()
    kept = retention_of(app)
    with stoppable(app):
        done = housekeep(app, dry_run=dry_run)
    size = compact(app) if smaller and not done.busy else done.size

    def lines() -> Iterator[str]:
        if done.busy:
            yield f"{mark('warn')} Another process is pruning right now."
            return
        for kind, number in done.forgotten.items():
            span = getattr(kept, "alerts" if kind == "notices" else kind)
            yield f"{number:>9,} {_FORGOTTEN[kind]} older than {days_text(span)}"
        yield f"{mark('ok')} {'This would be forgotten' if dry_run else 'Forgotten'}."
        yield f"The database has {megabytes(size)}" + (
            "." if smaller or not done.free
            else f", {megabytes(done.free)} of it free for what comes; crossdock db prune --compact gives it back."
        )  # fmt: skip

    emit({**attrs.asdict(done), "size": size, "dry_run": dry_run, "compacted": smaller}, as_json, lines)
    if done.busy:
        needs_attention()


def megabytes(size: int) -> str:
    """Bytes for a person."""
    return f"{size / 1_000_000:,.1f} MB"
