"""The hazard of secrets that come to light: planted ones are looked for, in every shape, wherever text comes out."""

from __future__ import annotations

import base64
import contextlib
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import attrs

from crossdock.app import DATABASE_FILE
from crossdock.errors import CrossdockError
from crossdock.http.redact import MASK, Redactor
from crossdock.sandbox import Impossible, NotRehearsed
from crossdock.session import Since
from crossdock.settings import build, fields_of
from crossdock.testing.hazards.hazard import Finding, NotApplicable, always, hazard
from crossdock.testing.hazards.orders import key_of
from crossdock.testing.project import SYSTEM, open_project
from crossdock.testing.stage import Stage

_ALWAYS = 10_000
_SPECIAL = '+/&=%"<7q'
_TROUBLES = (400, 401, 422, 429, 500)


@attrs.define
class _Ears:
    """Everything that was said, with who said it."""

    secrets: dict[str, str]
    heard: list[tuple[str, str]] = attrs.field(factory=list)

    def hear(self, who: str, *texts: Any) -> None:
        self.heard.extend((who, str(text)) for text in texts if text)

    def error(self, who: str, error: BaseException) -> None:
        self.hear(who, error, repr(error), "".join(traceback.format_exception(error)))
        self.hear(who, getattr(error, "hint", ""), getattr(error, "vendor_message", ""))

    def demand_silence(self) -> None:
        for name, secret in self.secrets.items():
            redactor = Redactor([secret])
            for who, text in self.heard:
                masked = redactor.text(text)
                if masked != text:
                    at = masked.find(MASK)
                    raise Finding(f"{who} tells the secret {name}: …{masked[max(at - 60, 0) : at + 20]}…")


@contextlib.contextmanager
def _listening(ears: _Ears, package: str) -> Iterator[None]:
    """Hear what is logged while the block runs, debugging included."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ears.hear("A log line", self.format(record))

    handler, root = Handler(), logging.getLogger()
    loggers = [logging.getLogger("crossdock"), logging.getLogger(package)]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _plant(stage: Stage) -> dict[str, str]:
    """Give the account secrets with special characters; the secrets by setting."""
    given = stage.values
    secrets = {
        each.name: given[each.name] for each in fields_of(stage.info.settings) if each.secret and given.get(each.name)
    }
    if not secrets:
        raise NotApplicable("A connection to its sandbox has no secret.")
    for name, value in secrets.items():
        planted = value + _SPECIAL
        try:
            build(stage.info.settings, {**given, name: planted})
        except CrossdockError:
            continue  # this one cannot have such characters
        with contextlib.suppress(Impossible):
            stage.rehearsal.set_secret(name, planted)
            secrets[name] = planted
            stage.plant(name, planted)
    return secrets


def _echo(secrets: dict[str, str]) -> str:
    """What a talkative system says back: the request's credentials in several shapes."""
    shapes = [shape for each in secrets.values() for shape in (each, quote_plus(each))]
    shapes += [
        base64.b64encode(f"{'u' * pad}:{each}".encode()).decode() for each in secrets.values() for pad in range(3)
    ]
    text = " ".join(shapes).replace("\\", "\\\\").replace('"', '\\"')
    return '{"message": "Refused: ' + text + '", "errors": {"credentials": ["' + text + '"]}}'


def _acts(stage: Stage) -> list[tuple[str, Callable[[], Any]]]:
    """What is tried while the system talks: every stream, verify, and an order."""
    acts: list[tuple[str, Callable[[], Any]]] = [
        (f"reading {stream}", lambda stream=stream: list(stage.pages(Since(None), stream)))  # type: ignore[misc]
        for stream in stage.subject.reads
    ]
    acts.append(("verify", lambda: list(stage.connector.verify(stage.session))))
    with contextlib.suppress(NotRehearsed, Impossible):
        if stage.subject.can("push_order"):
            made = stage.rehearsal.make("orders", 1)[0]
            acts.append(("sending an order", lambda: _push(stage, made)))
    return acts


def _push(stage: Stage, made: Any) -> Any:
    if stage.subject.can("preview_order"):
        stage.connector.preview_order(stage.session, made, key_of(made))
    return stage.connector.push_order(stage.session, made, key_of(made), None)


def _try_all(stage: Stage, ears: _Ears, when: str) -> None:
    for name, act in _acts(stage):
        try:
            answer = act()
        except CrossdockError as error:
            ears.error(f"The error of {name} {when}", error)
        else:
            for each in answer if name == "verify" else ():
                # The core masks steps before anybody sees them; what it cannot mask is what the connector logs.
                ears.hear(f"A step of {name} {when}", stage.session.http.redactor.text(f"{each.detail} {each.hint}"))
            if name.startswith("reading"):
                for page in answer:
                    ears.hear(f"A reject of {name} {when}", *page.rejects)


@hazard(
    "secret-comes-to-light", "bronze",
    "A token stands in a log line, and whoever may read logs may sell the shop's orders.",
    always,
)  # fmt: skip
def secrets(stage: Stage) -> None:
    """A system says credentials back in its errors: they are in no error, log line, recorded request or database."""
    planted = _plant(stage)
    ears = _Ears(planted)
    with _listening(ears, stage.subject.found.target.partition(":")[0].partition(".")[0]):
        _try_all(stage, ears, "on a good day")
        for status in _TROUBLES:
            fault = stage.sandbox.fault("status", status=status, times=_ALWAYS, body=_echo(planted))
            _try_all(stage, ears, f"when the system answers {status}")
            fault.times = 0
        fault = stage.sandbox.fault("cut_before", times=_ALWAYS)
        _try_all(stage, ears, "when connections are cut")
        fault.times = 0
        ears.hear("The session", repr(stage.session), repr(stage.session.settings), repr(stage.session.http.endpoint))
        for exchange in stage.exchanges:
            ears.hear("A recorded request", *attrs.astuple(exchange))
        _hear_database(stage, ears, planted)
    ears.demand_silence()


def _hear_database(stage: Stage, ears: _Ears, planted: dict[str, str]) -> None:
    """What a project keeps after it read from a system in trouble."""
    with open_project(stage) as project:
        stage.sandbox.fault("status", status=422, times=_ALWAYS, body=_echo(planted))
        for stream in stage.subject.reads:
            with contextlib.suppress(CrossdockError):
                project.pull(stream, SYSTEM)
        home: Path = project.app.home
        for path in home.glob(f"{DATABASE_FILE}*"):
            ears.hear(f"The database ({path.name})", path.read_bytes().decode("latin-1"))


HAZARDS = (secrets,)
