"""Reading a configuration file: every problem is named with its file, table and key.

::

    public_url = "https://hooks.example.com"           # where vendors send webhooks to

    [connections.shop]
    connector = "woocommerce"
    python = "envs/shop/bin/python"                    # or left out: it runs in Crossdock's own interpreter
    settings.url = "https://shop.example"
    settings.consumer_secret = "env:SHOP_SECRET"       # or left out, to keep the stored one
    streams.orders = "10m"                             # or "*/10 * * * *", or {every = "10m", enabled = false}
    streams.balance = {every = "15m", quiet = "22:00-06:00", zone = "Europe/Berlin", jitter = "30s"}

    [flows.to-erp]
    stream = "orders"
    source = "shop"
    target = "erp"
    mode = "plan"
    options.totals = "line"

    [[mappings]]
    flow = "*"
    kind = "country"
    value = "UK"
    target = "GB"

    [retention]
    payloads = "90d"                                   # or "forever"

    [alerts.email]
    to = ["ops@example.com"]
    from = "crossdock@example.com"
    host = "smtp.example.com"
    user = "crossdock"
    password = "env:SMTP_PASSWORD"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import attrs

from crossdock.app import check_name
from crossdock.configure import OPTIONS, Wish, offered_streams, options_for, schedule_of
from crossdock.engine.route import OPERATIONS
from crossdock.errors import CrossdockError, SettingsError, UsageError
from crossdock.preferences import PREFERENCES, problems
from crossdock.registry import Connector
from crossdock.schedule import Schedule
from crossdock.settings import build, fields_of
from crossdock.store.config import FlowOptions
from crossdock.store.gaps import EVERY_FLOW, KINDS, wrong_row
from crossdock.vault import is_reference

MODES = ("plan", "live", "paused")
Named = tuple[str, str]  # a connector, and the interpreter that it runs in
Find = Callable[[str, str], Connector]
_SCHEDULE = ("every", "cron", "zone", "quiet", "jitter")
_ROW = ("flow", "kind", "value", "target")
_LISTS = ("statuses", "warehouses", "skus")


@attrs.frozen(kw_only=True)
class ConnectionSpec:
    """A connection as the file wants it, run by `python`; secrets that it does not name stay as they are."""

    name: str
    connector: str
    settings: Mapping[str, str]
    draft: bool = False
    python: str = ""


@attrs.frozen(kw_only=True)
class StreamSpec:
    """A stream as the file wants it; without a schedule that stays as it is."""

    connection: str
    stream: str
    enabled: bool = True
    schedule: Schedule | None = None


@attrs.frozen(kw_only=True)
class FlowSpec:
    """A flow as the file wants it; an empty `mode` leaves the mode as it is."""

    name: str
    stream: str
    source: str
    target: str
    mode: str = ""
    options: FlowOptions = FlowOptions()


@attrs.frozen(kw_only=True)
class Project:
    """All that a file says."""

    file: str
    connections: Mapping[str, ConnectionSpec] = attrs.field(factory=dict)
    streams: Mapping[tuple[str, str], StreamSpec] = attrs.field(factory=dict)
    flows: Mapping[str, FlowSpec] = attrs.field(factory=dict)
    mappings: Mapping[tuple[str, str, str], str] = attrs.field(factory=dict)
    preferences: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)


def read(text: str, file: str, find: Find, known: Mapping[str, Named], known_flows: Iterable[str]) -> Project:
    """The project that a file describes; raises `UsageError` naming everything that is wrong in it.

    `find` answers a connector by name and interpreter. The file may refer to the connections that exist already
    (`known`, with both) and to `known_flows` without repeating them.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}.") from error
    reader = _Reader(file, find, dict(known))
    project = reader.project(document, set(known_flows))
    if reader.problems:
        raise UsageError(
            f"{file} was not applied; nothing was changed.\n  " + "\n  ".join(reader.problems),
        )
    return project


