"""OAuth tokens over real sockets: granted once for everybody, renewed in time, kept sealed."""

from __future__ import annotations

import base64
import email.parser
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote

import attrs
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crossdock import (
    AccessError,
    Budget,
    ClientCredentials,
    Endpoint,
    OutcomeUnknownError,
    PluginError,
    Secret,
    TransientError,
    Upload,
    header_auth,
)
from crossdock.http.client import Http
from crossdock.http.limits import MemoryLimiter
from crossdock.http.tokens import Token
from crossdock.sandbox import Sandbox, json_response, serve
from crossdock.store.journal import StoredExchanges
from crossdock.store.memory import StoredMemory
from crossdock.vault import SealedTokens, Vault

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "c1ient+s/ecret=0815"
LIFE = 1000


class StillClock:
    """Time stands still but for those who sleep."""

    stopping = False

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=max(seconds, 0))


class Market(Sandbox):
    """Grants tokens, takes orders from who has the last one, and files from anybody."""

    name = "market"

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.faults.clear()
        self.requests.clear()
        self.secret = SECRET
        self.asked: list[dict[str, list[str]]] = []
        self.granted: list[str] = []
        self.answer: Any = None
        self.made: list[Any] = []
        self.seen: list[dict[str, str]] = []
        self.forms: list[dict[str, Any]] = []

    def routes(self) -> list[Route]:
        return [
            Route("/token", self._token, methods=["POST"]),
            Route("/things", self._things, methods=["GET", "POST"]),
            Route("/open", self._open, methods=["GET"]),
            Route("/upload", self._upload, methods=["POST"]),
        ]

    def state(self) -> dict[str, Any]:
        return {"made": self.made}

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.asked.append(form)
        if self.answer is not None:
            return json_response(self.answer)
        if form["client_secret"] != [self.secret]:
            return json_response({"error": "invalid_client", "error_description": "Client is locked."}, 401)
        self.granted.append(f"granted/{len(self.granted)}+{'x' * 20}")
        return json_response({"access_token": self.granted[-1], "expires_in": LIFE, "token_type": "Bearer"})

    async def _things(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.granted[-1] if self.granted else ''}":
            return json_response({"message": "The token is no good."}, 401)
        if request.method == "POST":
            self.made.append(await request.json())
        return json_response({"id": len(self.made), "echo": request.headers["authorization"]})

    async def _open(self, request: Request) -> Response:
        self.seen.append(dict(request.headers))
        return json_response({})

    async def _upload(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = email.parser.BytesParser().parsebytes(head + await request.body()).get_payload()
        self.forms.append(
            {
                str(part.get_param("name", header="content-disposition")): (
                    part.get_filename(), part.get_content_type(), part.get_payload(decode=True),
                )
                for part in parts
            }
        )  # fmt: skip
        return json_response({})


@pytest.fixture(scope="module")
def served() -> Iterator[Market]:
    market = Market()
    with serve(market):
        yield market


@pytest.fixture
def market(served: Market) -> Market:
    served.begin()
    return served


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def opened(market: Market, clock: StillClock) -> Iterator[Callable[..., Http]]:
    """Opens sessions: each is a process of its own that shares what it is given."""
    sessions: list[Http] = []

    def make(
        *, secret: str = SECRET, grant: Any = None, tokens: Any = None, exchanges: Any = None, **more: Any
    ) -> Http:
        credentials = ClientCredentials(
            url=f"{market.base_url}/token", client_id="me", client_secret=Secret(secret), **(grant or {})
        )
        endpoint = attrs.evolve(Endpoint(base_url=market.base_url, token=credentials), **more)
        sessions.append(
            Http(endpoint, clock=clock, limiter=MemoryLimiter(), tokens=tokens, exchanges=exchanges, seed=1)
        )
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def vault() -> Vault:
    return Vault(b"k" * 32)


@pytest.fixture
def sealed(store, vault) -> Callable[[], SealedTokens]:
    """Token stores of one connection, as each process has its own."""
    return lambda: SealedTokens(vault, StoredMemory(store.database, "market"), "market")


# -- granted once --------------------------------------------------------------------------------------


def test_a_token_is_granted_by_the_credentials_and_sent_as_bearer(opened, market):
    answer = opened(grant={"scope": "orders offers"}).get("/things").json()

    assert market.asked == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["me"],
            "client_secret": [SECRET],
            "scope": ["orders offers"],
        }
    ]
    assert answer["echo"] == f"Bearer {market.granted[0]}"


def test_one_token_serves_many_threads(opened, market):
    http = opened(concurrency=8)
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        barrier.wait()
        return http.get("/things").status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(8))) == {200}
    assert len(market.granted) == 1


def test_a_second_process_uses_the_same_token(opened, market, sealed):
    opened(tokens=sealed()).get("/things")

    opened(tokens=sealed()).get("/things")

    assert len(market.granted) == 1


