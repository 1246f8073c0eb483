"""How runs end: written in the journal, and told in one line of the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from crossdock.engine.bench import Bench, Opened, describe
from crossdock.errors import AccessError, ConnectorError, CrossdockError, StoreError

_LOG = logging.getLogger("crossdock.runs")


def end_run(
    bench: Bench, opened: Opened, kind: str, number: int, state: str, counts: Mapping[str, Any],
    error: CrossdockError | None,
) -> None:  # fmt: skip
    """Finish a run: its requests are in the log, its counts in the journal."""
    opened.flush()
    message = describe(error) if isinstance(error, ConnectorError) else str(error or "")
    bench.store.journal.end(number, state, counts, message, bench.clock.now())
    _tell(kind, state, counts, message, error)


def break_off(bench: Bench, kind: str, number: int, counts: Mapping[str, Any], broken: BaseException) -> None:
    """Finish a run that something broke which nobody expected, or an interrupt."""
    text = f"It was broken off: {type(broken).__name__}: {broken}"
    with contextlib.suppress(StoreError):
        bench.store.journal.end(number, "failed", counts, text, bench.clock.now())
    _tell(kind, "failed", counts, text, broken)


def _tell(kind: str, state: str, counts: Mapping[str, Any], message: str, error: BaseException | None) -> None:
    """One line: an error when the connection is paused by it, a warning when it failed or left something parked."""
    level = logging.INFO
    if isinstance(error, AccessError):
        level = logging.ERROR
    elif state == "failed" or counts.get("parked") or counts.get("in_doubt"):
        level = logging.WARNING
    facts = {name: value for name, value in counts.items() if value}
    _LOG.log(level, "%s %s%s", kind, state, f": {message}" if message else "", extra={"facts": facts})
