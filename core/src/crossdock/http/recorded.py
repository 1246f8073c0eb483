"""Answers from a list instead of from the network: what a connection asked once, asked again offline."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from crossdock.http.client import Http

_JSON = "application/json"
_LONG = timedelta(days=3650)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its answer, as text; `status` 0 for an answer that never came."""

    method: str
    url: str
    body: str = ""
    status: int = 200
    answer: str = ""
    media_type: str = _JSON

    @property
    def writes(self) -> bool:
        """Whether it asked for a change."""
        return self.method not in ("GET", "HEAD")


Otherwise = Callable[[Recorded], Recorded | None]


class Tape(httpx.BaseTransport):
    """Answers requests as they were answered before; everything else is refused, and nothing leaves the process.

    A write is answered only when it says the same as the recorded one. `otherwise` is asked for an answer to what is
    not recorded. Afterwards `asked` has what was asked and answered, `unanswered` what was not, and `changed` pairs of
    a recorded write and the one that is sent now.
    """

    def __init__(self, recorded: Sequence[Recorded], at: datetime, otherwise: Otherwise | None = None) -> None:
        self.asked: list[Recorded] = []
        self.unanswered: list[Recorded] = []
        self.changed: list[tuple[Recorded, Recorded]] = []
        self._left = list(recorded)
        self._used: list[Recorded] = []
        self.at = at
        self._otherwise = otherwise
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The recorded answer to a request."""
        body = request.read().decode("utf-8", "replace")
        asked = Recorded(method=request.method, url=str(request.url), body=body, status=0)
        with self._lock:
            found = self._find(asked)
            if found is None:
                self.unanswered.append(asked)
                raise httpx.ConnectError(f"no answer to {asked.method} {asked.url} is recorded")
            self.asked.append(msgspec.structs.replace(
                asked, status=found.status, answer=found.answer, media_type=found.media_type
            ))  # fmt: skip
        if not found.status:
            raise httpx.ReadError("the answer was lost")
        headers = {"Content-Type": found.media_type, "Date": f"{self.at:%a, %d %b %Y %H:%M:%S} GMT"}
        return httpx.Response(found.status, headers=headers, content=found.answer.encode())

    def _find(self, asked: Recorded) -> Recorded | None:
        """The next answer that fits; the last one of its kind is given again."""
        for pool in (self._left, self._used):
            for fits in (_same_address, _same_path):
                for each in pool if pool is self._left else reversed(pool):
                    if each.method != asked.method or not fits(each.url, asked.url):
                        continue
                    if self._otherwise is None and asked.writes and not same_body(each.body, asked.body):
                        self.changed.append((each, asked))
                        return None
                    if pool is self._left:
                        self._left.remove(each)
                        self._used.append(each)
                    return each
        return self._otherwise(asked) if self._otherwise is not None else None


def _same_address(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return _same_path(one, other) and sorted(parse_qsl(first.query)) == sorted(parse_qsl(second.query))


def _same_path(one: str, other: str) -> bool:
    return urlsplit(one).path == urlsplit(other).path


def same_body(one: str, other: str) -> bool:
    """Whether two bodies say the same: as JSON if they are that."""
    if one == other:
        return True
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except msgspec.MsgspecError:
        return False


class _Clients:
    """Takes the place of a connection's clients."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    @contextlib.contextmanager
    def one(self, patience: float, *, secure: bool) -> Iterator[httpx.Client]:
        """A client that answers from the tape."""
        del patience, secure
        yield httpx.Client(transport=self._tape, trust_env=False)

    def close(self) -> None:
        """Nothing is open."""


def play(http: Http, tape: Tape) -> None:
    """From now on the connection is answered from the tape.

    It has a token already, if it needs one: what grants tokens is a secret and never recorded.
    """
    clients: Any = _Clients(tape)
    http._clients = clients
    tokens = http._tokens
    if tokens is not None:
        tokens.take("canary-token", tape.at + _LONG)
