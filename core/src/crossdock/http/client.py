"""The HTTP session of a connection: retries, budgets, limits, redaction and the exchange log in one seam.

A request says what it is, and that decides what a failure means:

* ``get`` may be repeated; passing trouble is retried here a few times with jitter and then raised;
* ``put`` / ``post`` with ``safe=True`` may be repeated, because doing it twice is doing it once;
* ``create=True`` is never repeated here once bytes may have left: a lost answer is `OutcomeUnknownError`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from crossdock.clock import Clock, monotonic
from crossdock.connection import Budget, Endpoint, Outgoing, Upload
from crossdock.errors import (
    AccessError,
    ConnectorError,
    OutcomeUnknownError,
    PluginError,
    TransientError,
    UnsupportedError,
)
from crossdock.http.answer import Answer, retry_after
from crossdock.http.clients import Clients
from crossdock.http.delivery import accepted, answered, writes
from crossdock.http.exchange import Exchange, ExchangeLog, excerpt
from crossdock.http.limits import PATIENCE, Limiter
from crossdock.http.parts import Params, bearing, flatten, multipart
from crossdock.http.redact import Redactor
from crossdock.http.tokens import HeldToken, Tokens, TokenStore
from crossdock.http.verbs import ATTEMPTS, Verbs
from crossdock.http.verdict import judge
from crossdock.trace import span

_DRIP = 10  # an answer that trickles in may take so many read timeouts as a whole
_TOKENS_KEPT = 4
_TOKEN_PAUSE = timedelta(minutes=1)
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Http(Verbs):
    """The HTTP session of one opened connection; thread-safe."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock,
        limiter: Limiter,
        budgets: Iterable[Budget] = (),
        secrets: Iterable[str] = (),
        exchanges: ExchangeLog | None = None,
        tokens: TokenStore | None = None,
        seed: int | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.redactor = Redactor(secrets, endpoint.secret_params)
        self._clock = clock
        self._limiter = limiter
        grant = endpoint.token
        granted = (grant.budget,) if grant and grant.budget else ()
        self._budgets = {budget.name: budget for budget in (*budgets, *endpoint.budgets, *granted)}
        self._tokens = (
            Tokens(grant, tokens or HeldToken(), clock, self._ask_token, self._learn_token) if grant else None
        )
        self._granted: list[str] = []
        if grant:
            self.redactor.add([grant.client_secret.reveal()])
        self._exchanges = exchanges
        self._clients = Clients(endpoint)
        self._random = random.Random(seed)  # noqa: S311  jitter, not cryptography
        self.count = 0

    # -- the request --------------------------------------------------------------------------------

    def request(
        self, method: str, path: str, params: Params | None = None, *, json: Any = None, content: bytes | None = None,
        create: bool = False, budget: str = "", headers: Mapping[str, str] | None = None,
        timeout: float | None = None, attempts: int = ATTEMPTS, raw: bool = False, upload: Upload | None = None,
        anonymous: bool = False,
    ) -> Answer:  # fmt: skip
        """Any request. `raw=True` returns error answers instead of raising: for diagnosis in verify, and where the
        caller judges, because the vendor refuses inside a success; a create does not count as accepted then.

        `path` is joined to the connection's base URL; an absolute URL of another host is refused, because it would
        carry the credentials there. With `anonymous` any absolute URL will do: it is asked without credentials and
        without the connection's own headers (a feed whose address is the secret, a file of a third party).
        """
        if upload is not None:
            content, headers = multipart(upload, headers)
        outgoing = self._outgoing(method, path, params, json, content, headers, anonymous=anonymous)
        last = 1 if create else attempts
        error: ConnectorError | None = None
        for attempt in range(1, last + 1):
            self._wait_for(budget, error)
            try:
                answer = self._answered(outgoing, create=create, timeout=timeout, anonymous=anonymous)
            except TransientError as lost:
                error = lost
            else:
                error = judge(answer, self.endpoint.rules, creates=create, now=self._clock.now())
                if create and error is None and not raw:
                    accepted()
                self._learn(answer, error, budget)
                if raw or error is None:
                    return answer
                error = self._masked(error)
            if not isinstance(error, TransientError) or attempt == last or self._clock.stopping:
                raise error
            wait = error.wait.total_seconds() if error.wait is not None else 0.25 * 2 ** (attempt - 1)
            if wait > PATIENCE.total_seconds():
                raise error
            self._clock.sleep(wait + self._random.uniform(0, max(wait, 0.25) / 2))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    # -- steps -------------------------------------------------------------------------------------

    def _outgoing(
        self, method: str, path: str, params: Params | None, json: Any, content: bytes | None,
        headers: Mapping[str, str] | None, *, anonymous: bool = False,
    ) -> Outgoing:  # fmt: skip
        # The address's own query joins the parameters: `Auth` signs them, and the client would replace it by them.
        url, _, query = self._url(path, anonymous=anonymous).partition("?")
        own = {} if anonymous else self.endpoint.headers
        sent = {"Accept": "application/json", "User-Agent": "crossdock", **own, **(headers or {})}
        body = content or b""
        if json is not None:
            body = msgspec.json.encode(json)
            sent["Content-Type"] = "application/json"
        return Outgoing(method, url, (*parse_qsl(query, keep_blank_values=True), *flatten(params)), sent, body)

    def _url(self, path: str, *, anonymous: bool) -> str:
        if anonymous and _ABSOLUTE.match(path):
            return path
        base = self.endpoint.base_url.rstrip("/")
        if not _ABSOLUTE.match(path):
            return f"{base}/{path.lstrip('/')}" if path else base
        there, here = urlsplit(path), urlsplit(base)
        if (there.scheme, there.netloc.lower()) != (here.scheme, here.netloc.lower()):
            raise PluginError(
                f"A request to {self.redactor.text(path)} would carry the credentials to another host than {base}."
            )
        return path

    def _wait_for(self, budget: str, failed: ConnectorError | None = None) -> None:
        if not budget:
            return
        limit = self._budgets.get(budget)
        if limit is None:
            raise PluginError(f"The connector uses a budget {budget!r} that its ConnectorInfo does not declare.")
        wait = self._limiter.reserve(limit, self._clock.now())
        if wait > PATIENCE:
            # After an attempt that failed, that is the news, and not that no second one is allowed now.
            raise failed or TransientError(
                f"The vendor's limit for {budget!r} allows the next call in {wait.total_seconds():.0f} s.", wait=wait
            )
        self._clock.sleep(wait.total_seconds())

    def _learn(self, answer: Answer, error: ConnectorError | None, budget: str) -> None:
        """A vendor's own word about its limits holds for every worker, not only for this request."""
        if not budget:
            return
        wait = error.wait if isinstance(error, TransientError) else None
        if wait is None and answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
            wait = retry_after(answer.headers, self._clock.now())
        if wait:
            limit = self._budgets[budget]
            allowance = limit.per / limit.calls * (limit.burst - 1)  # no burst before then either
            self._limiter.hold(budget, self._clock.now() + wait + allowance)

    def _answered(self, outgoing: Outgoing, *, create: bool, timeout: float | None, anonymous: bool) -> Answer:
        """Sign and send; a token that is refused is renewed once."""
        if anonymous:
            return self._exchange(outgoing, create=create, timeout=timeout)
        if self._tokens is None:
            signed = self.endpoint.auth(outgoing) if self.endpoint.auth else outgoing
            return self._exchange(signed, create=create, timeout=timeout)
        token = self._tokens.current()
        answer = self._exchange(bearing(outgoing, token), create=create, timeout=timeout)
        if answer.status == 401:  # refused before any work, so also a create may be sent again
            token = self._tokens.renewed(token)
            answer = self._exchange(bearing(outgoing, token), create=create, timeout=timeout)
        return answer

    def _ask_token(self, form: bytes) -> Answer:
        grant = self.endpoint.token
        assert grant is not None  # noqa: S101  only called with one
        headers = {"Accept": "application/json", "User-Agent": "crossdock",
                   "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
        for attempt in range(1, ATTEMPTS + 1):
            if grant.budget:
                self._wait_for(grant.budget.name)
            error: ConnectorError
            try:
                answer = self._exchange(Outgoing("POST", grant.url, (), headers, form), create=False, timeout=None,
                                        secret=True)  # fmt: skip
            except TransientError as lost:
                error = lost
            else:
                refusal = judge(answer, (), creates=False, now=self._clock.now())
                if refusal is None:
                    return answer
                error = self._token_refused(answer, refusal)
            if not isinstance(error, TransientError) or error.wait is not None or self._clock.stopping:
                raise error
            if attempt == ATTEMPTS:
                # Or each attempt of the request that needs the token would ask as often again.
                error.wait = _TOKEN_PAUSE
                raise error
            self._clock.sleep(0.25 * 2 ** (attempt - 1) + self._random.uniform(0, 0.2))
        raise AssertionError("unreachable")

    def _token_refused(self, answer: Answer, error: ConnectorError) -> ConnectorError:
        if isinstance(error, TransientError):
            return self._masked(error)
        said = self.redactor.text(error.vendor_message)
        return AccessError(
            f"{answer.url} refused to give a token: {said or f'it answered {answer.status}'}",
            hint="Check the client id and the client secret, then run: crossdock connection verify NAME",
            status=answer.status, vendor_message=said,
        )  # fmt: skip

    def _learn_token(self, token: str) -> None:
        # A running process is granted thousands: only the last ones can still come up.
        self._granted.append(token)
        self.redactor.add([token], self._granted[:-_TOKENS_KEPT])
        del self._granted[:-_TOKENS_KEPT]

    def _exchange(self, signed: Outgoing, *, create: bool, timeout: float | None, secret: bool = False) -> Answer:
        at, started = self._clock.now(), monotonic()
        writing = not secret and (create or signed.method not in ("GET", "HEAD"))
        if writing:
            writes(at, signed, self.redactor.text)
        self.count += 1
        try:
            with span(f"HTTP {signed.method}", url__full=self.redactor.text(signed.url)) as seen:
                answer = self._send(signed, timeout, create=create)
                seen.note(http__response__status_code=answer.status, http__request__method=signed.method)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as error:
            # Not chained: the cause quotes the header or address, and a credential with it.
            raise AccessError(
                f"{self.redactor.text(signed.url)} cannot be asked: {self.redactor.text(str(error))}.",
                hint="Correct the address or the credentials: a sign in them cannot be sent.",
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._keep(signed, at, started, None, str(error) or type(error).__name__)
            raise self._not_connected(signed.url, error) from error
        except httpx.HTTPError as error:
            self._keep(signed, at, started, None, f"{type(error).__name__}: {error}")
            raise self._lost(signed.url, error, create) from error
        except ConnectorError as error:
            self._keep(signed, at, started, None, str(error))
            raise
        if writing:
            answered(signed, self.redactor.text, answer.status)
        self._keep(signed, at, started, answer, "", secret=secret)
        return answer

    def _send(self, signed: Outgoing, timeout: float | None, *, create: bool) -> Answer:
        end = self.endpoint
        read = timeout or end.read_timeout
        started = monotonic()
        with self._clients.one(read, secure=not signed.url.lower().startswith("http:")) as client:
            request = client.build_request(
                signed.method, signed.url, params=list(signed.params) or None, headers=dict(signed.headers),
                content=signed.content or None,
                timeout=httpx.Timeout(connect=end.connect_timeout, read=read, write=30.0, pool=read),
            )  # fmt: skip
            response = client.send(request, stream=True)
            try:
                body = self._read(response, monotonic() + read * _DRIP, create=create)
            finally:
                response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        url, took = self.redactor.text(signed.url), monotonic() - started
        return Answer(response.status_code, headers, body, url, self.redactor.text, took)

    def _read(self, response: httpx.Response, deadline: float, *, create: bool) -> bytes:
        limit = self.endpoint.max_bytes
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > limit:
                message = f"{self.redactor.text(str(response.url))} answered with more than {limit} bytes."
                raise OutcomeUnknownError(message) if create else UnsupportedError(message)
            if monotonic() > deadline:
                raise httpx.ReadTimeout("the answer trickled in for too long")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _not_connected(self, url: str, error: Exception) -> TransientError:
        host = urlsplit(url).netloc
        return TransientError(
            f"{host} cannot be reached: {self.redactor.text(str(error)).rstrip('.') or 'no connection in time'}.",
            # So OpenSSL calls an answer in plain text.
            hint="Nothing was sent. It does not speak TLS there: should the address begin with http://, or the port be "
            "another one?"
            if "WRONG_VERSION_NUMBER" in str(error)
            else "Nothing was sent. Check the address and the network.",
        )

    def _lost(self, url: str, error: Exception, create: bool) -> ConnectorError:
        what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cut the connection"
        message = (
            f"{self.redactor.text(url)} {what}: {self.redactor.text(str(error)).rstrip('.') or type(error).__name__}."
        )
        if create:
            return OutcomeUnknownError(message, hint="The write may have been done; it is looked up before resending.")
        return TransientError(message)

    def _masked(self, error: ConnectorError) -> ConnectorError:
        error.message = self.redactor.text(error.message)
        error.args = (error.message,)
        error.vendor_message = self.redactor.text(error.vendor_message)
        return error

    def _keep(
        self, sent: Outgoing, at: datetime, started: float, answer: Answer | None, error: str, *, secret: bool = False
    ) -> None:
        if self._exchanges is None:
            return
        mask = self.redactor
        query = "&".join(f"{name}={value}" for name, value in sent.params)
        seconds = monotonic() - started
        self._exchanges.keep(
            Exchange(
                at=at,
                method=sent.method,
                url=mask.text(f"{sent.url}?{query}" if query else sent.url),
                status=answer.status if answer else None,
                seconds=seconds,
                request_body=excerpt(sent.content, mask),
                # What grants a token is a secret that nobody knows yet.
                response_body=excerpt(answer.content, mask) if answer and not secret else "",
                error=mask.text(error),
                ahead=_ahead(answer, at + timedelta(seconds=seconds / 2)) if answer else None,
            )
        )


def _ahead(answer: Answer, at: datetime) -> timedelta | None:
    """How far the clock of who answered is ahead of ours; what came from a cache in between says nothing of it."""
    dated = answer.date
    return dated - at if dated and "age" not in answer.headers else None
