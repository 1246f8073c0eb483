"""What has to be true after a soak: read from the systems themselves, and by `reconcile`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.soak.stage import MARKET, OCTOPIA, SHOP, SUPPLY, Stage
from crossdock.engine.reconcile import reconcile
from crossdock.errors import CrossdockError

_AT_REST = {"done", "superseded", "discarded"}
_DEAD = ("Annulled",)


def restless(stage: Stage) -> list[str]:
    """What is not at rest yet: effects, webhooks."""
    rows = stage.app.store.database.query(
        "SELECT flow, state, count(*), min(message) FROM effect GROUP BY flow, state ORDER BY flow, state"
    )
    left = [f"{flow}: {number} {state} ({text})" for flow, state, number, text in rows if state not in _AT_REST]
    waiting = stage.app.store.database.query("SELECT connection, count(*) FROM inbox WHERE state = 'new' GROUP BY 1")
    parked = stage.app.store.database.query("SELECT connection, stream, min(message) FROM parked GROUP BY 1, 2")
    left += [f"{count} webhooks of {name} wait" for name, count in waiting]
    return left + [f"parked: {connection} {stream} ({text})" for connection, stream, text in parked]


def wanted(stage: Stage) -> set[str]:
    """The orders that have to be in the ERP, under the keys that they have there."""
    found = {f"{SHOP}-{each['id']}" for each in stage.shop.state()["orders"]
             if each["status"] in ("processing", "completed")}  # fmt: skip
    found |= {f"{MARKET}-{each['order_id']}" for each in stage.market.state()["orders"]
              if each["state"] in ("SHIPPING", "SHIPPED")}  # fmt: skip
    return found | {f"{OCTOPIA}-{each['orderId']}" for each in stage.octopia.state()["orders"]
                    if each["status"] in ("InPreparation", "Shipped")}  # fmt: skip


def missing(stage: Stage) -> set[str]:
    """Orders that have to be in the ERP and are not."""
    return wanted(stage) - {order.external for order in list(stage.erp.book.orders.values())}


def check(stage: Stage) -> list[tuple[str, list[str]]]:
    """Each thing that has to be true, and what speaks against it."""
    erp = stage.erp.state()["orders"]
    return [
        _once(stage, erp), _promised(stage, erp), _parcels(stage, erp), *_prints(stage),
        ("nothing is left to do, and nothing waits for anybody", restless(stage)),
    ]  # fmt: skip


def _once(stage: Stage, erp: list[dict[str, Any]]) -> tuple[str, list[str]]:
    should = wanted(stage)
    there = Counter(each["orderHeader"]["orderNumberExternal"] for each in erp)
    alive = {each["orderHeader"]["orderNumberExternal"] for each in erp if each["orderStatus"] not in _DEAD}
    wrong = [f"{count} times in the ERP: {key}" for key, count in there.items() if count > 1]
    wrong += [f"missing in the ERP: {key}" for key in sorted(should - alive)]
    wrong += [f"in the ERP and not sold: {key}" for key in sorted(alive - should)]
    return f"{len(should)} orders are in the ERP, each once", wrong


def _promised(stage: Stage, erp: list[dict[str, Any]]) -> tuple[str, list[str]]:
    sold = sum(
        int(row["salesData"]["quantity"])
        for order in erp for row in order["orderRows"]
        if row["product"]["productNumber"] == stage.scarce and row["rowOperation"] == "Active"
    )  # fmt: skip
    wrong = [f"{sold} are promised"] if sold > SUPPLY else []
    return f"of {SUPPLY} pieces of the scarce article {sold} are promised", wrong


def _parcels(stage: Stage, erp: list[dict[str, Any]]) -> tuple[str, list[str]]:
    shipped = {
        each["orderHeader"]["orderNumberExternal"]: {
            str(number) for parcel in each["orderHeader"].get("shipments") or [] for number in parcel["packages"]
        }
        for each in erp
    }
    told = _told(stage)
    wrong = []
    for key, numbers in sorted(shipped.items()):
        known = told.get(key, set())
        # Cdiscount takes one parcel for an order; which others there are is a note of ours.
        good = bool(known) == bool(numbers) and known <= numbers if key.startswith(OCTOPIA) else known == numbers
        if not good:
            wrong.append(f"{key}: shipped {sorted(numbers)}, the channel knows {sorted(known)}")
    return f"{sum(map(len, shipped.values()))} parcels are known to the channels that sold", wrong


def _told(stage: Stage) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for key, rows in stage.shop.state()["trackings"].items():
        told[f"{SHOP}-{key}"] = {row["tracking_number"] for row in rows}
    for each in stage.market.state()["shipments"]:
        told.setdefault(f"{MARKET}-{each['order_id']}", set()).add(str(each["tracking"]["tracking_number"]))
    for order in stage.octopia.state()["orders"]:
        numbers = {parcel["parcelNumber"] for line in order["lines"] for parcel in line.get("parcels") or []}
        told[f"{OCTOPIA}-{order['orderId']}"] = numbers
    return told


def _prints(stage: Stage) -> list[tuple[str, list[str]]]:
    orders = stage.prints.state()["orders"]
    keys = Counter(order.reference for order in list(stage.supplier.book.orders.values()))
    wrong = [f"{count} times at the supplier: {key}" for key, count in keys.items() if count > 1]
    wrong += [] if len(keys) == len(orders) else [f"{len(orders)} were ordered, {len(keys)} are at the supplier"]
    shop = stage.prints.state()
    news = [
        f"{order['id']} is {order['status']} with {len(shop['trackings'].get(str(order['id']), []))} parcels"
        for order in orders
        if order["status"] != "completed" or len(shop["trackings"].get(str(order["id"]), [])) != 2
    ]
    return [
        (f"{len(orders)} orders of prints are at the supplier, each once", wrong),
        ("their parcels and their end are in the shop", news),
    ]


def compare(stage: Stage) -> dict[str, tuple[int, list[str]]]:
    """Both sides of every flow that has two, read again: what matched, and what speaks against it."""
    found: dict[str, tuple[int, list[str]]] = {}
    for flow in stage.app.store.config.flows():
        if flow.stream != flow.reads:
            continue
        stage.app.store.database.run("DELETE FROM meter")  # nobody waits a day for the second comparison
        try:
            result = reconcile(stage.app.bench, flow)
        except CrossdockError as error:
            found[flow.name] = 0, [f"it could not be compared: {error}"]
            continue
        found[flow.name] = (
            result.matched,
            [
                f"{each.key}: {each.kind} {each.field} {each.expected} / {each.found} {each.reason}"
                for each in result.findings
            ],
        )
    return found
