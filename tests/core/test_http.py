"""The HTTP session over real sockets: what is repeated, what is not, and what an error means."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crossdock import (
    AccessError,
    Budget,
    Endpoint,
    OutcomeUnknownError,
    PluginError,
    RecordError,
    Rule,
    Secret,
    TransientError,
    UnsupportedError,
    basic_auth,
    header_auth,
    query_auth,
)
from crossdock.http.client import Http
from crossdock.http.exchange import Exchange
from crossdock.http.limits import MemoryLimiter
from crossdock.http.parts import flatten
from crossdock.http.verdict import vendor_message
from crossdock.sandbox import Sandbox, json_response, serve

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "p@ss/w+rd=0815"


class TestClock:
    """Time stands still but for those who sleep."""

    __test__ = False
    stopping = False

    def __init__(self) -> None:
        self.time = NOON
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self.time += timedelta(seconds=seconds)


class Exchanges:
    def __init__(self) -> None:
        self.kept: list[Exchange] = []

    def keep(self, exchange: Exchange) -> None:
        self.kept.append(exchange)


class Shop(Sandbox):
    """A little system: a list, a counter of things made, and what it saw of the last request."""

    name = "shop"

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Any] = []
        self.busy = 0
        self.seen: list[Request] = []

    def routes(self) -> list[Route]:
        return [
            Route("/api/things", self._things, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/api/echo", self._echo),
            Route("/api/cookie", self._cookie),
            Route("/api/busy", self._busy),
            Route("/api/large", lambda request: Response(b"x" * 300_000)),
            Route("/api/gone", lambda request: json_response({"code": "gone", "message": "No <b>thing</b>."}, 404)),
            Route(
                "/api/moved", lambda request: Response(status_code=301, headers={"location": "https://new.example/"})
            ),
        ]

    def state(self) -> dict[str, Any]:
        return {"made": self.made}

    async def _things(self, request: Request) -> Response:
        self.seen.append(request)
        if request.method != "GET":
            self.made.append(await request.body())
        return json_response([{"id": 1, "total": "12.30"}], headers={"X-Total": "1"})

    async def _echo(self, request: Request) -> Response:
        return json_response({"query": request.query_params.multi_items(), "headers": dict(request.headers)})

    async def _busy(self, request: Request) -> Response:
        self.busy += 1
        at_once = self.busy
        await asyncio.sleep(0.01)
        self.busy -= 1
        return json_response(at_once)

    async def _cookie(self, request: Request) -> Response:
        return json_response(dict(request.cookies), headers={"Set-Cookie": "sid=1; Path=/"})


@pytest.fixture(scope="module")
def served() -> Iterator[Shop]:
    shop = Shop()
    with serve(shop):
        yield shop


@pytest.fixture
def shop(served: Shop) -> Shop:
    served.faults.clear()
    served.requests.clear()
    served.made.clear()
    served.seen.clear()
    return served


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def opened(shop: Shop, clock: TestClock) -> Iterator[Callable[..., Http]]:
    sessions: list[Http] = []

    def make(*, budgets: tuple[Budget, ...] = (), exchanges: Exchanges | None = None, **changes: Any) -> Http:
        endpoint = attrs.evolve(Endpoint(base_url=f"{shop.base_url}/api"), **changes)
        sessions.append(
            Http(
                endpoint, clock=clock, limiter=MemoryLimiter(), budgets=budgets, secrets=[SECRET], exchanges=exchanges,
                seed=1,
            )
        )  # fmt: skip
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def http(opened: Callable[..., Http]) -> Http:
    return opened()


@contextlib.contextmanager
def raw_server(*answers: bytes) -> Iterator[str]:
    """A server that answers each connection with the next bytes and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join(timeout=5)


# -- reading -----------------------------------------------------------------------------------------


def test_a_read_answers_status_headers_in_lower_case_and_body(http):
    answer = http.get("things")

    assert (answer.status, answer.headers["x-total"], answer.json()) == (200, "1", [{"id": 1, "total": "12.30"}])