def test_the_token_is_nowhere_in_the_database_in_the_clear(opened, market, sealed, store):
    log = StoredExchanges(store.database, "market")
    http = opened(tokens=sealed(), exchanges=log)
    http.get("/things")
    http.post("/things", {"note": f"{market.granted[0]} {SECRET}"}, create=True)
    log.flush()

    text = everything(store)
    for secret in (market.granted[0], SECRET):
        assert not [shape for shape in shapes(secret) if shape in text]


def test_a_token_that_another_process_keeps_is_masked_too(opened, market, sealed, store):
    opened(tokens=sealed()).get("/things")
    log = StoredExchanges(store.database, "market")
    http = opened(tokens=sealed(), exchanges=log)

    http.get("/things")
    log.flush()

    assert "***" in everything(store)
    assert market.granted[0] not in everything(store)


def everything(store) -> str:
    """All texts and bytes of all tables."""
    from crossdock.store.tables import metadata

    rows = [row for table in metadata.tables for row in store.database.query(f"SELECT * FROM {table}")]
    return repr(rows)


def shapes(secret: str) -> list[str]:
    """A secret as it may appear: as it is, in a URL, in base64 at any offset."""
    cores = [base64.b64encode(b"\0" * offset + secret.encode()).decode()[4:-4] for offset in range(3)]
    return [secret, quote(secret, safe=""), *cores]


def test_without_a_key_the_token_is_not_kept(store):
    tokens = SealedTokens(Vault(None), StoredMemory(store.database, "market"), "market")

    tokens.save(Token(value="granted", renew_at=NOON))

    assert (tokens.load(), StoredMemory(store.database, "market").items("oauth token")) == (None, {})


def test_a_token_that_was_sealed_with_another_key_is_none(sealed, store):
    sealed().save(Token(value="granted", renew_at=NOON))

    assert SealedTokens(Vault(b"o" * 32), StoredMemory(store.database, "market"), "market").load() is None


# -- renewed -------------------------------------------------------------------------------------------


def test_a_token_is_renewed_when_nine_tenths_of_its_life_are_over(opened, market, clock):
    http = opened()
    http.get("/things")
    clock.sleep(LIFE * 0.9 - 1)
    http.get("/things")
    assert len(market.granted) == 1

    clock.sleep(1)
    http.get("/things")

    assert len(market.granted) == 2


def test_a_token_that_is_refused_in_mid_run_is_renewed_once_and_a_create_makes_one_order(opened, market):
    http = opened()
    http.get("/things")
    market.granted.append("revoked by the vendor")

    http.post("/things", {"order": 1}, create=True)

    assert (market.made, len(market.asked)) == ([{"order": 1}], 2)
    assert [each["method"] for each in market.requests if each["path"] == "/things"] == ["GET", "POST", "POST"]


def test_a_token_that_another_process_has_renewed_is_taken_over(opened, market, sealed):
    first, second = opened(tokens=sealed()), opened(tokens=sealed())
    first.get("/things")
    second.get("/things")
    market.granted.append("revoked by the vendor")
    first.get("/things")
    assert len(market.asked) == 2

    second.get("/things")

    assert len(market.asked) == 2


def test_threads_whose_token_is_refused_at_once_renew_it_once(opened, market):
    http = opened(concurrency=6)
    http.get("/things")
    market.granted.append("revoked by the vendor")
    barrier = threading.Barrier(6)

    def work(number: int) -> int:
        barrier.wait()
        return http.get("/things").status

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(work, range(6))) == {200}
    assert len(market.asked) == 2


def test_a_new_token_that_is_refused_as_well_is_an_access_error(opened, market):
    market.answer = {"access_token": "of no use to anybody"}

    with pytest.raises(AccessError) as caught:
        opened().get("/things")

    assert (caught.value.vendor_message, len(market.asked)) == ("The token is no good.", 2)


def test_a_create_whose_answer_is_lost_is_not_repeated(opened, market):
    http = opened()
    http.get("/things")
    market.fault("cut_after", method="POST", path="/things")

    with pytest.raises(OutcomeUnknownError):
        http.post("/things", {"order": 1}, create=True)

    assert market.made == [{"order": 1}]


def test_with_a_changed_secret_the_old_token_is_not_used(opened, market, sealed):
    opened(tokens=sealed()).get("/things")
    market.secret = "another-one-4711"

    opened(tokens=sealed(), secret="another-one-4711").get("/things")

    assert len(market.granted) == 2


def test_only_the_last_tokens_are_masked_in_a_process_that_runs_for_long(opened, market, clock):
    http = opened()
    for _ in range(8):
        http.get("/things")
        clock.sleep(LIFE)

    assert http.redactor.text(market.granted[-1]) == "***"
    assert http.redactor.text(market.granted[0]) == market.granted[0]
    assert http.redactor.text(SECRET) == "***"


# -- refused and in trouble ----------------------------------------------------------------------------


