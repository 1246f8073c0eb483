"""Who and with what: what a connector says of itself, and what an opened connection reaches."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

import attrs

from crossdock.settings import Secret

SPEC_VERSION = 1

QueryKind = Literal["since", "keys"]


@attrs.frozen(kw_only=True)
class StreamInfo:
    """How one stream of a connector can be read.

    `every` is the default schedule, `minimum` the shortest interval the vendor allows, `granularity` the resolution of
    the vendor's change clock.
    """

    queries: frozenset[QueryKind] = frozenset(("since", "keys"))
    every: timedelta = timedelta(hours=1)
    minimum: timedelta = timedelta(minutes=1)
    granularity: timedelta = timedelta(seconds=1)


@attrs.frozen(kw_only=True)
class Budget:
    """A vendor's limit: `calls` calls per `per`, at most `burst` at once; held across workers and restarts."""

    name: str
    calls: int
    per: timedelta
    burst: int = 1


@attrs.frozen
class Outgoing:
    """A request about to leave: what an `Auth` may sign. `params` keeps order and repeats."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    content: bytes = b""


Auth = Callable[[Outgoing], Outgoing]
"""Signs or completes a request. Called anew for every attempt, so nonces and timestamps are fresh."""


@attrs.frozen(kw_only=True)
class ClientCredentials:
    """OAuth2 client credentials: the core fetches the token, keeps it sealed, and sends it as ``Bearer``.

    One token serves all threads, processes and restarts of a connection until nine tenths of its life are over; a 401
    fetches one new token and repeats the request once. `budget` is the vendor's limit of token calls, if there is one.
    """

    url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    budget: Budget | None = None


@attrs.frozen(kw_only=True)
class Upload:
    """A file to be sent as ``multipart/form-data`` in the form field `field`, beside plain `values`."""

    field: str
    name: str
    content: bytes
    media_type: str = "application/octet-stream"
    values: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Rule:
    """One line of the verdict table: an answer with `status` (0 = any error) whose body contains `text` is `verdict`.

    `text` is a regular expression, searched without regard to case; `message` is the sentence for a person.
    """

    status: int = 0
    text: str = ""
    verdict: Literal["transient", "record", "access", "unknown", "unsupported"]
    message: str = ""
    hint: str = ""


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a connection's requests go and how they are made."""

    base_url: str
    auth: Auth | None = None
    token: ClientCredentials | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)
    rules: tuple[Rule, ...] = ()
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_bytes: int = 64 * 1024 * 1024
    concurrency: int = 4
    budgets: tuple[Budget, ...] = ()
    """The vendor's limits as this account has them; replaces those of `ConnectorInfo` with the same name."""
    secret_params: frozenset[str] = frozenset()
    """Names of query parameters that are masked whatever their value (signatures, nonces)."""


@attrs.frozen(kw_only=True)
class ConnectorInfo:
    """What a connector is. The hook matrix is read from the code, never from here.

    `settings` is the attrs class of settings, `endpoint` makes the `Endpoint` from them. `create_is_idempotent`:
    sending the same key twice makes one order. `binding_orders`: orders take effect at once, so live mode is a
    deliberate switch. `find_after`: how long to wait after a lost answer before asking whether the write happened.
    `write_batch`: how many products, prices or balances one `push_*` call takes.
    """

    name: str
    title: str
    settings: type[Any]
    endpoint: Callable[[Any], Endpoint]
    spec: int = SPEC_VERSION
    streams: Mapping[str, StreamInfo] = attrs.field(factory=dict)
    budgets: tuple[Budget, ...] = ()
    create_is_idempotent: bool = False
    binding_orders: bool = False
    webhooks: Literal["none", "manual", "registers"] = "none"
    find_after: timedelta = timedelta(seconds=10)
    write_batch: int = 100
    push_concurrency: int = 4
    sandbox: str = ""
    """``module:function`` that makes the sandbox; imported only when one is started."""
    docs: str = ""


def basic_auth(user: str, password: Secret, *headers: str) -> Auth:
    """HTTP Basic credentials in `headers` (``Authorization`` unless named otherwise)."""
    names = headers or ("Authorization",)

    def sign(request: Outgoing) -> Outgoing:
        token = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
        return attrs.evolve(request, headers={**request.headers, **dict.fromkeys(names, f"Basic {token}")})

    return sign


def header_auth(name: str, secret: Secret, prefix: str = "") -> Auth:
    """A secret in a header, for example ``Authorization: Bearer …``."""

    def sign(request: Outgoing) -> Outgoing:
        return attrs.evolve(request, headers={**request.headers, name: prefix + secret.reveal()})

    return sign


def query_auth(params: Mapping[str, str | Secret]) -> Auth:
    """Credentials as query parameters, for hosts that strip the Authorization header."""

    def sign(request: Outgoing) -> Outgoing:
        added = tuple((name, value.reveal() if isinstance(value, Secret) else value) for name, value in params.items())
        return attrs.evolve(request, params=(*request.params, *added))

    return sign