def test_the_remote_clock_is_read_in_utc(http):
    assert http.get("things").date.tzinfo is UTC


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_passing_trouble_of_a_read_is_repeated_until_it_passes(http, shop, clock, status):
    shop.fault("status", status=status, times=3)

    assert http.get("things").status == 200
    assert len(shop.requests) == 4
    assert len(clock.sleeps) == 3


def test_passing_trouble_that_lasts_is_raised_after_four_attempts(http, shop):
    shop.fault("status", status=503, times=99, body='{"message": "Down for maintenance"}')

    with pytest.raises(TransientError, match="Down for maintenance") as caught:
        http.get("things")

    assert caught.value.status == 503
    assert len(shop.requests) == 4


def test_waits_grow_with_bounded_jitter(http, shop, clock):
    shop.fault("status", status=503, times=3)
    http.get("things")

    for wait, base in zip(clock.sleeps, (0.25, 0.5, 1.0), strict=True):
        assert base <= wait <= base * 1.5


def test_jitter_differs_between_sessions(shop, clock):
    waits = set()
    for seed in range(5):
        session = Http(Endpoint(base_url=f"{shop.base_url}/api"), clock=clock, limiter=MemoryLimiter(), seed=seed)
        shop.fault("status", status=503, times=1)
        session.get("things")
        session.close()
        waits.add(clock.sleeps.pop())

    assert len(waits) == 5


def test_retry_after_in_seconds_is_honoured(http, shop, clock):
    shop.fault("status", status=429, headers={"retry-after": "7"})

    http.get("things")

    assert 7 <= clock.sleeps[0] <= 7 * 1.5


def test_retry_after_as_a_date_is_honoured(http, shop, clock):
    at = email.utils.format_datetime(NOON + timedelta(seconds=9), usegmt=True)
    shop.fault("status", status=503, headers={"retry-after": at})

    http.get("things")

    assert 9 <= clock.sleeps[0] <= 9 * 1.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:20 -0000"}, 20),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOON.timestamp()) + 5)}, 6),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str((int(NOON.timestamp()) + 5) * 1000)}, 6),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12"}, 12),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "²"}, None),
        ({"x-ratelimit-remaining": "4", "x-ratelimit-reset": "12"}, None),
        ({"retry-after": "99999999999999"}, 7 * 86400),
        ({"x-ratelimit-reset": "999999999999999"}, 7 * 86400),
    ],
)
def test_every_way_to_ask_for_a_wait_is_understood(headers, seconds):
    from crossdock.http.answer import retry_after

    wait = retry_after(headers, NOON)

    assert (wait.total_seconds() if wait is not None else None) == seconds


def test_a_long_wait_is_left_to_the_engine(http, shop, clock):
    shop.fault("status", status=429, headers={"retry-after": "600"})

    with pytest.raises(TransientError) as caught:
        http.get("things")

    assert caught.value.wait == timedelta(seconds=600)
    assert clock.sleeps == []
    assert len(shop.requests) == 1


def test_a_stopping_clock_ends_the_repeats(http, shop, clock):
    clock.stopping = True
    shop.fault("status", status=503, times=9)

    with pytest.raises(TransientError):
        http.get("things")

    assert len(shop.requests) == 1


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "truncate"])
def test_a_cut_connection_is_passing_trouble_of_a_read(http, shop, fault):
    shop.fault(fault, times=2)

    assert http.get("things").json() == [{"id": 1, "total": "12.30"}]
    assert len(shop.requests) == 3


def test_a_slow_answer_is_passing_trouble_of_a_read(http, shop):
    shop.fault("slow", seconds=0.4, times=1)

    assert http.get("things", timeout=0.1).status == 200
    assert len(shop.requests) == 2


def test_an_answer_that_trickles_in_does_not_hold_a_worker_for_ever(clock):
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not done.wait(0.005):
                connection.sendall(b"x")

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", read_timeout=0.02)
    session = Http(endpoint, clock=clock, limiter=MemoryLimiter())
    try:
        with pytest.raises(TransientError, match="did not answer in time"):
            session.get("x", attempts=1)
    finally:
        done.set()
        thread.join(timeout=5)
        listener.close()
        session.close()


