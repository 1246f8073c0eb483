"""What is written to standard error: JSON for machines, lines for people, always without secrets.

A service (and whoever sets ``CROSSDOCK_LOG`` or ``CROSSDOCK_LOG_LEVEL``) gets every line with what was being worked on.
A single command prints its own results; of the log it lets only what plugins warn of through.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

from crossdock.errors import UsageError
from crossdock.http.redact import mask_known
from crossdock.lines import Lines
from crossdock.trace import work

FORM_VARIABLE = "CROSSDOCK_LOG"
LEVEL_VARIABLE = "CROSSDOCK_LOG_LEVEL"
FORMS = ("json", "console")
LEVELS = ("debug", "info", "warning", "error")
RUNS = "crossdock.runs"
"""The logger of how runs end."""

_QUIET = ("httpx", "httpcore", "alembic", "asyncio", "uvicorn")
"""Libraries that tell of every request or step: only their warnings are news."""


def configure(*, service: bool, stream: TextIO | None = None) -> None:
    """Set up logging of this process; may be called again. Raises `UsageError` when a variable has no meaning.

    `service` is a process that goes on until it is stopped.
    """
    form, level = _wanted(FORM_VARIABLE, FORMS), _wanted(LEVEL_VARIABLE, LEVELS)
    told = service or bool(form) or bool(level)
    handler = _Handler(stream, waits=not service or stream is not None)
    if told:
        watched = (stream or sys.stderr).isatty()
        machine = form == "json" if form else not watched
        handler.setFormatter(_structured(machine, colours=watched and not os.environ.get("NO_COLOR")))
        logging.captureWarnings(service)
    else:
        handler.setFormatter(_Masked("%(message)s"))
    root = logging.getLogger()
    for before in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(before)
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()] if level else logging.INFO if told else logging.WARNING
    root.setLevel(number)
    # A command says itself how its runs ended.
    logging.getLogger(RUNS).disabled = not told
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def settle() -> bool:
    """Write what waits to be written, but not for long; false when nobody takes it."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, _Handler)]
    taken = [each.settle() for each in handlers]
    return all(taken)


def _wanted(variable: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(variable, "").strip().lower()
    if value and value not in allowed:
        raise UsageError(f"{variable} is {value!r}.", hint=f"Set it to {', '.join(allowed[:-1])} or {allowed[-1]}.")
    return value


class _Handler(logging.Handler):
    """Writes lines to a stream, or to whatever standard error is then; for a service nobody has to read that."""

    def __init__(self, stream: TextIO | None, *, waits: bool) -> None:
        super().__init__()
        self._stream = stream
        self._lines = None if waits else Lines(self._put)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, with what its own thread works on."""
        try:
            record.work = dict(work())
            line = self.format(record)
            if self._lines is not None:
                self._lines.write(line)
            else:
                self._put(line)
        except Exception:  # noqa: BLE001  a log that cannot be written must not stop work
            self.handleError(record)

    def settle(self) -> bool:
        """Write what waits; from now on lines are waited for."""
        lines, self._lines = self._lines, None
        return lines is None or lines.close()

    def _put(self, line: str) -> None:
        stream = self._stream or sys.stderr
        stream.write(line + "\n")
        stream.flush()


class _Masked(logging.Formatter):
    """Masks the whole line, so that a secret in an argument or a traceback is masked as well."""

    def format(self, record: logging.LogRecord) -> str:
        """The line without secrets."""
        return mask_known(super().format(record))


def _structured(machine: bool, *, colours: bool) -> logging.Formatter:
    import structlog  # 20 to 50 ms, which commands without a log do not pay
    from structlog.stdlib import ProcessorFormatter

    class Formatter(ProcessorFormatter):
        """Structlog's, with the finished line masked."""

        def format(self, record: logging.LogRecord) -> str:
            """The line without secrets."""
            return mask_known(super().format(record))

    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if machine
        else structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)
    )
    last = [structlog.processors.format_exc_info] if machine else []
    return Formatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        ],
        processors=[_with_work, ProcessorFormatter.remove_processors_meta, *last, renderer],
    )


def _with_work(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Adds what was being worked on, and what the caller said beside the text (`extra={"facts": {...}}`)."""
    record: logging.LogRecord = event["_record"]
    session = {"connection": record.connection} if hasattr(record, "connection") else {}
    facts = getattr(record, "facts", {})
    return {**event, **getattr(record, "work", {}), **session, **facts}
