"""Two real connectors, two sandboxes: what was delivered agrees, and what somebody changes behind our back is found."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossdock.app import App
from crossdock.configure import add_flow
from crossdock.engine.decide import switch_flow
from crossdock.engine.explain import explain
from crossdock.engine.heal import heal
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.engine.reconcile import reconcile
from crossdock.sandbox import serve
from crossdock.store.config import FlowRow
from crossdock_extendcommerce.sandbox import create as create_erp
from crossdock_woocommerce.sandbox import create as create_shop

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ARTICLES = ("FRAKT-01", "TJANST-01", "RABATT-01", "AVRUND-01")


def do(url: str, action: str, **arguments: Any) -> Any:
    """What the people of a system do."""
    request = urllib.request.Request(f"{url}/_sandbox/do/{action}", json.dumps(arguments).encode())  # noqa: S310
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        return json.load(reply)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[App, FlowRow, str]]:
    """A shop with twelve orders, an ERP that knows its articles, and a live flow between them."""
    monkeypatch.setenv("CROSSDOCK_SECRET_KEY", KEY)
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "woocommerce,extendcommerce")
    shop, erp = create_shop(https=True), create_erp(generous=True)
    with serve(shop) as shop_at, serve(erp) as erp_at, App(tmp_path) as app:
        do(shop_at.url, "seed", orders=12)
        state = shop.state()
        skus = {row["sku"] for part in ("products", "variations") for row in state[part] if row.get("sku")}
        stock = {"HUVUD": 500}
        products = [{"productNumber": sku, "name": sku, "price": "10.00", "stock": stock} for sku in sorted(skus)]
        do(erp_at.url, "seed_products", products=[*products, *({"productNumber": each} for each in ARTICLES)])
        app.save("shop", "woocommerce", shop.settings(shop_at.url))
        app.save("erp", "extendcommerce", erp.settings(erp_at.url))
        add_flow(app, FlowRow(name="to-erp", stream="orders", source="shop", target="erp", mode="plan"))
        flow, _ = switch_flow(app.bench, "to-erp", "live")
        pull(app.bench, "shop", "orders")
        push(app.bench, flow)
        yield app, flow, erp_at.url


def test_what_was_delivered_agrees_to_the_cent(project: tuple[App, FlowRow, str]) -> None:
    app, flow, _ = project
    result = reconcile(app.bench, flow)
    assert (result.findings, result.matched) == ([], app.store.effects.counts()["to-erp", "done"])
    assert result.matched > 3


def test_an_order_annulled_in_the_erp_is_found_and_explained(project: tuple[App, FlowRow, str]) -> None:
    app, flow, erp = project
    bound = app.store.records.bindings_of("shop", "orders", app.store.effects.find(states=("done",))[0].key)[0]
    do(erp, "annul", order_number=bound.external_id)
    (found,) = reconcile(app.bench, flow).findings
    assert (found.kind, found.field, found.found, found.external_id) == (
        "different", "status", "cancelled", bound.external_id,
    )  # fmt: skip
    (story,) = explain(app.bench, "order", bound.external_id)
    assert story.key == found.key


def test_an_order_that_was_never_fetched_is_healed(project: tuple[App, FlowRow, str]) -> None:
    app, flow, _ = project
    key = app.store.effects.find(states=("done",))[0].key
    with app.store.transaction():
        app.store.effects.forget_flow("to-erp")
        app.store.database.run("DELETE FROM record WHERE key = ?", (key,))
    before = reconcile(app.bench, flow)
    assert before.agrees  # the systems agree, whatever the store forgot
    assert heal(app.bench, flow, before).planned == 0