def test_nobody_listening_is_passing_trouble_and_says_that_nothing_was_sent(clock):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    session = Http(Endpoint(base_url=f"http://127.0.0.1:{port}"), clock=clock, limiter=MemoryLimiter())

    with pytest.raises(TransientError, match="cannot be reached") as caught:
        session.post("orders", {}, create=True)

    assert "Nothing was sent" in caught.value.hint
    session.close()


def test_https_where_plain_http_is_spoken_is_told_as_that(clock):
    with serve(Shop()) as served:
        session = Http(
            Endpoint(base_url=served.url.replace("http://", "https://")), clock=clock, limiter=MemoryLimiter()
        )  # fmt: skip
        with pytest.raises(TransientError, match="cannot be reached") as caught:
            session.get("orders")
        session.close()

    assert "should the address begin with http://" in caught.value.hint


# -- what an answer means ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RecordError),
        (401, AccessError),
        (403, AccessError),
        (404, RecordError),
        (407, AccessError),
        (409, RecordError),
        (410, RecordError),
        (422, RecordError),
        (301, AccessError),
        (302, AccessError),
        (308, AccessError),
    ],
)
def test_a_refusal_is_raised_at_once_as_what_it_is(http, shop, status, error):
    shop.fault("status", status=status)

    with pytest.raises(error) as caught:
        http.get("things")

    assert caught.value.status == status
    assert len(shop.requests) == 1


def test_the_vendors_own_words_are_in_the_error_without_markup(http):
    with pytest.raises(RecordError) as caught:
        http.get("gone")

    assert caught.value.vendor_message == "gone: No  thing ."


def test_what_wordpress_says_of_bad_parameters_is_in_the_error():
    body = (
        b'{"code":"rest_invalid_param","message":"Invalid parameter(s): billing, status","data":{"status":400,'
        b'"params":{"billing":"Invalid email address.","status":"status is not one of any."}}}'
    )

    assert vendor_message(body) == (
        "rest_invalid_param: Invalid parameter(s): billing, status "
        "billing: Invalid email address.; status: status is not one of any."
    )


def test_a_redirect_is_reported_with_its_target_and_not_followed(http, shop):
    with pytest.raises(AccessError, match=r"redirect to https://new\.example/") as caught:
        http.get("moved")

    assert "redirect" in caught.value.hint
    assert len(shop.requests) == 1


def test_rules_of_a_connector_come_before_the_table(opened, shop):
    rules = (
        Rule(status=400, text="deadlock", verdict="transient", message="The database was busy."),
        Rule(status=404, text="no_route", verdict="access", hint="Correct the address."),
        Rule(text="not licensed", verdict="unsupported"),
    )
    http = opened(rules=rules)
    shop.fault("status", status=400, body="Transaction was DEADLOCKED")
    assert http.get("things").status == 200

    shop.fault("status", status=404, body='{"code": "rest_no_route"}')
    with pytest.raises(AccessError) as caught:
        http.get("things")
    assert caught.value.hint == "Correct the address."

    shop.fault("status", status=418, body="not licensed")
    with pytest.raises(UnsupportedError):
        http.get("things")


def test_raw_answers_errors_as_answers(http, shop):
    shop.fault("status", status=401)

    assert http.request("GET", "things", raw=True).status == 401


def test_html_where_json_was_expected_is_said_to_be_html(http, shop):
    shop.fault("html")

    with pytest.raises(TransientError, match="an HTML page where JSON was expected") as caught:
        http.get("things").json()

    assert "Front page" in caught.value.vendor_message


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "an empty body"), (b'{"a": ', "cut off or broken"), (b"Warning: x", "no JSON"), (b"\xff\xfe", "no JSON")],
)
def test_a_body_that_is_no_json_is_passing_trouble_and_named(body, words, http, shop):
    answer = attrs.evolve(http.get("things"), content=body)

    with pytest.raises(TransientError, match=words):
        answer.json()
    with pytest.raises(TransientError, match=words):
        answer.rows(msgspec.json.Decoder(int))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000])
