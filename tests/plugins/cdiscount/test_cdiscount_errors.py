"""Tokens, errors and secrets: one token for all, the vendor's trace in every message, no secret anywhere."""

from __future__ import annotations

import logging

import pytest
from cdiscount_kit import pulled

from crossdock import (
    AccessError,
    Balance,
    ByKeys,
    CrossdockError,
    Decision,
    Receipt,
    RecordError,
    Since,
    TransientError,
)
from crossdock_cdiscount import plugin

SECRET = "planted-secret-7f3a"


def test_one_token_serves_a_whole_run(shops):
    shop = shops(orders=20)
    session = shop.connect()

    pulled(session)
    list(plugin.verify(session))

    assert shop.twin.state()["tokens"] == 1


def test_a_token_that_expires_in_mid_run_is_renewed_and_nothing_is_lost(shops):
    shop = shops(orders=5)
    session = shop.connect()
    pulled(session)
    shop.twin.expire_tokens()

    orders, _ = pulled(session)

    assert len(orders) == 5
    assert shop.twin.state()["tokens"] == 2


def test_a_token_is_renewed_before_its_end(shops):
    shop = shops(orders=5)
    session = shop.connect()
    pulled(session)
    shop.twin.advance(7200 * 0.95)

    pulled(session)

    assert shop.twin.state()["tokens"] == 2
    assert all(each["status"] != 401 for each in shop.requests)


def test_a_problem_names_its_trace(shops):
    with pytest.raises(AccessError, match=r"\(trace 00-") as caught:
        pulled(shops().connect(seller_id="1"))

    assert "not linked" in caught.value.hint


def test_a_validation_problem_names_the_field(shops):
    shop = shops()
    session = shop.connect()

    with pytest.raises(RecordError, match=r"SalesChannelId: .*required.*\(trace 00-"):
        session.http.post("offer-packages", {"packageType": "Update"})


def test_html_where_json_is_due_is_passing_trouble(shops):
    shop = shops()
    shop.twin.fault("html", path="/orders/count")

    with pytest.raises(TransientError, match="HTML page"):
        pulled(shop.connect())


def test_the_vendors_wait_is_honoured(shops):
    shop = shops()
    shop.twin.fault("status", path="/orders/count", status=429, headers={"Retry-After": "90"})

    with pytest.raises(TransientError) as caught:
        pulled(shop.connect())

    assert caught.value.wait is not None
    assert caught.value.wait.total_seconds() == 90


def test_no_secret_is_in_any_error_or_log(shops, caplog):
    caplog.set_level(logging.DEBUG)
    shop = shops(client_secret=SECRET)
    session = shop.connect()
    pulled(session)
    known = Receipt(external_id="SCID1")
    shop.twin.fault("status", status=400, body=f'{{"title":"{SECRET}","traceId":"{SECRET}"}}', times=100)
    told: list[str] = []

    def verified() -> None:
        told.append(str(list(plugin.verify(session))))

    for work in (
        lambda: list(plugin.fetch_orders(session, Since())),
        lambda: list(plugin.fetch_orders(session, ByKeys(("SCID1",)))),
        lambda: list(plugin.fetch_products(session, Since())),
        lambda: list(plugin.push_balance(session, [Balance(sku="P-100")])),
        lambda: plugin.accept_order(session, known, Decision(accept=True)),
        verified,
    ):
        try:
            work()
        except CrossdockError as error:
            told += [str(error), error.hint, getattr(error, "vendor_message", "")]

    assert len(told) > 5
    assert SECRET not in "".join(told) + caplog.text + repr(session.settings)
