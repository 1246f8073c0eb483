"""Settings are refused with a sentence, and requests over http are signed as WooCommerce checks it."""

from __future__ import annotations

import pytest

from crossdock import Outgoing, Secret, SettingsError
from crossdock.settings import build
from crossdock_woocommerce.settings import INFO, Settings, endpoint
from crossdock_woocommerce.signing import oauth, signature

KEYS = {"consumer_key": "ck_1", "consumer_secret": "cs_1"}


def settings(url: str, **values: str) -> Settings:
    return build(Settings, {"url": url, **KEYS, **values})


@pytest.mark.parametrize(
    "typed",
    [
        "https://shop.example/de",
        "https://shop.example/de/",
        "https://shop.example/de/wp-json",
        "https://shop.example/de/wp-json/wc/v3/",
        " https://shop.example/de/index.php/wp-json/ ",
    ],
)
def test_the_address_is_taken_in_every_form_people_paste(typed: str) -> None:
    assert settings(typed).address == "https://shop.example/de"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("shop.example", "must begin with https://"),
        ("ftp://shop.example", "must begin with https://"),
        ("https://", "names no host"),
        ("https://shop", "names no host"),
        ("https://shop.example:port", "names no host"),
        ("https://me:pw@shop.example", "user name or password"),
        ("https://shop.example/wp-admin/index.php", "back office"),
        ("https://shop.example/?p=1", "must not contain ? or #"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why.replace("?", r"\?")):
        settings(typed)


def test_key_and_secret_in_each_others_place_are_noticed() -> None:
    with pytest.raises(SettingsError) as caught:
        build(Settings, {"url": "https://shop.example", "consumer_key": "cs_1", "consumer_secret": "ck_1"})
    assert set(caught.value.problems) == {"consumer_key", "consumer_secret"}


def test_a_one_time_link_is_not_a_secret() -> None:
    with pytest.raises(SettingsError, match="one-time link"):
        settings("https://shop.example", consumer_secret="https://onetimesecret.com/secret/x")


def test_a_webhook_secret_that_wordpress_would_change_is_refused() -> None:
    with pytest.raises(SettingsError, match="quotation marks"):
        settings("https://shop.example", webhook_secret="a&b")


@pytest.mark.parametrize(
    ("url", "auth", "login"),
    [
        ("https://shop.example", "auto", "basic"),
        ("http://shop.example", "auto", "oauth"),
        ("https://shop.example", "oauth", "oauth"),
        ("https://shop.example", "query", "query"),
    ],
)
def test_the_login_follows_the_scheme_unless_chosen(url: str, auth: str, login: str) -> None:
    assert settings(url, auth=auth).login == login


def sign(outgoing: Outgoing, url: str = "https://shop.example", **values: str) -> Outgoing:
    auth = endpoint(settings(url, **values)).auth
    assert auth is not None
    return auth(outgoing)


def test_basic_login_is_a_header() -> None:
    signed = sign(Outgoing("GET", "https://shop.example/wp-json/", (), {}))
    assert signed.headers["Authorization"] == "Basic Y2tfMTpjc18x"


def test_query_login_leaves_no_header() -> None:
    signed = sign(Outgoing("GET", "https://shop.example/wp-json/", (("a", "b"),), {}), auth="query")
    assert signed.params == (("a", "b"), ("consumer_key", "ck_1"), ("consumer_secret", "cs_1"))
    assert not signed.headers


@pytest.mark.parametrize("auth", ["basic", "query", "oauth"])
def test_behind_plain_permalinks_the_mark_leaves_with_its_slashes(auth: str) -> None:
    params = (("rest_route", "/wc/v3/orders"), ("_p", "wp-json/wc/"), ("search", "a b"))
    signed = sign(Outgoing("GET", "https://s.example/", params, {}), auth=auth)
    assert signed.url.startswith("https://s.example/?rest_route=/wc/v3/orders&_p=wp-json/wc/&search=a%20b")
    assert signed.params == ()


@pytest.mark.parametrize(
    ("method", "pairs", "expected"),
    [
        ("GET", [("a", "b c+d%e")], "5P++omX0wSMOxeQPB/+1mNvOBj5auu177K/RKZQP600="),
        ("POST", [("ä", "~"), ("in[1]", "2"), ("in[0]", "1")], "wmuiRrG54bE37h4u5zOG3Rx95SE858xhZfsQeH8iipg="),
    ],
)
def test_signatures_stay_what_they_are(method: str, pairs: list[tuple[str, str]], expected: str) -> None:
    assert signature(method, "http://shop.example/wp-json/wc/v3/orders", pairs, "cs_1") == expected


def test_every_attempt_is_signed_with_a_fresh_nonce_and_time() -> None:
    times = iter((1000.4, 1001.2))
    auth = oauth("ck_1", Secret("cs_1"), now=lambda: next(times))
    request = Outgoing("GET", "http://shop.example/wp-json/wc/v3/orders", (("per_page", "1"),), {})
    first, second = dict(auth(request).params), dict(auth(request).params)
    assert (first["oauth_timestamp"], second["oauth_timestamp"]) == ("1000", "1001")
    assert first["oauth_nonce"] != second["oauth_nonce"]
    assert first["oauth_signature"] != second["oauth_signature"]


@pytest.mark.parametrize("secret", ["cs_0123456789abcdef", "cs_/+&=% ~é"])
def test_a_shop_over_http_accepts_the_signature(shops, secret: str) -> None:
    session = shops(https=False, consumer_secret=secret).connect()
    answer = session.http.get("wp-json/wc/v3/orders", {"search": "a b+c%&=ä/~", "include[0]": "1", "per_page": 5})
    assert answer.status == 200


def test_the_sandbox_is_named() -> None:
    assert INFO.sandbox == "crossdock_woocommerce.sandbox:create"