def test_a_body_nested_without_end_is_broken_json_and_no_crash(body, http):
    answer = attrs.evolve(http.get("things"), content=body)

    with pytest.raises(TransientError):
        answer.json()
    with pytest.raises(TransientError):
        answer.rows(msgspec.json.Decoder(Any))


def test_a_byte_order_mark_before_json_is_harmless(http, shop):
    shop.fault("prefix", body="\N{ZERO WIDTH NO-BREAK SPACE}")

    assert http.get("things").json() == [{"id": 1, "total": "12.30"}]


def test_a_warning_printed_before_json_is_quoted(http, shop):
    shop.fault("prefix", body="Deprecated: strftime() in wp.php")

    with pytest.raises(TransientError) as caught:
        http.get("things").json()

    assert "strftime" in caught.value.vendor_message


class Thing(msgspec.Struct):
    id: int
    total: str


def test_json_of_another_shape_names_the_field(http):
    answer = attrs.evolve(http.get("things"), content=b'[{"id": 1, "total": 5}]')

    with pytest.raises(RecordError) as caught:
        answer.decode(msgspec.json.Decoder(list[Thing]))

    assert caught.value.path == "[0].total" or caught.value.path.endswith("total")


def test_one_bad_row_does_not_spoil_the_page(http):
    answer = attrs.evolve(http.get("things"), content=b'[{"id": 1, "total": "1"}, {"id": "x"}, 7]')

    rows = answer.rows(msgspec.json.Decoder(Thing))

    assert [row.value is not None for row in rows] == [True, False, False]
    assert rows[1].error.path == "id"
    assert rows[1].raw == b'{"id": "x"}'


def test_an_answer_beyond_the_size_limit_is_not_read(opened):
    http = opened(max_bytes=100_000)

    with pytest.raises(UnsupportedError, match="more than 100000 bytes"):
        http.get("large")


@pytest.mark.parametrize("secret", ["line\nbreak", "ümlaut"])
def test_a_credential_that_cannot_be_sent_is_an_access_error_that_does_not_show_it(shop, clock, secret):
    endpoint = Endpoint(base_url=shop.base_url, auth=header_auth("Authorization", Secret(secret), "Bearer "))
    session = Http(endpoint, clock=clock, limiter=MemoryLimiter(), secrets=[secret])

    with pytest.raises(AccessError) as caught:
        session.get("api/things")

    shown = "".join(traceback.format_exception(caught.value))
    assert secret not in shown
    assert repr(secret)[1:-1] not in shown
    session.close()


@pytest.mark.parametrize("address", ["shop.example", "ftp://shop.example", "http://[::1"])
def test_an_address_that_cannot_work_is_an_access_error(clock, address):
    session = Http(Endpoint(base_url=address), clock=clock, limiter=MemoryLimiter())

    with pytest.raises(AccessError, match="cannot be asked"):
        session.get("orders")
    session.close()


# -- writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "truncate"])
def test_a_create_whose_answer_is_lost_is_unknown_and_never_repeated(http, shop, fault):
    shop.fault(fault, times=9)

    with pytest.raises(OutcomeUnknownError):
        http.post("things", {"a": 1}, create=True)

    assert len(shop.requests) == 1
    assert len(shop.made) == (0 if fault == "cut_before" else 1)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524])
def test_a_create_answered_with_a_server_error_is_unknown_and_never_repeated(http, shop, status):
    shop.fault("status", status=status, times=9)

    with pytest.raises(OutcomeUnknownError):
        http.post("things", {"a": 1}, create=True)

    assert len(shop.requests) == 1


def test_a_create_that_is_answered_too_late_is_unknown(http, shop):
    shop.fault("slow", seconds=0.4)

    with pytest.raises(OutcomeUnknownError, match="did not answer in time"):
        http.post("things", {"a": 1}, create=True, timeout=0.1)

    assert http.count == 1


