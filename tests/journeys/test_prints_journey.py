"""Printed goods: a shop's order is previewed, approved and sent once; its news come back by webhook."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from kit import cents, poll, shop_orders
from printing import CONFIG, SMALL, SYSTEMS, Prints, serving
from stand import Stand

pytestmark = pytest.mark.slow

PARCELS = [
    {"carrier": "DHL", "trackingNumber": each, "trackingUrl": f"https://track.example/{each}"} for each in ("P1", "P2")
]


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project whose orders go to the supplier, and whose news come back."""
    return Stand.build(template, tmp_path_factory.mktemp("prints") / "project", nursery, SYSTEMS, CONFIG)


@pytest.fixture
def prints(stand, nursery, tmp_path):
    """A shop with the supplier's goods; orders up to 500 need no approval."""
    with stand.trade(tmp_path / "project", nursery) as trade:
        made = Prints(trade)
        made.stock_shop()
        yield made


# -- preview, approval, sending ------------------------------------------------------------------------


def test_with_live_ordering_off_everything_is_done_but_the_sending_and_then_what_was_approved_is_sent(prints):
    prints.set(live_ordering="no")
    order = prints.buy()
    prints.approve()
    prints.push(code=1)
    (held,) = prints.effects()
    assert (held["state"], prints.posts()) == ("parked", 0)
    assert "Everything was done but the sending, because live_ordering is off" in held["message"]

    prints.set(live_ordering="yes")
    prints.project.run("effects", "replay", str(held["id"]))
    prints.push()
    ((done,), (taken,)) = prints.effects(), prints.taken()
    assert (done["state"], done["external_id"]) == ("done", taken["orderNumber"])
    assert taken["reference"] == f"shop-{order}"


def test_a_person_sees_exactly_what_will_be_ordered_and_what_it_costs(prints):
    prints.buy()
    prints.read()
    prints.push(code=1)
    (waiting,) = prints.effects()
    said = prints.project.run("effects", "show", str(waiting["id"])).stdout
    shown = prints.project.json("effects", "show", str(waiting["id"]))["preview"]
    prints.project.run("effects", "approve", str(waiting["id"]))
    prints.push()
    (taken,) = prints.taken()
    goods = {name: each for name, each in taken["totals"].items() if name in ("items", "print", "setup", "smallOrder")}

    assert "What would be ordered now, for 1016.00 EUR" in said
    assert '"printCode": "Demo Laser 1"' in said
    assert cents(shown["total"]) == sum(map(cents, goods.values()))
    assert numbers_as_text(shown["body"])["order"] == taken["order"]


def numbers_as_text(body):
    """A body as the twin shows it: money as text."""
    return json.loads(body, parse_float=lambda text: str(cents(text)))


def test_lost_answers_are_never_sent_again_and_a_person_resolves_them(prints):
    prints.buy()
    prints.approve()
    prints.supplier.fault("cut_after", method="POST", path="/api/orders")
    prints.push(code=1)
    prints.buy(110)
    prints.approve()
    prints.supplier.fault("cut_before", method="POST", path="/api/orders")
    for _ in range(3):
        prints.push(code=1)
    there, absent = prints.effects()
    (taken,) = prints.taken()
    assert [each["state"] for each in (there, absent)] == ["in_doubt", "in_doubt"]
    assert prints.posts() == 2

    prints.project.run("effects", "resolve", str(there["id"]), "--external-id", taken["orderNumber"])
    prints.project.run("effects", "resolve", str(absent["id"]), "--absent")
    prints.push()
    assert [each["external_id"] for each in prints.effects("done")] == [each["orderNumber"] for each in prints.taken()]
    assert (prints.posts(), len(prints.taken())) == (3, 2)


def test_with_a_lookup_in_the_mapping_file_lost_answers_need_nobody(prints):
    contract = json.loads(files("crossdock_xdconnects").joinpath("xd_wire.v0.json").read_text())
    contract["lookup"] = {"path": "/orders", "query": {"reference": "{sent.reference}"}}
    wire = prints.project.home / "wire.json"
    wire.write_text(json.dumps(contract))
    prints.set(wire_file=str(wire))
    for kind in ("cut_after", "html", "cut_before"):
        prints.buy(SMALL)
        prints.supplier.fault(kind, method="POST", path="/api/orders")
    prints.read()
    prints.push(wait=5)

    found = {each["key"]: each["external_id"] for each in prints.effects("done")}
    assert found == {each["reference"].removeprefix("shop-"): each["orderNumber"] for each in prints.taken()}
    assert len(found) == 3


def test_another_price_voids_an_approval_and_nobody_approves_what_was_not_shown(prints):
    prints.buy()
    prints.approve()
    prints.supplier.do("change_price", item="SIM-0001", net="9.99", tier=4)
    prints.a_day_later()
    prints.push(code=1)
    (waiting,) = prints.effects("awaiting")
    assert "1115.00 EUR" in waiting["message"]

    prints.supplier.do("change_price", item="SIM-0001", net="10.99", tier=4)
    prints.a_day_later()
    refused = prints.project.run("effects", "approve", str(waiting["id"]), code=2).stderr
    assert "not any more what was shown" in refused
    assert "1215.00 EUR" in refused
    prints.project.run("effects", "approve", str(waiting["id"]))
    prints.push()
    assert len(prints.taken()) == 1


