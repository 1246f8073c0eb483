"""Engines with a fault each, to prove that a crash sweep finds it; run in the process that is killed."""

from __future__ import annotations

from crossdock.app import App
from crossdock.engine.push import _Push
from crossdock.store.effects import Effects
from crossdock.store.records import Records
from crossdock.testing.turn import work


def never_asks(app: App) -> None:
    """Sends again what may have been done, instead of asking for it."""
    _Push._repeats = lambda self, effect: True
    work(app)


def claims_too_late(app: App) -> None:
    """That an effect is being sent is committed when it is done: a process that is begun again does not know of it."""
    claim, done = Effects.claim, _Push._done
    app.store.database.run("UPDATE effect SET not_before = '' WHERE state = 'ready'")

    def claimed_in_memory(self, *how, **more):
        claimed = claim(self, *how, **more)
        self._db.many("UPDATE effect SET state = 'ready', not_before = '9999' WHERE id = ?", [(e.id,) for e in claimed])
        return claimed

    def done_and_claimed(self, effect, *rest, **more):
        with self.bench.store.transaction():
            self.bench.store.database.run("UPDATE effect SET state = 'sending' WHERE id = ?", (effect.id,))
            done(self, effect, *rest, **more)

    Effects.claim, _Push._done = claimed_in_memory, done_and_claimed
    work(app)


def moves_the_bookmark_first(app: App) -> None:
    """The bookmark is committed before the page that it stands behind."""
    keep, set_bookmark = Records.keep, Records.set_bookmark

    def in_two(self, connection, stream, rows, run, page, now):
        set_bookmark(self, connection, stream, str(max(int(row.record.key) for row in rows) + 1), now)
        self._db._commit()
        self._db._begin(True)
        keep(self, connection, stream, rows, run, page, now)

    Records.keep = in_two
    work(app)
