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

    `every` is the default schedule; without it products and prices are read once a day, balance every 15 minutes and
    everything else every hour. `minimum` is the shortest interval the vendor allows, `granularity` the resolution of
    the vendor's change clock. `announced`: a webhook tells every change, once `register_webhook` has set it up.
    """

    queries: frozenset[QueryKind] = frozenset(("since", "keys"))  #: `since`, `keys` or both
    every: timedelta | None = None  #: the default schedule; `None`: what is usual for the stream
    minimum: timedelta = timedelta(minutes=1)  #: the shortest interval that the vendor allows
    granularity: timedelta = timedelta(seconds=1)  #: the resolution of the vendor's change clock
    announced: bool = False  #: webhooks tell every change, once they are registered


@attrs.frozen(kw_only=True)
class Budget:
    """A vendor's limit: `calls` calls per `per`, at most `burst` at once; held across workers and restarts."""

    name: str  #: what requests name it by: `budget=`
    calls: int  #: how many calls
    per: timedelta  #: in which time
    burst: int = 1  #: how many of them may come at once


@attrs.frozen
class Outgoing:
    """A request about to leave: what an `Auth` may sign. `params` keeps order and repeats."""

    method: str  #: the HTTP method
    url: str  #: the address without query
    params: tuple[tuple[str, str], ...]  #: query parameters, in order, repeats kept
    headers: Mapping[str, str]  #: as they will be sent
    content: bytes = b""  #: the body's exact bytes


Auth = Callable[[Outgoing], Outgoing]
"""Signs or completes a request. Called anew for every attempt, so nonces and timestamps are fresh."""


@attrs.frozen(kw_only=True)
class ClientCredentials:
    """OAuth2 client credentials: the core fetches the token, keeps it sealed, and sends it as ``Bearer``.

    One token serves all threads, processes and restarts of a connection until nine tenths of its life are over; a 401
    fetches one new token and repeats the request once. `budget` is the vendor's limit of token calls, if there is one.
    """

    url: str  #: the token address
    client_id: str  #: public
    client_secret: Secret  #: never shown
    scope: str = ""  #: if the vendor wants one
    budget: Budget | None = None  #: the vendor's limit of token calls


@attrs.frozen(kw_only=True)
class Upload:
    """A file to be sent as ``multipart/form-data`` in the form field `field`, beside plain `values`."""

    field: str  #: the form field of the file
    name: str  #: the file's name
    content: bytes  #: its bytes
    media_type: str = "application/octet-stream"  #: of the file
    values: Mapping[str, str] = attrs.field(factory=dict)  #: other fields of the form


@attrs.frozen(kw_only=True)
class Rule:
    """One line of the verdict table: an answer with `status` (0 = any error) whose body contains `text` is `verdict`.

    `text` is a regular expression, searched without regard to case; `message` is the sentence for a person.
    """

    status: int = 0  #: the HTTP status; 0: any error
    text: str = ""  #: a regular expression, searched in the body without regard to case; empty: any body
    #: the class of error
    verdict: Literal["transient", "record", "access", "unknown", "unsupported"]
    message: str = ""  #: a sentence for a person; empty: the vendor's words
    hint: str = ""  #: what to do


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where a connection's requests go and how they are made."""

    base_url: str  #: what paths are joined to
    auth: Auth | None = None  #: signs every attempt
    token: ClientCredentials | None = None  #: OAuth2 client credentials, instead of `auth`
    headers: Mapping[str, str] = attrs.field(factory=dict)  #: sent with every request
    rules: tuple[Rule, ...] = ()  #: what this vendor's answers mean, looked at before the common table
    connect_timeout: float = 10.0  #: seconds
    read_timeout: float = 60.0  #: seconds without a byte
    max_bytes: int = 64 * 1024 * 1024  #: a larger answer is refused
    concurrency: int = 4  #: connections at once
    #: the vendor's limits as this account has them; replaces those of `ConnectorInfo` with the same name
    budgets: tuple[Budget, ...] = ()
    #: names of query parameters that are masked whatever their value (signatures, nonces)
    secret_params: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class ConnectorInfo:
    """What a connector is. The hook matrix is read from the code, never from here.

    `settings` is the attrs class of settings, `endpoint` makes the `Endpoint` from them. `create_is_idempotent`:
    sending the same key twice makes one order. `binding_orders`: orders take effect at once, so live mode is a
    deliberate switch. `find_after`: how long to wait after a lost answer before asking whether the write happened.
    `write_batch`: how many products, prices or balances one `push_*` call takes. `spec` is the version of the hooks
    that the connector was built for; who does not say is taken for version 1, whatever the core has.
    """

    name: str  #: as in the entry point and in `connection add -c`
    title: str  #: as a person reads it
    settings: type[Any]  #: the attrs class of the settings
    endpoint: Callable[[Any], Endpoint]  #: makes the `Endpoint` from them
    spec: int = 1  #: the version of the hooks that it was built for
    #: stream to how it can be read; only those that it fetches
    streams: Mapping[str, StreamInfo] = attrs.field(factory=dict)
    budgets: tuple[Budget, ...] = ()  #: the vendor's limits
    create_is_idempotent: bool = False  #: whether sending the same key twice makes one order
    binding_orders: bool = False  #: whether an order takes effect at once, so that it is previewed and approved
    #: `none`; `manual`: a person enters the address; `registers`: `register_webhook` does
    webhooks: Literal["none", "manual", "registers"] = "none"
    find_after: timedelta = timedelta(seconds=10)  #: how long after a lost answer to ask whether it was done
    write_batch: int = 100  #: how many items one `push_*` of products, prices or stock takes
    push_concurrency: int = 4  #: how many deliveries at once
    sandbox: str = ""  #: `module:function` that makes the sandbox; imported only when one is started
    docs: str = ""  #: the address of a page about the connector


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