def test_by_the_rule_of_the_flow_small_orders_need_nobody_and_large_ones_wait(prints):
    project = prints.project
    small, large = prints.buy(SMALL), prints.buy()
    prints.read()
    prints.push(code=1)
    (sent, _) = prints.effects()
    history = project.json("effects", "show", str(sent["id"]))["history"]

    assert {each["key"]: each["state"] for each in prints.effects()} == {small: "done", large: "awaiting"}
    assert [each["reference"] for each in prints.taken()] == [f"shop-{small}"]
    assert [each["state"] for each in history] == ["approved", "done"]
    assert "By the rule of the flow, up to 500: " in history[0]["message"]
    (project.home / "exported.toml").write_text(project.run("export").stdout)
    assert 'options.approve_up_to = "500"' in (project.home / "exported.toml").read_text()
    assert project.json("apply", "exported.toml", "--dry-run")["differences"] == []


def test_an_order_that_is_changed_after_it_was_sent_is_parked_with_the_mail_to_be_written(prints):
    order, number = prints.send_small()
    (line,) = next(each for each in prints.trade.shop.state()["orders"] if each["id"] == int(order))["line_items"]
    prints.trade.shop.do("edit_order", order_id=int(order), line_items=[{"id": line["id"], "quantity": 45}])
    prints.read()
    prints.push(code=1)
    (parked,) = prints.effects("parked")

    assert "To: scandinavia@xdconnects.com" in parked["message"]
    assert "45 (was 40)" in parked["message"]
    assert number in parked["message"]
    assert (prints.posts(), len(prints.taken())) == (1, 1)


def test_verify_names_the_orders_of_which_nothing_was_heard(prints):
    _, number = prints.send_small()
    said = prints.project.run("connection", "edit", "supplier", "--set", "silent_days=0").stdout

    assert f"No news for 0 days of: {number}" in said


# -- news by webhook -----------------------------------------------------------------------------------


def test_news_come_by_webhook_into_the_shop_up_to_the_completed_order(prints):
    order, number = prints.send_small()
    with serving(prints) as door:
        prints.supplier.do("set_webhook", url=door.address())
        prints.project.run("webhook", "sent", "supplier")
        prints.project.run("webhook", "confirmed", "supplier")
        for action in ("accept", "send_proof"):
            door.tell(action, order_number=number)
        door.tell("ship", order_number=number, parcels=PARCELS[:1], partial=True)
        door.worked()
        door.show()
        half = shop_orders(prints.trade.shop)[order][0]
        door.tell("ship", order_number=number, parcels=PARCELS[1:])
        door.worked()
        door.show()
    (known,) = prints.project.json("webhook", "list", "--connection", "supplier")
    notes = prints.notes(order)

    assert None not in (known["sent_at"], known["confirmed_at"])
    assert any(f"Proof: https://proofs.example/{number}.pdf" in note for note in notes)
    assert any(f"{number} is shipped" in note for note in notes)
    assert [each["tracking_number"] for each in prints.trade.shop.state()["trackings"][order]] == ["P1", "P2"]
    assert (half, shop_orders(prints.trade.shop)[order][0]) == ("processing", "completed")


def test_forged_foreign_repeated_and_unknown_webhooks_change_nothing(prints):
    order, number = prints.send_small()
    with serving(prints) as door:
        address = door.address()
        prints.supplier.do("set_webhook", url=address)
        door.tell("accept", order_number=number)
        door.tell("repeat_last_webhook")
        door.worked()
        door.show()
        told = prints.notes(order)

        forged = {"orderNumber": number, "reference": f"shop-{order}", "status": "Cancelled"}
        wrong = [door.post(address[:-4] + "AAAA", **forged), door.post(address.replace("supplier", "shop"), **forged)]
        for more in ({}, {"order_number": number}, {"reference": f"shop-{order}"}):
            door.tell("foreign_webhook", **more)
        door.tell("say", order_number=number, status="Fully bespoked")
        rows = door.worked()
        door.show()

    assert wrong == [404, 404]
    assert [state for state, _ in rows] == ["done", "duplicate", "ignored", "ignored", "ignored", "done"]
    assert "'Fully bespoked' is not known" in rows[-1][1]
    assert prints.project.orders("supplier")[number][0] == "accepted"
    assert prints.notes(order) == told


def test_a_rotated_address_is_good_for_its_grace_and_not_longer(prints):
    _, number = prints.send_small()
    with serving(prints) as door:
        old = door.address()
        prints.supplier.do("set_webhook", url=old)
        door.address("--rotate", "--grace", "1h")
        within = door.tell("accept", order_number=number)
        new = door.address("--rotate", "--grace", "0")
        poll(lambda: door.post(old) == 404)
        after = door.tell("produce", order_number=number)
        prints.supplier.do("set_webhook", url=new)
        answers = [within, after, door.tell("produce", order_number=number)]
        door.worked()

    assert answers == [200, 404, 200]
    assert prints.project.orders("supplier")[number][0] == "in_production"