class _Reader:
    """Reads one document, collecting problems."""

    def __init__(self, file: str, find: Find, known: dict[str, Named]) -> None:
        self.file = file
        self.find = find
        self.known = known
        self.problems: list[str] = []
        self.streams: dict[tuple[str, str], StreamSpec] = {}

    def bad(self, table: str, key: str, problem: str) -> None:
        """Note a problem."""
        self.problems.append(f"{self.file}: [{table}]{f' {key}' if key else ''}: {problem}")

    def project(self, document: dict[str, Any], known_flows: set[str]) -> Project:
        """The whole document."""
        # Where vendors reach this installation is read from the file itself, see `crossdock.webhooks.public_base`.
        self._only("top level", document, ("public_url", "connections", "streams", "flows", "mappings", *PREFERENCES))
        connections: dict[str, ConnectionSpec] = {}
        for name, table in self._tables("connections", document.get("connections", {})):
            spec = self._connection(name, table)
            if spec is not None:
                connections[name] = spec
        self._top_streams(document.get("streams", {}))
        flows: dict[str, FlowSpec] = {}
        for name, table in self._tables("flows", document.get("flows", {})):
            flow = self._flow(name, table)
            if flow is not None:
                flows[name] = flow
        mappings = self._mappings(document.get("mappings", []), known_flows | set(flows))
        return Project(
            file=self.file, connections=connections, streams=self.streams, flows=flows, mappings=mappings,
            preferences={name: self._preference(name, document[name]) for name in PREFERENCES if name in document},
        )  # fmt: skip

    def _preference(self, name: str, table: Any) -> Mapping[str, Any]:
        for key, problem in problems(name, table).items():
            self.bad(name, key, problem)
        return table if isinstance(table, dict) else {}

    def _tables(self, name: str, value: Any) -> Iterable[tuple[str, dict[str, Any]]]:
        if not isinstance(value, dict):
            self.bad(name, "", f"it must be tables, [{name}.NAME]")
            return
        for key, table in value.items():
            if isinstance(table, dict):
                yield key, table
            else:
                self.bad(name, key, f"it must be a table, [{name}.{key}]")

    def _only(self, table: str, values: Mapping[str, Any], allowed: Iterable[str]) -> None:
        allowed = tuple(allowed)
        for key in values:
            if key not in allowed:
                self.bad(table, key, f"there is no such key; there are: {', '.join(allowed)}")

    def _word(self, table: str, values: Mapping[str, Any], key: str, *, needed: bool = True) -> str:
        value = values.get(key, "")
        if not isinstance(value, str):
            self.bad(table, key, "it must be text, in quotes")
            return ""
        if needed and not value:
            self.bad(table, key, "it is missing")
        return str(value)

    def _flag(self, table: str, values: Mapping[str, Any], key: str, default: bool) -> bool:
        value = values.get(key, default)
        if not isinstance(value, bool):
            self.bad(table, key, "it must be true or false")
            return default
        return value

    # -- connections and streams -------------------------------------------------------------------

    def _connection(self, name: str, table: dict[str, Any]) -> ConnectionSpec | None:
        where = f"connections.{_key(name)}"
        self._only(where, table, ("connector", "python", "draft", "settings", "streams"))
        try:
            check_name(name)
        except SettingsError as error:
            self.bad(where, "", str(error))
        wanted = self._word(where, table, "connector", needed=name not in self.known) or self.known.get(name, ("",))[0]
        python = self._word(where, table, "python", needed=False)
        try:
            connector = self.find(wanted, python)
        except UsageError as error:
            if wanted:
                self.bad(where, "python" if python else "connector", str(error))
            return None
        if name in self.known and self.known[name][0] != wanted:
            self.bad(
                where, "connector", f"{name} is a connection to {self.known[name][0]}; give the new one another name"
            )
        draft = self._flag(where, table, "draft", False)
        settings = self._settings(f"{where}.settings", connector, table.get("settings", {}), draft, name in self.known)
        self.known[name] = wanted, python
        for stream, value in self._stream_items(f"{where}.streams", table.get("streams", {})):
            self._stream(f"{where}.streams", connector, name, stream, value)
        return ConnectionSpec(name=name, connector=wanted, settings=settings, draft=draft, python=python)

    def _settings(
        self, where: str, connector: Connector, table: Any, draft: bool, stored: bool
    ) -> dict[str, str]:  # fmt: skip
        if not isinstance(table, dict):
            self.bad(where, "", "it must be a table")
            return {}
        values = {key: text for key, value in table.items() if (text := self._text(where, key, value)) is not None}
        secrets = {field.name for field in fields_of(connector.info.settings) if field.secret}
        for key in secrets & values.keys():
            if values[key] and not is_reference(values[key]):
                self.bad(where, key, "a secret does not belong in a file: name its place, env:VARIABLE or file:PATH, "
                                     "or leave it out to keep the stored one")  # fmt: skip
        plain = {key: value for key, value in values.items() if key not in secrets}
        try:
            build(connector.info.settings, plain)
        except SettingsError as error:
            for key, problem in error.problems.items():
                missing = not plain.get(key)
                kept = key in secrets and (values.get(key) or (stored and key not in values))
                if not kept and not (missing and draft):
                    self.bad(where, key, problem)
        return values

    def _text(self, where: str, key: str, value: Any) -> str | None:
        """A TOML value as the text that settings are kept as; `None` after noting a problem."""
        match value:
            case bool():
                return "true" if value else "false"
            case str():
                return value
            case int() | Decimal():
                return format(value, "f") if isinstance(value, Decimal) else str(value)
            case datetime() | date():
                return value.isoformat()
            case list() if all(isinstance(each, str | int) for each in value):
                return ",".join(str(each) for each in value)
            case time() | _:
                self.bad(where, key, "it must be text, a number, true or false, a date, or a list of texts")
                return None

    def _top_streams(self, value: Any) -> None:
        """``[streams."shop.orders"]``, or ``[streams.shop.orders]``."""
        if not isinstance(value, dict):
            self.bad("streams", "", 'it must be tables, [streams."CONNECTION.STREAM"]')
            return
        for key, table in value.items():
            connection, dot, stream = key.rpartition(".")
            items = [(stream, table)] if dot else list(self._stream_items(f"streams.{_key(key)}", table))
            name = connection if dot else key
            if name not in self.known:
                self.bad(f"streams.{_key(key)}", "", f"there is no connection {name!r}")
                continue
            try:
                connector = self.find(*self.known[name])
            except UsageError as error:
                self.bad(f"streams.{_key(key)}", "", str(error))
                continue
            for each, inner in items:
                self._stream(f"streams.{_key(key)}", connector, name, each, inner)

    def _stream_items(self, where: str, value: Any) -> Iterable[tuple[str, Any]]:
        if isinstance(value, dict):
            return value.items()
        self.bad(where, "", "it must be a table")
        return ()

    def _stream(self, where: str, connector: Connector, connection: str, stream: str, value: Any) -> None:
        table = value
        if isinstance(value, str):
            table = {"cron" if " " in value.strip() or value.startswith("@") else "every": value}
        if not isinstance(table, dict):
            self.bad(where, stream, 'it must be a schedule such as "10m", or a table')
            return
        inside = f"{where}.{stream}" if not where.endswith(f'{stream}"') else where
        self._only(inside, table, (*_SCHEDULE, "enabled"))
        offered = offered_streams(connector)
        if stream not in offered:
            known = ", ".join(offered) or "none"
            self.bad(where, stream, f"{connector.info.title} has no such stream; there are: {known}")
            return
        if (connection, stream) in self.streams:
            self.bad(where, stream, "it is described twice")
        wish = Wish(**{name: self._word(inside, table, name, needed=False) for name in _SCHEDULE})
        schedule: Schedule | None = None
        if wish != Wish():
            try:
                schedule = schedule_of(connector.info, stream, wish, None)
            except CrossdockError as error:
                self.bad(inside, next(name for name in _SCHEDULE if getattr(wish, name)), str(error))
        self.streams[connection, stream] = StreamSpec(
            connection=connection, stream=stream, enabled=self._flag(inside, table, "enabled", True), schedule=schedule
        )

    # -- flows and mappings ------------------------------------------------------------------------

    def _flow(self, name: str, table: dict[str, Any]) -> FlowSpec | None:
        where = f"flows.{_key(name)}"
        before = len(self.problems)
        self._only(where, table, ("stream", "source", "target", "mode", "options"))
        try:
            check_name(name)
        except SettingsError as error:
            self.bad(where, "", str(error))
        stream, source, target = (self._word(where, table, key) for key in ("stream", "source", "target"))
        mode = self._word(where, table, "mode", needed=False)
        if mode and mode not in MODES:
            self.bad(where, "mode", f"there is no mode {mode!r}; there are: {', '.join(MODES)}")
        if stream and stream not in OPERATIONS:
            self.bad(where, "stream", f"there is no stream {stream!r}; there are: {', '.join(OPERATIONS)}")
        for key, end in (("source", source), ("target", target)):
            if end and end not in self.known:
                self.bad(where, key, f"there is no connection {end!r}")
        if len(self.problems) > before:
            return None
        options = self._options(f"{where}.options", stream, table.get("options", {}))
        return FlowSpec(name=name, stream=stream, source=source, target=target, mode=mode, options=options)

    def _options(self, where: str, stream: str, table: Any) -> FlowOptions:
        if not isinstance(table, dict):
            self.bad(where, "", "it must be a table")
            return FlowOptions()
        self._only(where, table, OPTIONS)
        given: dict[str, Any] = {}
        for key, value in table.items():
            if key not in OPTIONS:
                continue
            if key in _LISTS:
                good = isinstance(value, list) and all(isinstance(each, str) for each in value)
                given[key] = tuple(value) if good else ()
                wanted = "a list of texts"
            elif key == "buffer":
                good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
                given[key], wanted = value, "a whole number, zero or more"
            else:
                good = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
                given[key], wanted = str(value), "text"
            if not good:
                self.bad(where, key, f"it must be {wanted}")
                del given[key]
        try:
            return options_for(stream, given)
        except UsageError as error:
            self.bad(where, "", str(error))
            return FlowOptions()

    def _mappings(self, value: Any, flows: set[str]) -> dict[tuple[str, str, str], str]:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.bad("mappings", "", "it must be rows, [[mappings]]")
            return {}
        found = dict[tuple[str, str, str], str]()
        for number, row in enumerate(value, 1):
            where, before = f"mappings, row {number}", len(self.problems)
            self._only(where, row, _ROW)
            flow, kind, code, target = (self._word(where, {"flow": EVERY_FLOW, **row}, key) for key in _ROW)
            if flow and flow != EVERY_FLOW and flow not in flows:
                self.bad(where, "flow", f"there is no flow {flow!r}")
            if kind and (wrong := wrong_row(kind, target)):
                self.bad(where, "target" if kind in KINDS else "kind", wrong)
            if (flow, kind, code) in found:
                self.bad(where, "value", f"{kind} {code} of {flow} is mapped twice")
            if len(self.problems) == before:
                found[flow, kind, code] = target
        return found


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name