def test_a_create_with_an_answer_beyond_the_size_limit_is_unknown(opened):
    http = opened(max_bytes=10)

    with pytest.raises(OutcomeUnknownError):
        http.post("things", {"a": 1}, create=True)


def test_a_create_that_was_refused_for_its_rate_is_passing_trouble_and_left_to_the_engine(http, shop):
    shop.fault("status", status=429, headers={"retry-after": "3"}, times=9)

    with pytest.raises(TransientError) as caught:
        http.post("things", {"a": 1}, create=True)

    assert caught.value.wait == timedelta(seconds=3)
    assert len(shop.requests) == 1


def test_a_create_that_the_vendor_refused_is_a_record_error(http, shop):
    shop.fault("status", status=400, body='{"message": "Unknown SKU"}')

    with pytest.raises(RecordError, match="Unknown SKU"):
        http.post("things", {"a": 1}, create=True)


def test_a_write_that_is_said_to_be_safe_is_repeated(http, shop):
    shop.fault("cut_after", times=2)

    assert http.post("things", {"a": 1}, safe=True).status == 200
    assert len(shop.made) == 3


def test_a_write_of_unknown_kind_is_not_repeated(http, shop):
    shop.fault("status", status=503, times=9)

    with pytest.raises(TransientError):
        http.post("things", {"a": 1})

    assert len(shop.requests) == 1


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_absolute_writes_are_repeated(http, shop, verb):
    shop.fault("status", status=503, times=2)

    assert getattr(http, verb)("things").status == 200
    assert len(shop.requests) == 3


def test_a_body_is_sent_as_json(http, shop):
    http.put("things", {"name": "Zoë", "amount": 3})

    assert shop.made == ['{"name":"Zoë","amount":3}'.encode()]
    assert shop.seen[0].headers["content-type"] == "application/json"


# -- addresses and parameters ------------------------------------------------------------------------


def test_parameters_are_flattened_as_vendors_expect():
    pairs = flatten({"page": 2, "ids": [1, 2], "all": True, "none": None, "no": False, "empty": ""})

    assert pairs == (("page", "2"), ("ids", "1"), ("ids", "2"), ("all", "true"), ("no", "false"), ("empty", ""))


def test_parameters_with_special_characters_arrive_as_they_are(http):
    sent = [("q", "a b+c&d=é/ü%41"), ("id[]", "1"), ("id[]", "2")]

    assert [tuple(pair) for pair in http.get("echo", sent).json()["query"]] == sent


def test_an_absolute_address_of_the_same_host_is_used_with_its_query(opened, shop):
    http = opened(auth=query_auth({"key": Secret("k1")}))

    query = http.get(f"{shop.base_url}/api/echo?cursor=abc%2B1&page=2").json()["query"]

    assert [tuple(pair) for pair in query] == [("cursor", "abc+1"), ("page", "2"), ("key", "k1")]


def test_an_address_in_a_query_is_no_absolute_address(http):
    assert http.get("echo?next=http://other.example/x").json()["query"] == [["next", "http://other.example/x"]]


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/api/things",
        "http://127.0.0.1:1/api/things",
        "https://{host}/api/things",
        "http://{host}@evil.example/",
        "http://{host}.evil.example/",
        "HTTP://EVIL.example/",
    ],
)
def test_an_address_of_a_foreign_host_is_refused_because_it_would_get_the_credentials(http, shop, address):
    with pytest.raises(PluginError, match="another host"):
        http.get(address.format(host=shop.base_url.removeprefix("http://")))

    assert shop.requests == []


def test_credentials_are_sent_in_the_way_of_the_endpoint(opened):
    basic = opened(auth=basic_auth("user", Secret("pass"), "Authorization", "X-Authorization"))
    bearer = opened(auth=header_auth("X-Token", Secret("t0"), "Bearer "))

    sent = basic.get("echo").json()["headers"]
    assert sent["authorization"] == sent["x-authorization"] == "Basic dXNlcjpwYXNz"
    assert bearer.get("echo").json()["headers"]["x-token"] == "Bearer t0"


