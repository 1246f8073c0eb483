"""Tells a chat when a record is parked or a connection paused, in the form that Slack and others take: ``{"text": …}``.

``CROSSDOCK_ALERTS_URL`` is the address that messages are posted to; without it nothing is said. A hook only puts the
message into a queue: a chat that is slow, or gone, must not hold up a delivery. What does not fit into the queue is
counted, and said with the next message.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import threading
import time
import urllib.request
from typing import Any

from crossdock import AccessError, Receipt, RecordError, hookimpl, hookspec

URL_VARIABLE = "CROSSDOCK_ALERTS_URL"
WAITING = 100
"""How many messages may wait; an alert that comes after a hundred others helps nobody."""
TIMEOUT = 5.0
LAST_WORDS = 3.0
"""How long the end of a command waits for messages that are still on their way, in seconds."""

log = logging.getLogger("crossdock.alerts")


class AlertSpec:
    """The hook that this plugin offers to others."""

    @hookspec(firstresult=True)
    def alerts_text(self, kind: str, subject: str, text: str) -> str:  # type: ignore[empty-body]
        """Say an alert in your own words; an empty text keeps it quiet, `None` leaves it to others.

        `kind` is ``parked``, ``in doubt`` or ``paused``; `subject` the connection or flow.
        """


class Teller:
    """Posts messages from a thread of its own, which is started by the first one."""

    def __init__(self) -> None:
        self._queue: queue.Queue[str] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._started = False
        self._missed = 0

    def tell(self, text: str) -> None:
        """Say something soon; returns at once."""
        if not os.environ.get(URL_VARIABLE):
            return
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="alerts", daemon=True).start()
                atexit.register(self.finish)
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self._missed += 1

    def finish(self, patience: float = LAST_WORDS) -> None:
        """Wait until everything is said, but not for long."""
        deadline = time.monotonic() + patience
        while self._queue.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)

    def _run(self) -> None:
        while True:
            text = self._queue.get()
            missed, self._missed = self._missed, 0
            try:
                self._post(f"{text} (and {missed} more)" if missed else text)
            except (OSError, ValueError) as error:
                # Without the address: whoever knows it may write into the chat.
                log.warning("An alert could not be posted: %s", type(error).__name__)
            finally:
                self._queue.task_done()

    @staticmethod
    def _post(text: str) -> None:
        url = os.environ.get(URL_VARIABLE, "")
        if not url.startswith(("https://", "http://")):
            raise ValueError(URL_VARIABLE)
        request = urllib.request.Request(  # noqa: S310  checked above
            url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310
            pass


teller = Teller()
_manager: Any = None


def say(kind: str, subject: str, text: str) -> None:
    """Let others put it into their words, and post it."""
    worded = _manager.hook.alerts_text(kind=kind, subject=subject, text=text) if _manager else None
    said = f"Crossdock, {subject}: {text}" if worded is None else str(worded)
    if said:
        teller.tell(said)


@hookimpl
def add_hookspecs(manager: Any) -> None:
    """Offer `alerts_text` to other plugins."""
    global _manager
    _manager = manager
    manager.add_hookspecs(AlertSpec)


@hookimpl
def record_parked(connection: str, error: RecordError) -> None:
    """A payload could not be read as a record."""
    say("parked", connection, f"{error.key or 'a record'} needs a person: {error}")


@hookimpl
def effect_settled(flow: str, key: str, state: str, receipt: Receipt | None) -> None:
    """A write was refused, or nobody knows whether it was done."""
    if state == "parked":
        say("parked", flow, f"{key} was not delivered and needs a person: crossdock parked list")
    elif state == "in_doubt":
        say("in doubt", flow, f"the answer to {key} was lost; it is asked for before anything is sent again")


@hookimpl
def connection_paused(connection: str, error: AccessError) -> None:
    """Access broke."""
    say("paused", connection, f"it is paused: {error}")
