"""Connectors that run in an interpreter of their own, with the same face as those that run in this process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from crossdock import __version__
from crossdock.admission import Found
from crossdock.connection import SPEC_VERSION, ConnectorInfo, Endpoint, Outgoing
from crossdock.errors import TransientError, UsageError
from crossdock.http.redact import Redactor
from crossdock.isolation.process import Child, Gone
from crossdock.isolation.wire import PROTOCOL, unpack
from crossdock.registry import Connector, Registry
from crossdock.session import Session
from crossdock.settings import Secret, setting

PATIENCE_VARIABLE = "CROSSDOCK_ISOLATED_PATIENCE"
PATIENCE = 600.0
"""How long an isolated connector may work on something without a word, in seconds, before it counts as hung."""
_WRITES = ("push_", "accept_", "cancel_", "register_")
_TYPES: dict[str, Any] = {
    "text": str, "number": int, "yes/no": bool, "amount": Decimal, "time": datetime, "secret": Secret,
    "list": tuple[str, ...],
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Described:
    """What an isolated connector says of itself, and the versions of Python and Crossdock that it runs on."""

    python: Path
    version: str
    core: str
    found: Found
    hooks: tuple[str, ...]
    info: Mapping[str, Any]


class Worker:
    """One connector in another interpreter; started when it is called, and started again when it is gone."""

    def __init__(self, python: Path, connector: str, patience: float, label: str = "") -> None:
        self._python = python
        self._connector = connector
        self._patience = patience
        self._log = logging.LoggerAdapter(logging.getLogger("crossdock"), {"connection": label or connector})
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._settings: dict[str, Any] | None = None
        self._redactor = Redactor(())

    @property
    def pid(self) -> int | None:
        """The process, if one runs."""
        return self._child.pid if self._child is not None and self._child.alive else None

    def describe(self) -> Described:
        """Start it and ask what it is; raises `UsageError` when it cannot be used."""
        with self._lock:
            return self._started()[1]

    def adopt(self, other: Worker) -> None:
        """Take over the process of a worker that was only asked what it is."""
        with other._lock:
            child, other._child = other._child, None
        if child is not None:
            child.said = self._said  # this worker knows what has to be masked
        self._child = child

    def open(self, settings: Any) -> Endpoint:
        """Hand over the settings, and answer where requests go; signing is done over there."""
        values = {name: getattr(settings, name) for name in attrs.fields_dict(type(settings))}
        self._settings = values
        self._redactor.add([each.reveal() for each in values.values() if isinstance(each, Secret)])
        parts = dict(self.call("open", (values,)))
        signs = parts.pop("signs")
        return Endpoint(**parts, auth=self._sign if signs else None)

    def check(self, name: str, text: str) -> str | None:
        """The connector's own check of a setting."""
        found: str | None = self.call("check", (name, text))
        return found

    def hook(self, hook: str, arguments: Mapping[str, Any]) -> Any:
        """Call a hook of the connector; its session stays here and answers what is asked of it."""
        session: Session[Any] = arguments["session"]
        rest = {name: value for name, value in arguments.items() if name != "session"}
        parts = (hook, session.connection, dict(session.facts), rest)
        return self.call("call", parts, session, writing=hook.startswith(_WRITES))

    def call(
        self, what: str, parts: tuple[Any, ...], session: Session[Any] | None = None, *, writing: bool = False
    ) -> Any:
        """See `Child.call`; raises `TransientError` when it cannot be started."""
        with self._lock:
            child = self._child
            if child is None or not child.alive:
                try:
                    child = self._started()[0]
                except UsageError as error:
                    raise TransientError(f"{error} Nothing was sent.", hint=error.hint) from error
                if self._settings is not None and what != "open":
                    child.call("open", (self._settings,))
        return child.call(what, parts, session, writing=writing)

    def close(self) -> None:
        """End its process."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.close()

    def _sign(self, request: Outgoing) -> Outgoing:
        signed: Outgoing = self.call("sign", (request,))
        return signed

    def _started(self) -> tuple[Child, Described]:
        if self._child is not None:
            child, self._child = self._child, None
            child.close()
        try:
            child = Child(self._python, self._connector, patience=self._patience, said=self._said)
        except Gone as gone:
            raise self._refused(str(gone)) from gone
        try:
            described = self._read(child.hello())
        except Gone as gone:
            child.close()
            raise self._refused(str(gone)) from gone
        except BaseException:
            child.close()
            raise
        self._child = child
        return child, described

    def _said(self, line: str) -> str:
        masked = self._redactor.text(line)
        self._log.info("%s says: %s", self._connector, masked)
        return masked

    def _refused(self, reason: str) -> UsageError:
        missing = "No module named" in reason and "crossdock" in reason
        return UsageError(
            f"{self._python} cannot run the connector {self._connector}: {reason}.",
            hint=f"Install it there: {self._python} -m pip install crossdock-{self._connector}" if missing
            else "Name the interpreter of a virtual environment, for example envs/acme/bin/python",
        )  # fmt: skip

    def _read(self, hello: Mapping[str, Any]) -> Described:
        there, here = hello.get("version"), __version__
        if (hello.get("protocol"), hello.get("spec"), there) != (PROTOCOL, SPEC_VERSION, here):
            raise UsageError(
                f"{self._python} has Crossdock {there} with version {hello.get('spec')} of the hooks, and here is "
                f"Crossdock {here} with version {SPEC_VERSION}; records could not be handed over completely.",
                hint=f"{self._python} -m pip install crossdock=={here}",
            )
        if hello["failure"]:
            raise UsageError(
                f"{self._python} cannot run the connector {self._connector}: {hello['failure']}",
                hint=f"{self._python} -m pip install crossdock-{self._connector}",
            )
        return Described(
            python=self._python, version=hello["python"], core=there or "", found=Found(**hello["found"]),
            hooks=tuple(hello["hooks"]), info=unpack(hello["info"]),
        )  # fmt: skip


class Isolation:
    """All isolated connectors of a project in `home`. Each environment is asked once what its connector is.

    An interpreter is named as text, seen from the project's folder. `UsageError` when it cannot be used.
    """

    def __init__(self, home: Path, registry: Callable[[], Registry], patience: float | None = None) -> None:
        self._home = home
        self._registry = registry
        self._patience = float(os.environ.get(PATIENCE_VARIABLE, PATIENCE)) if patience is None else patience
        self._known: dict[tuple[Path, str], tuple[Worker, Described, Connector]] = {}
        self._lock = threading.Lock()

    def described(self, python: str, connector: str) -> Described:
        """What the connector of an environment is, with the versions there."""
        return self._look(python, connector)[1]

    def connector(self, python: str, connector: str) -> Connector:
        """The connector of an environment, for looking at; a connection gets its own by `opened`."""
        return self._look(python, connector)[2]

    def opened(self, python: str, connector: str, connection: str) -> tuple[Connector, Callable[[], None]]:
        """A connector with a process of its own for one connection, and what ends that process."""
        looked, described, _ = self._look(python, connector)
        worker = Worker(described.python, connector, self._patience, connection)
        worker.adopt(looked)
        return self._made(described, worker), worker.close

    def close(self) -> None:
        """End all processes that were only looked at."""
        with self._lock:
            known, self._known = list(self._known.values()), {}
        for worker, _, _ in known:
            worker.close()

    def _look(self, python: str, connector: str) -> tuple[Worker, Described, Connector]:
        with self._lock:
            path = usable_python(python, self._home)
            known = self._known.get((path, connector))
            if known is None:
                worker = Worker(path, connector, self._patience)
                described = worker.describe()
                known = self._known[path, connector] = worker, described, self._made(described, worker)
            return known

    def _made(self, described: Described, worker: Worker) -> Connector:
        return self._registry().isolated(described.found, _info(described, worker), described.hooks, worker.hook)


def _info(described: Described, worker: Worker) -> ConnectorInfo:
    data = dict(described.info)
    fields = data.pop("settings")
    return ConnectorInfo(**data, settings=_settings(described.found.name, fields, worker), endpoint=worker.open)


def _settings(connector: str, fields: list[Mapping[str, Any]], worker: Worker) -> type[Any]:
    """A class of settings like the connector's own: the same fields, and its own checks are asked for over there."""
    body: dict[str, Any] = {"__annotations__": {}, "__doc__": f"Settings of {connector}."}
    for field in fields:
        given = {} if field["required"] else {"default": field["default"]}
        body["__annotations__"][field["name"]] = _TYPES[field["kind"]]
        body[field["name"]] = setting(
            field["label"], help=field["help"], where=field["where"], choices=tuple(field["choices"]),
            within=tuple(field["within"]) if field["within"] else None, fact=field["fact"],
            check=_checked(worker, field["name"]) if field["checked"] else None, **given,
        )  # fmt: skip
    return attrs.frozen(kw_only=True)(type("Settings", (), body))


def _checked(worker: Worker, name: str) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        return worker.check(name, text)

    return check


def usable_python(text: str, home: Path) -> Path:
    """The interpreter that a person named, seen from the project's folder; raises `UsageError` when it is none."""
    # Not resolved: the python of a virtual environment is a link, and where it stands makes the environment.
    path = Path(os.path.abspath(home / Path(text).expanduser()))
    if not path.is_file() or not os.access(path, os.X_OK):
        raise UsageError(
            f"{path} is no interpreter that can be run.",
            hint="Make an environment, install the connector there, and name its python: "
            "python3 -m venv envs/acme && envs/acme/bin/pip install crossdock-acme",
        )
    return path