def test_every_attempt_is_signed_anew(opened, shop):
    nonces = iter(range(100))

    def sign(request: Any) -> Any:
        return attrs.evolve(request, headers={**request.headers, "X-Nonce": str(next(nonces))})

    shop.fault("cut_after", times=1)
    opened(auth=sign).get("things")

    assert [request.headers["x-nonce"] for request in shop.seen] == ["0", "1"]


def test_cookies_are_not_kept(http):
    http.get("cookie")

    assert http.get("cookie").json() == {}


# -- budgets -----------------------------------------------------------------------------------------


def test_a_budget_spaces_the_calls(opened, clock):
    http = opened(budgets=(Budget(name="list", calls=60, per=timedelta(minutes=1), burst=2),))

    for _ in range(4):
        http.get("things", budget="list")

    assert clock.sleeps == [1.0, 1.0]


def test_a_budget_far_in_the_future_is_left_to_the_engine_and_asking_does_not_push_it_further(opened, shop, clock):
    http = opened(budgets=(Budget(name="OR11", calls=1, per=timedelta(minutes=15)),))
    http.get("things", budget="OR11")
    waits = []
    for _ in range(5):
        with pytest.raises(TransientError, match="OR11") as caught:
            http.get("things", budget="OR11")
        waits.append(caught.value.wait)
        clock.time += timedelta(minutes=2)

    clock.time = NOON + timedelta(minutes=15)

    assert waits == [timedelta(minutes=15 - 2 * index) for index in range(5)]
    assert http.get("things", budget="OR11").status == 200
    assert len(shop.requests) == 2


def test_the_vendors_wait_holds_for_every_call_of_the_budget(opened, shop, clock):
    http = opened(budgets=(Budget(name="list", calls=100, per=timedelta(seconds=1), burst=50),))
    shop.fault("status", status=429, headers={"retry-after": "600"})
    with pytest.raises(TransientError):
        http.get("things", budget="list")

    with pytest.raises(TransientError, match="allows the next call") as caught:
        http.get("things", budget="list")

    assert caught.value.wait == timedelta(seconds=600)
    assert len(shop.requests) == 1


def test_a_short_wait_of_the_vendor_does_not_shorten_a_budget(opened, shop, clock):
    http = opened(budgets=(Budget(name="OR11", calls=1, per=timedelta(minutes=15)),))
    shop.fault("status", status=429, headers={"retry-after": "60"})
    with pytest.raises(TransientError):
        http.get("things", budget="OR11")
    clock.time += timedelta(minutes=5)

    with pytest.raises(TransientError, match="OR11"):
        http.get("things", budget="OR11")


def test_the_last_call_of_a_window_holds_the_next_one(opened, shop, clock):
    http = opened(budgets=(Budget(name="list", calls=100, per=timedelta(seconds=1), burst=50),))
    reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"}
    shop.fault("status", status=200, headers=reset, body="[]")
    http.get("things", budget="list")

    http.get("things", budget="list")

    assert clock.sleeps == [20.0]


def test_a_budget_that_is_not_declared_is_a_bug_of_the_plugin(http):
    with pytest.raises(PluginError, match="'list'"):
        http.get("things", budget="list")


# -- secrets -----------------------------------------------------------------------------------------


def test_the_exchange_log_shows_no_secret_in_address_bodies_or_error(opened, shop):
    log = Exchanges()
    http = opened(exchanges=log, auth=query_auth({"consumer_secret": Secret(SECRET)}))
    echoed = msgspec.json.encode({"you sent": SECRET}).decode()
    shop.fault("status", status=200, body=echoed)
    http.put("things", {"note": f"my secret is {SECRET}"})
    shop.fault("cut_after", times=1)
    http.get("things")

    assert [(each.method, each.status) for each in log.kept] == [("PUT", 200), ("GET", None), ("GET", 200)]
    assert "consumer_secret=***" in log.kept[0].url
    for each in log.kept:
        assert SECRET not in repr(each)
        assert SECRET[:8] not in repr(each)
    assert log.kept[0].request_body == '{"note":"my secret is ***"}'