def test_refused_credentials_are_an_access_error_with_the_vendors_words(opened, market):
    market.secret = "changed"

    with pytest.raises(AccessError, match=r"refused to give a token: .*Client is locked") as caught:
        opened().get("/things")

    assert "crossdock connection verify" in caught.value.hint
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("answer", [{}, {"access_token": ""}, [], {"access_token": 1, "expires_in": "soon"}])
def test_an_answer_without_a_token_is_an_access_error(opened, market, answer):
    market.answer = answer

    with pytest.raises(AccessError, match="answered without an access token"):
        opened().get("/things")


def test_a_life_as_text_is_understood_and_none_is_short(opened, market, clock):
    market.answer = {"access_token": "x" * 20, "expires_in": "1000"}
    http = opened()
    http.request("GET", "/things", raw=True)
    asked = len(market.asked)
    clock.sleep(899)
    http._tokens.current()
    assert len(market.asked) == asked
    clock.sleep(2)

    http._tokens.current()

    assert len(market.asked) == asked + 1


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "cut_before"}])
def test_a_token_address_in_trouble_is_asked_again(opened, market, fault):
    market.fault(**fault, path="/token", times=3)

    assert opened().get("/things").status == 200


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "cut_before"}])
def test_a_token_address_in_lasting_trouble_is_not_asked_as_often_again_for_each_attempt(opened, market, fault):
    market.fault(**fault, path="/token", times=99)

    with pytest.raises(TransientError) as caught:
        opened().get("/things")

    assert (len(market.requests), caught.value.wait) == (4, timedelta(minutes=1))


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "cut_before"}])
def test_trouble_that_lasts_is_passing_also_for_a_create_that_was_not_sent(opened, market, fault):
    market.fault(**fault, path="/token", times=99)

    with pytest.raises(TransientError):
        opened().post("/things", {"order": 1}, create=True)

    assert [each for each in market.requests if each["path"] == "/things"] == []


def test_the_budget_of_tokens_is_respected(opened, market, clock):
    budget = Budget(name="tokens", calls=2, per=timedelta(hours=10), burst=2)
    http = opened(grant={"budget": budget})
    for _ in range(2):
        http.get("/things")
        clock.sleep(LIFE)

    with pytest.raises(TransientError, match="'tokens' allows the next call in") as caught:
        http.get("/things")

    assert (len(market.asked), caught.value.wait is not None) == (2, True)


# -- uploads -------------------------------------------------------------------------------------------


def test_a_file_is_sent_as_a_form(opened, market):
    upload = Upload(
        field="file", name='my "best" offers.csv', content=b"sku;price\r\n--A;1\r\n\x00\xff", media_type="text/csv",
        values={"import_mode": "NORMAL", "note": "Größe"},
    )  # fmt: skip

    opened().post("/upload", upload=upload)

    assert market.forms == [
        {
            "import_mode": (None, "text/plain", b"NORMAL"),
            "note": (None, "text/plain", "Größe".encode()),
            "file": ("my %22best%22 offers.csv", "text/csv", upload.content),
        }
    ]


def test_an_upload_carries_the_credentials(opened, market):
    opened().post("/upload", upload=Upload(field="file", name="a.csv", content=b"a"))

    assert len(market.asked) == 1


# -- anonymous requests --------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[Market]:
    """A host of somebody else."""
    other = Market()
    with serve(other):
        yield other


def test_an_anonymous_request_takes_nothing_of_ours_to_another_host(opened, market, elsewhere):
    http = opened(headers={"X-Shop": "4711"}, auth=header_auth("X-Key", Secret(SECRET)))

    http.request("GET", f"{elsewhere.base_url}/open", anonymous=True)

    (seen,) = elsewhere.seen
    assert not {"authorization", "x-shop", "x-key", "cookie"} & set(seen)
    assert (SECRET in str(seen), market.asked) == (False, [])


def test_it_may_have_headers_of_its_own(opened, elsewhere):
    opened().request("GET", f"{elsewhere.base_url}/open", headers={"If-None-Match": '"v1"'}, anonymous=True)

    assert elsewhere.seen[0]["if-none-match"] == '"v1"'


def test_without_it_another_host_is_refused(opened, elsewhere):
    with pytest.raises(PluginError, match="would carry the credentials to another host"):
        opened().get(f"{elsewhere.base_url}/open")

    assert elsewhere.seen == []


def test_the_same_host_over_another_scheme_is_refused_too(opened, market):
    with pytest.raises(PluginError, match="another host"):
        opened().get(market.base_url.replace("http:", "https:") + "/open")


def test_a_client_without_encryption_is_never_used_for_an_encrypted_address(opened, market):
    """Otherwise the certificate of a host would not be looked at."""
    http = opened()
    http.request("GET", f"{market.base_url}/open", anonymous=True)

    with pytest.raises(TransientError):
        http.request("GET", market.base_url.replace("http:", "https:") + "/open", anonymous=True, attempts=1)

    assert len(market.seen) == 1
