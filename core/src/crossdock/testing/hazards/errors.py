"""Hazards of answers that are none: refusals, limits, maintenance pages, broken connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from crossdock.errors import AccessError, ConnectorError, CrossdockError, TransientError
from crossdock.sandbox import NotRehearsed
from crossdock.session import Since
from crossdock.testing.hazards.hazard import Finding, demand_rows, hazard, reads
from crossdock.testing.stage import Stage

_ALWAYS = 10_000


def _fill(stage: Stage, count: int = 3) -> None:
    """Choose the first stream that is rehearsed, and put rows into it."""
    streams = [stream for stream in stage.subject.reads if stream in stage.rehearsal.streams]
    if not streams:
        raise NotRehearsed(
            f"The sandbox rehearses none of the streams that are read ({', '.join(stage.subject.reads)})."
        )
    stage.stream = streams[0]
    stage.add(count)


def _demand_error(
    stage: Stage, act: Callable[[], Any], kinds: Sequence[type[CrossdockError]], what: str
) -> CrossdockError:
    """The error that `act` ends with; raises `Finding` when there is none or it is of another kind."""
    wanted = " or ".join(kind.__name__ for kind in kinds)
    try:
        act()
    except CrossdockError as error:
        if isinstance(error, tuple(kinds)):
            return error
        raise Finding(f"{what} became {type(error).__name__} instead of {wanted}: {error}") from error
    raise Finding(f"{what} went unnoticed: the read of {stage.stream} ended as if there were no more rows.")


def _refused(stage: Stage, status: int) -> None:
    _fill(stage)
    stage.sandbox.fault("status", status=status, times=_ALWAYS, body='{"message": "Not allowed."}')
    _demand_error(stage, stage.read, [AccessError], f"An answer {status}")


@hazard(
    "refused-credentials", "bronze",
    "A token is revoked, and instead of one alert there are thousands of failing calls, and the account is blocked.",
    reads,
)  # fmt: skip
def refused_credentials(stage: Stage) -> None:
    """401 is an access error."""
    _refused(stage, 401)


@hazard(
    "refused-rights", "bronze",
    "A right is taken away, and orders are parked one by one as if each of them were wrong.",
    reads,
)  # fmt: skip
def refused_rights(stage: Stage) -> None:
    """403 is an access error."""
    _refused(stage, 403)


def _demand_wait(stage: Stage, headers: dict[str, str], wait: timedelta | None) -> None:
    _fill(stage)
    stage.sandbox.fault("status", status=429, times=_ALWAYS, headers=headers, body='{"message": "Too many requests."}')
    error = _demand_error(stage, stage.read, [TransientError], "An answer 429")
    said = getattr(error, "wait", None)
    if wait is not None and (said is None or abs(said - wait) > timedelta(seconds=30)):
        raise Finding(f"The vendor asked to wait for {wait}, and the error says {said}.")


@hazard(
    "limit-with-seconds", "silver",
    "The vendor says how long to wait, we ask again at once, and the block becomes longer each time.",
    reads,
)  # fmt: skip
def limit_seconds(stage: Stage) -> None:
    """429 with Retry-After in seconds is passing trouble with that wait."""
    _demand_wait(stage, {"retry-after": "600"}, timedelta(seconds=600))


@hazard(
    "limit-with-date", "silver",
    "The wait comes as a date, which is read as no wait at all.",
    reads,
)  # fmt: skip
def limit_date(stage: Stage) -> None:
    """429 with Retry-After as an HTTP date is passing trouble with that wait."""
    until = (stage.clock.now() + timedelta(seconds=600)).replace(microsecond=0)
    _demand_wait(stage, {"retry-after": format_datetime(until, usegmt=True)}, timedelta(seconds=600))


@hazard(
    "limit-without-a-word", "silver",
    "A limit without a wait is taken for an error of the record, and what is parked needs a person.",
    reads,
)  # fmt: skip
def limit_bare(stage: Stage) -> None:
    """429 without Retry-After is passing trouble."""
    _demand_wait(stage, {}, None)


@hazard(
    "server-errors", "bronze",
    "The shop restarts for a minute, and the connection is switched off or the run counts as complete.",
    reads,
)  # fmt: skip
def server_errors(stage: Stage) -> None:
    """500, 502, 503 and 504 on reads are passing trouble."""
    _fill(stage)
    for status in (500, 502, 503, 504):
        fault = stage.sandbox.fault("status", status=status, times=_ALWAYS, body="<h1>Server error</h1>")
        _demand_error(stage, stage.read, [TransientError], f"An answer {status}")
        fault.times = 0


@hazard(
    "page-instead-of-data", "bronze",
    "A maintenance page with status 200 is read as an empty list, and the bookmark moves past everything.",
    reads,
)  # fmt: skip
def page_instead_of_data(stage: Stage) -> None:
    """HTML with status 200 never counts as "no rows"."""
    _fill(stage)
    stage.sandbox.fault("html", times=_ALWAYS)
    _demand_error(stage, stage.read, [TransientError, AccessError], "An HTML page in place of the data")


@hazard(
    "answer-cut-short", "bronze",
    "The connection breaks in the middle of an answer, and half a list is taken for the whole.",
    reads,
)  # fmt: skip
def cut_short(stage: Stage) -> None:
    """Half a body, and no body at all, are passing trouble."""
    _fill(stage)
    for kind in ("truncate", "cut_before", "cut_after"):
        fault = stage.sandbox.fault(kind, times=_ALWAYS)
        _demand_error(stage, stage.read, [TransientError], f"A connection that was cut ({kind})")
        fault.times = 0


@hazard(
    "slow-answer", "silver",
    "An answer that never comes holds a worker for ever, or is taken for an empty list.",
    reads,
)  # fmt: skip
def slow(stage: Stage) -> None:
    """An answer that takes longer than the patience is passing trouble; one that is waited for is read in full."""
    stage.patience = 0.2
    _fill(stage)
    stage.sandbox.fault("slow", seconds=0.4, times=_ALWAYS)
    try:
        haul = stage.read()
    except TransientError:
        return
    demand_rows(stage.rehearsal.expected(stage.stream), haul.records, " when answers are slow")


@hazard(
    "trouble-in-the-middle", "bronze",
    "A run breaks off at its third page, and the next one starts behind the rows that it never saw.",
    reads, each_stream=True,
)  # fmt: skip
def in_the_middle(stage: Stage) -> None:
    """Each answer after the first is refused in its turn; going on from the last page's cursor loses nothing."""
    stage.add(stage.many)
    expected = stage.rehearsal.expected(stage.stream)
    asked = len(stage.requests())
    demand_rows(expected, stage.read().records)
    for skip in range(1, min(len(stage.requests()) - asked, 6)):
        fault = stage.sandbox.fault("status", status=503, times=_ALWAYS, skip=skip)
        kept: dict[str, Any] = {}
        cursor = None
        try:
            for page in stage.pages(Since(None)):
                kept.update({record.key: record for record in page.records})
                cursor = page.cursor if page.cursor is not None else cursor
        except ConnectorError as error:
            if not isinstance(error, TransientError):
                raise Finding(f"An answer 503 became {type(error).__name__}: {error}") from error
        fault.times = 0
        rest = stage.read(cursor).records
        demand_rows(expected, {**kept, **rest}, f" when answer {skip + 1} is a 503 and the next run goes on")


HAZARDS = (
    refused_credentials, refused_rights, limit_seconds, limit_date, limit_bare, server_errors, page_instead_of_data,
    cut_short, slow, in_the_middle,
)  # fmt: skip
