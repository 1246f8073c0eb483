"""The engine with this connector: nothing leaves unapproved, and what is in doubt is never sent again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from xd_kit import FrozenClock, line, order, values

from crossdock import Order
from crossdock.app import App
from crossdock.engine import decide
from crossdock.engine.push import push
from crossdock.engine.route import route_stored
from crossdock.records import fingerprint, to_document
from crossdock.store.config import FlowRow
from crossdock.store.ledger import Effect
from crossdock.store.records import Prepared
from crossdock.vault import Vault, new_key
from crossdock_xdconnects.sandbox import XdSandbox, create

FLOW = FlowRow(name="orders", stream="orders", source="shop", target="xd", mode="live")


class Project:
    """A project with orders of a shop in its store, and a connection to the supplier."""

    def __init__(self, app: App, twin: XdSandbox, clock: FrozenClock) -> None:
        self.app, self.twin, self.clock = app, twin, clock

    def want(self, wanted: Order) -> None:
        """The shop has this order now."""
        document = to_document(wanted)
        row = Prepared(wanted.key, wanted.ref, fingerprint(wanted, document), "", document.decode(), wanted)
        store, now = self.app.store, self.clock.now()
        with store.transaction():
            run = store.journal.begin("pull", now, connection="shop", stream="orders")
            store.records.keep("shop", "orders", [row], run, 1, now)
        route_stored(self.app.bench, FLOW)

    def push(self) -> Effect:
        """Deliver what is due; answers the one effect."""
        self.clock.advance(minutes=10)
        push(self.app.bench, FLOW, patience=timedelta(0))
        (effect,) = self.app.store.effects.find(flow=FLOW.name, limit=10)
        return effect

    def approve(self) -> None:
        """A person approves what is shown."""
        (effect,) = self.app.store.effects.find(flow=FLOW.name, limit=10)
        decide.approve(self.app.bench, effect.id)

    @property
    def taken(self) -> list[Any]:
        """What the supplier has."""
        orders: list[Any] = self.twin.state()["orders"]
        return orders


@pytest.fixture
def project(switchboard: None, clock: FrozenClock, tmp_path: Path) -> Iterator[Project]:
    twin = create(clock=clock.now)
    (tmp_path / "crossdock.key").write_text(new_key())
    with App(tmp_path, clock=clock) as app:
        app.__dict__["vault"] = Vault.find(tmp_path)
        app.save("shop", "xdconnects", values(twin), draft=True)
        assert app.save("xd", "xdconnects", values(twin)).green
        app.store.config.save_flow(FLOW, clock.now())
        yield Project(app, twin, clock)


def test_an_item_that_xd_does_not_have_is_a_gap(project: Project) -> None:
    project.want(order(line("NO-SUCH-ITEM")))

    effect = project.push()

    assert (effect.state, project.taken) == ("parked", [])
    assert [(gap.kind, gap.value) for gap in project.app.store.gaps.list()] == [("sku", "NO-SUCH-ITEM")]


def test_an_order_waits_for_a_person_and_is_then_sent_once(project: Project) -> None:
    project.want(order())
    assert (project.push().state, project.taken) == ("awaiting", [])
    project.approve()
    assert project.push().state == "done"
    project.push()
    assert [each["reference"] for each in project.taken] == ["shop-1042"]


def test_an_approval_is_void_when_the_order_changes(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.want(order(line(quantity=60)))
    assert (project.push().state, project.taken) == ("awaiting", [])


def test_an_approval_is_void_when_the_suppliers_price_changes(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.twin.change_price("P990.001", "9.99", tier=3)
    project.clock.advance(days=2)
    assert (project.push().state, project.taken) == ("awaiting", [])


def test_a_lost_answer_waits_for_a_person_for_ever(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.twin.fault("cut_after", path="/api/orders")
    assert project.push().state == "in_doubt"
    for _ in range(5):
        project.clock.advance(days=1)
        assert project.push().state == "in_doubt"
    assert len(project.taken) == 1


def test_a_person_says_that_it_was_done(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.twin.fault("cut_after", path="/api/orders")
    effect = project.push()
    number = project.taken[0]["orderNumber"]
    assert decide.resolve(project.app.bench, effect.id, external_id=number).state == "done"
    assert project.push().external_id == number
    assert len(project.taken) == 1


def test_a_request_that_never_arrived_is_sent_when_a_person_says_so(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.twin.fault("cut_before", path="/api/orders")
    effect = project.push()
    assert (effect.state, project.taken) == ("in_doubt", [])
    decide.resolve(project.app.bench, effect.id, absent=True)
    assert project.push().state == "done"
    assert len(project.taken) == 1


def test_a_refusal_inside_a_success_is_parked_and_not_in_doubt(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.twin.fault(
        "status", path="/api/orders", status=200,
        body='{"status": "rejected", "messages": [{"code": "CLOSED", "text": "Account on stop"}]}',
    )  # fmt: skip
    effect = project.push()
    assert (effect.state, "CLOSED: Account on stop" in effect.message) == ("parked", True)


def test_a_change_after_sending_is_parked_with_the_mail_to_be_written(project: Project) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.push()
    project.want(order(line(quantity=60)))
    effect = project.push()
    assert (effect.state, len(project.taken)) == ("parked", 1)
    assert "benelux@xdconnects.com" in effect.message
    assert "lines[0].quantity: 60 (was 50)" in effect.message


def test_no_secret_is_written_anywhere(project: Project, tmp_path: Path) -> None:
    project.want(order())
    project.push()
    project.approve()
    project.push()
    project.app.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("crossdock.db*"))
    for secret in (b"sandbox-api-token", b"sandbox-security-code", b"sandbox-feed-token"):
        assert secret not in kept
