"""Is this installation and project sound? Each check answers what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.app import App
from crossdock.doctor import connections, database, installation, service, streams, webhooks, work
from crossdock.session import Check


def diagnose(app: App) -> Iterator[Check]:
    """The checks, in the order in which one depends on the other; changes nothing, and asks no external system.

    Only an empty database is given its tables, as by every other command; an older one is left as it is.
    """
    yield from installation.checks(app)
    vault, check = installation.key(app)
    yield check
    store, found = database.opened(app)
    yield from found
    if store is None:
        return
    yield from database.checks(store)
    yield from service.checks(app, store)
    yield from connections.checks(app, store, vault)
    yield from streams.checks(app, store)
    yield from webhooks.checks(app, store, vault)
    yield from work.checks(store)


__all__ = ["diagnose"]
