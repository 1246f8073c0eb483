"""The session as an isolated connector gets it: everything in it is asked of Crossdock, over the pipe.

So budgets, tokens, memory, files, exchange log, clock and stop button are those of the process that asked; the
connector's process holds nothing that is not asked for, and sends no request of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import datetime
from typing import Any

import msgspec

from crossdock.connection import Endpoint, Upload
from crossdock.http.answer import Answer
from crossdock.http.parts import Params
from crossdock.http.verbs import ATTEMPTS, Verbs
from crossdock.session import StoredFile

Ask = Callable[..., Any]
"""Asks Crossdock: a target such as ``clock.now``, and its arguments."""


class RemoteRedactor:
    """Masks the secrets of the connection."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def text(self, value: str) -> str:
        """`value` without secrets."""
        return str(self._ask("redactor.text", value)) if value else value

    def bytes(self, value: bytes) -> bytes:
        """`value` without secrets."""
        return bytes(self._ask("redactor.bytes", value)) if value else value

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers without secrets."""
        return dict(self._ask("redactor.headers", dict(headers)))

    def add(self, secrets: Iterable[str], forget: Iterable[str] = ()) -> None:
        """Mask these as well from now on."""
        self._ask("redactor.add", list(secrets), list(forget))


class RemoteHttp(Verbs):
    """The HTTP session: each request is made by Crossdock."""

    def __init__(self, ask: Ask, endpoint: Endpoint) -> None:
        self._ask = ask
        self.endpoint = endpoint
        self.redactor = RemoteRedactor(ask)

    @property
    def count(self) -> int:
        """How many requests were made."""
        return int(self._ask("http.count"))

    def request(
        self, method: str, path: str, params: Params | None = None, *, json: Any = None, content: bytes | None = None,
        create: bool = False, budget: str = "", headers: Mapping[str, str] | None = None,
        timeout: float | None = None, attempts: int = ATTEMPTS, raw: bool = False, upload: Upload | None = None,
        anonymous: bool = False,
    ) -> Answer:  # fmt: skip
        """See `crossdock.http.client.Http.request`."""
        if json is not None:
            # Written here: a body may be made of the connector's own types.
            content, headers = msgspec.json.encode(json), {**(headers or {}), "Content-Type": "application/json"}
        status, answered, body, url, seconds = self._ask(
            "http.request", method, path, _plain(params), content=content, create=create, budget=budget,
            headers=dict(headers) if headers else None, timeout=timeout, attempts=attempts, raw=raw, upload=upload,
            anonymous=anonymous,
        )  # fmt: skip
        return Answer(status, answered, body, url, self.redactor.text, seconds)

    def close(self) -> None:
        """Nothing to close here."""


def _plain(params: Params | None) -> Any:
    return dict(params) if isinstance(params, Mapping) else list(params) if params is not None else None


class RemoteClock:
    """Crossdock's clock and stop button."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        found: datetime = self._ask("clock.now")
        return found

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, less when stopped."""
        self._ask("clock.sleep", seconds)

    @property
    def stopping(self) -> bool:
        """Whether the work should end at the next safe point."""
        return bool(self._ask("clock.stopping"))


class RemoteMemory:
    """The connection's memory."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get_many(self, table: str, keys: Iterable[str]) -> dict[str, str]:
        """The values that are known of `keys`."""
        return dict(self._ask("memory.get_many", table, list(keys)))

    def put_many(self, table: str, values: Mapping[str, str]) -> None:
        """Remember; older values are replaced."""
        self._ask("memory.put_many", table, dict(values))

    def forget(self, table: str, keys: Iterable[str]) -> None:
        """Forget what turned out to be wrong."""
        self._ask("memory.forget", table, list(keys))

    def items(self, table: str) -> dict[str, str]:
        """Everything that is known in `table`."""
        return dict(self._ask("memory.items", table))


class RemoteFiles:
    """The connection's files."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def get(self, name: str) -> StoredFile | None:
        """The file kept under `name`, or `None`."""
        found: StoredFile | None = self._ask("files.get", name)
        return found

    def put(self, name: str, content: bytes, facts: Mapping[str, str] | None = None) -> StoredFile:
        """Keep a file."""
        kept: StoredFile = self._ask("files.put", name, content, dict(facts) if facts is not None else None)
        return kept

    def kept_at(self, name: str) -> datetime | None:
        """When the file was kept, without reading it."""
        found: datetime | None = self._ask("files.kept_at", name)
        return found


class RemoteHooks:
    """The hooks that third parties added, where Crossdock runs; one that nobody implements is not there."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or not self._ask("hooks.has", name):
            raise AttributeError(name)
        return lambda **arguments: self._ask("hooks.call", name, **arguments)


class RemoteLog(logging.LoggerAdapter[logging.Logger]):
    """The connection's log: what is said here is logged by Crossdock."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(logging.Logger("crossdock", level=logging.DEBUG), {})
        self.logger.addHandler(_Sent(ask))

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The message as it is: what it is said of is added by Crossdock."""
        return msg, kwargs


class _Sent(logging.Handler):
    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Send one message."""
        self._ask("log", record.levelno, self.format(record))
