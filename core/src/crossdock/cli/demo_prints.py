"""The printed goods of the demo: a shop's order becomes one binding order at the supplier, and news come by webhook."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from crossdock.cli.demo_stage import check
from crossdock.cli.output import plural
from crossdock.configure import switch_stream
from crossdock.engine.bench import Report
from crossdock.engine.decide import resolve
from crossdock.engine.inbound import work
from crossdock.errors import CrossdockError
from crossdock.webhooks import door, path_of

if TYPE_CHECKING:
    from crossdock.cli.demo_all import Everything

PRINTS, SUPPLIER = "prints", "supplier"
QUANTITY = 100
ADDRESS = {
    "first_name": "Mette", "last_name": "Demo", "company": "Demo Kunde ApS", "address_1": "Havnegade 1",
    "postcode": "8000", "city": "Aarhus C", "country": "DK", "phone": "+4500000001",
}  # fmt: skip
PARCELS = ("JJD000390001", "JJD000390002")


def play(demo: Everything, report: Report) -> None:
    """A customer orders prints; the order is previewed, approved, sent once, proofed, printed and shipped."""
    for stream in ("products", "prices", "balance"):
        demo.read(SUPPLIER, stream, report)
    pairs = [{"key": name, "value": value} for name, value in _print(demo).items()]
    order = demo.prints.insert_order(
        status="processing", billing=ADDRESS | {"email": "mette@customer.example"}, shipping=ADDRESS,
        line_items=[{"sku": demo.goods, "quantity": QUANTITY, "meta_data": pairs}],
    )  # fmt: skip
    demo.say(f"   somebody orders {QUANTITY} pieces of {demo.goods} with a logo on the front (order {order['id']})")
    demo.read(PRINTS, "orders", report)
    demo.push("orders-prints", report)
    demo.approve_all()
    demo.spoil(demo.supplier, "cut_after", method="POST", path="/orders")
    demo.push("orders-prints", report)
    _ask_back_office(demo)
    _news(demo, report)


def _ask_back_office(demo: Everything) -> None:
    """The answer to a binding order was lost: it is never sent again, somebody asks the supplier."""
    number = demo.supplier.state()["orders"][0]["orderNumber"]
    for each in demo.app.store.effects.find(states=("in_doubt",)):
        demo.say(f"   effect {each.id} is in doubt and not sent again; the back office says: it is order {number}")
        resolve(demo.app.bench, each.id, external_id=number)


def _print(demo: Everything) -> dict[str, str]:
    return {
        "print_technique": "Demo Laser 1", "print_position": "item front", "print_width_mm": "38",
        "print_height_mm": "20", "print_colours": "silver",
        "print_artwork": f"{demo.sides[SUPPLIER].url}/artwork/logo.pdf",
    }  # fmt: skip


def _news(demo: Everything, report: Report) -> None:
    """The supplier tells how far it is, to the address that it was given."""
    from crossdock.web.door import create
    from crossdock.web.serving import Serving

    for stream in ("orders", "shipments"):
        switch_stream(demo.app, SUPPLIER, stream, on=True)
    serving = Serving(create(demo.app), "127.0.0.1", 0)
    serving.start()
    try:
        demo.supplier.set_webhook(serving.url + path_of(demo.app, door(demo.app, SUPPLIER)))
        number = demo.supplier.state()["orders"][0]["orderNumber"]
        parcels = [
            {"carrier": "DHL", "trackingNumber": each, "trackingUrl": f"https://track.example/{each}"}
            for each in PARCELS
        ]
        for happens in (demo.supplier.accept, demo.supplier.send_proof, demo.supplier.approve_proof,
                        demo.supplier.produce, lambda order: demo.supplier.ship(order, parcels)):  # fmt: skip
            happens(number)
            _take_in(demo)
            for flow in ("news-prints", "parcels-prints"):
                demo.push(flow, report)
    finally:
        serving.stop()


def _take_in(demo: Everything) -> None:
    told = demo.supplier.state()["webhooks"][-1]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        done = work(demo.app.bench)
        if done.ended:
            demo.say(f"   webhook: {told['body']['status']} ({plural(done.ended, 'webhook')} worked on)")
            return
        time.sleep(0.02)
    raise CrossdockError(f"The webhook {told} did not come in.")


def proof(demo: Everything, state: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What the twins of the supplier and of the shop say."""
    orders = state[SUPPLIER]["orders"]
    once = len(orders) == 1
    shop = state[PRINTS]
    (order,) = shop["orders"]
    told = {row["tracking_number"] for row in shop["trackings"].get(str(order["id"]), [])}
    notes = [note["note"] for note in shop["notes"].get(str(order["id"]), []) if "Proof:" in note["note"]]
    wrong = [] if told == set(PARCELS) else [f"the shop knows {sorted(told)}"]
    wrong += [] if notes else ["the shop has no note with the proof"]
    wrong += [] if order["status"] == "completed" else [f"the shop's order is {order['status']}"]
    return [
        check(once, "one order of printed goods at the supplier, although its answer was lost",
              [] if once else [f"{len(orders)} orders"]),
        check(not wrong, "proof, both parcels and the end of it are on the shop's order", wrong),
    ]  # fmt: skip
