"""The store as one value: a database and the verbs on it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from crossdock.store import migrate
from crossdock.store.agenda import Agenda
from crossdock.store.announcements import Announcements
from crossdock.store.config import Config
from crossdock.store.database import Database, connect
from crossdock.store.deadlines import Deadlines
from crossdock.store.effects import Effects
from crossdock.store.gaps import Gaps
from crossdock.store.holds import Holds
from crossdock.store.inbox import Hooks, Inbox
from crossdock.store.journal import Journal
from crossdock.store.leases import Leases
from crossdock.store.records import Records

if TYPE_CHECKING:  # only some commands need these, and each import costs every start some milliseconds
    from crossdock.store.alerts import Alerts
    from crossdock.store.figures import Figures
    from crossdock.store.forgetting import Forgetting
    from crossdock.store.persons import Persons
    from crossdock.store.preferences import Preferences


class Store:
    """Everything Crossdock remembers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.records = Records(database)
        self.effects = Effects(database)
        self.config = Config(database)
        self.gaps = Gaps(database)
        self.journal = Journal(database)
        self.leases = Leases(database)
        self.hooks = Hooks(database)
        self.inbox = Inbox(database)
        self.holds = Holds(database)
        self.agenda = Agenda(database)
        self.deadlines = Deadlines(database)
        self.announcements = Announcements(database)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open the database of `url`, upgraded to this release's version."""
        database = connect(url)
        try:
            migrate.ensure(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @functools.cached_property
    def alerts(self) -> Alerts:
        """Alerts and the messages about them."""
        from crossdock.store.alerts import Alerts

        return Alerts(self.database)

    @functools.cached_property
    def figures(self) -> Figures:
        """How everything stands, in numbers."""
        from crossdock.store.figures import Figures

        return Figures(self.database)

    @functools.cached_property
    def forgetting(self) -> Forgetting:
        """What is old is forgotten."""
        from crossdock.store.forgetting import Forgetting

        return Forgetting(self.database)

    @functools.cached_property
    def persons(self) -> Persons:
        """What is about a person."""
        from crossdock.store.persons import Persons

        return Persons(self.database)

    @functools.cached_property
    def preferences(self) -> Preferences:
        """What was decided for the whole project."""
        from crossdock.store.preferences import Preferences

        return Preferences(self.database)

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing; see `Database.transaction`."""
        with self.database.transaction(durable=durable):
            yield

    def close(self) -> None:
        """Close the database."""
        self.database.close()