def test_bodies_in_the_exchange_log_are_cut_after_masking(opened, shop):
    log = Exchanges()
    http = opened(exchanges=log)
    http.put("things", {"fill": "x" * 4078 + SECRET})

    assert len(log.kept[0].request_body) <= 4096
    assert SECRET[:4] not in log.kept[0].request_body


def test_errors_that_quote_the_request_show_no_secret(http, shop, caplog):
    shop.fault("status", status=400, body=msgspec.json.encode({"message": f"bad key {SECRET}"}).decode())
    with pytest.raises(RecordError) as caught:
        http.get("things")
    shop.fault("status", status=200, body=f"PHP Warning: curl https://x?secret={SECRET}")
    with pytest.raises(TransientError) as broken:
        http.get("things").json()

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").error("failed", exc_info=caught.value)
        logging.getLogger("test").error("failed: %s", broken.value.vendor_message, exc_info=broken.value)
    for error in (caught.value, broken.value):
        assert SECRET not in str(error) + repr(error) + error.vendor_message
    assert SECRET not in caplog.text


def test_a_redirect_that_repeats_the_credentials_shows_none(http, shop):
    shop.fault("status", status=302, headers={"location": "https://x.example/?secret=p%40ss%2Fw%2Brd%3D0815"})

    with pytest.raises(AccessError) as caught:
        http.get("things")

    assert "p%40ss" not in str(caught.value)


# -- connections -------------------------------------------------------------------------------------


def test_one_session_serves_many_threads(http, shop):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.get("things").status, range(300)))

    assert answers == [200] * 300
    assert len(shop.requests) == 300  # none was repeated: no thread closed the connection of another


def test_no_more_requests_are_under_way_than_the_endpoint_allows(opened, shop):
    http = opened(concurrency=2)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: http.get("busy").json(), range(12)))

    assert max(answers) == 2


def test_a_create_that_found_no_free_connection_was_not_sent(opened, shop):
    http = opened(concurrency=1)
    shop.fault("slow", path="/api/things", seconds=0.3)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(http.get, "things")
        while not shop.requests:
            assert not first.done()
        with pytest.raises(TransientError, match="in use") as caught:
            http.post("things", {}, create=True, timeout=0.05)

        assert first.result().status == 200
    assert "Nothing was sent" in caught.value.hint
    assert shop.made == []


def test_a_session_that_was_closed_while_it_was_used_finishes_its_request(opened, shop):
    http = opened()
    shop.fault("slow", path="/api/things", seconds=0.1)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.get, "things")
        while not shop.requests:
            assert not running.done()
        http.close()

        assert running.result().status == 200


def test_an_answer_that_breaks_the_protocol_is_passing_trouble(clock):
    with raw_server(b"SMTP ready\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        session = Http(Endpoint(base_url=url), clock=clock, limiter=MemoryLimiter())

        assert session.get("x").json() == {}
        session.close()


def test_a_chunked_body_that_ends_early_is_never_taken_for_whole(clock):
    short = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1]\n\r\n"
    with raw_server(short, short) as url:
        session = Http(Endpoint(base_url=url), clock=clock, limiter=MemoryLimiter())

        with pytest.raises(TransientError):
            session.get("x", attempts=2)
        session.close()


def test_the_exchange_log_says_how_far_the_other_clock_is_ahead(opened, clock):
    log = Exchanges()
    http = opened(exchanges=log)
    clock.time = datetime.now(UTC) - timedelta(hours=1)

    http.get("things")

    assert abs(log.kept[0].ahead - timedelta(hours=1)) < timedelta(seconds=30)


def test_what_a_cache_answers_says_nothing_of_a_clock(clock):
    dated = b"HTTP/1.1 200 OK\r\nDate: Mon, 02 Mar 2026 08:00:00 GMT\r\nAge: 7\r\nContent-Length: 2\r\n\r\n{}"
    log = Exchanges()
    with raw_server(dated) as url:
        http = Http(Endpoint(base_url=url), clock=clock, limiter=MemoryLimiter(), exchanges=log)
        http.get("things")
        http.close()

    assert log.kept[0].ahead is None
