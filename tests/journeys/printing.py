"""A shop that sells printed goods and the supplier who makes them, as the journeys about both see them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import attrs
import httpx
from kit import free_port, poll
from stand import System, Trade, flow

SKUS = ["SIM-0001", "SIM-0002"]  # as the shop's twin numbers what it is seeded with
SYSTEMS = {
    "shop": System("woocommerce", {"https": True, "tracking": "shipment-tracking"}),
    "supplier": System("xdconnects", {"skus": SKUS}, {"region": "scandinavia", "live_ordering": "yes"}),
}
CONFIG = (
    flow("orders", "orders", "shop", "supplier", 'options.approve_up_to = "500"')
    + flow("parcels", "shipments", "supplier", "shop")
    + flow("news", "statuses", "supplier", "shop")
    + '[streams.shop]\norders = "1h"\n[streams.supplier]\norders = "1h"\nshipments = "1h"\n'
)
SMALL = 40
"""Pieces of an order that costs less than the rule of the flow allows; 100 cost 1016.00 EUR."""

BUYER = {
    "first_name": "Mette", "last_name": "Demo", "company": "Demo Kunde ApS", "address_1": "Havnegade 1",
    "postcode": "8000", "city": "Aarhus C", "country": "DK", "phone": "+4500000001", "email": "mette@customer.example",
}  # fmt: skip


@attrs.frozen
class Prints:
    """What people do in such a trade, and what they see."""

    trade: Trade

    @property
    def project(self) -> Any:
        """The project."""
        return self.trade.project

    @property
    def supplier(self) -> Any:
        """XD's twin."""
        return self.trade.supplier

    def stock_shop(self) -> None:
        """The shop sells what the supplier makes."""
        self.trade.shop.do("seed", orders=0, products=len(SKUS), simple=True)

    def buy(self, quantity: int = 100, *, printed: bool = True) -> str:
        """A customer orders mugs, with a logo unless told otherwise; answers the shop's order."""
        meta = {
            "print_technique": "Demo Laser 1", "print_position": "item front", "print_width_mm": "38",
            "print_height_mm": "20", "print_artwork": f"{self.supplier.url}/artwork/logo.pdf",
        }  # fmt: skip
        line = {"sku": SKUS[0], "quantity": quantity}
        if printed:
            line["meta_data"] = [{"key": key, "value": value} for key, value in meta.items()]
        made = self.trade.shop.do(
            "insert_order", status="processing", billing=BUYER, shipping=BUYER, line_items=[line]
        )  # fmt: skip
        return str(made["id"])

    def set(self, **values: str) -> None:
        """Change settings of the supplier's connection."""
        pairs = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        self.project.run("connection", "edit", "supplier", *pairs)

    def read(self) -> None:
        """Read the shop's orders."""
        self.trade.later()
        self.project.run("sync", "shop", "orders")

    def push(self, flow: str = "orders", *, code: int | None = 0, wait: float = 0) -> None:
        """Some minutes later, deliver a flow, or all of them."""
        self.trade.later()
        self.project.run("push", *filter(None, [flow]), "--wait", str(wait), code=code)

    def approve(self) -> None:
        """Read and preview; a person approves everything that waits."""
        self.read()
        self.push(code=1)
        self.project.run("effects", "approve", *(str(each["id"]) for each in self.effects("awaiting")))

    def send_small(self) -> tuple[str, str]:
        """A small order, which the flow's rule lets go; answers its number in the shop and at the supplier."""
        order = self.buy(SMALL)
        self.read()
        self.push()
        return order, str(self.taken()[-1]["orderNumber"])

    def effects(self, state: str = "%") -> list[dict[str, Any]]:
        """The effects of the flow of orders, oldest first."""
        names = ("id", "key", "state", "message", "external_id")
        rows = self.project.query(
            f"SELECT {', '.join(names)} FROM effect WHERE flow = 'orders' AND state LIKE '{state}' ORDER BY id"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def taken(self) -> list[dict[str, Any]]:
        """The orders that the supplier has."""
        orders: list[dict[str, Any]] = self.supplier.state()["orders"]
        return orders

    def posts(self) -> int:
        """How often the supplier was sent an order."""
        return len(self.supplier.requests("POST", "/api/orders"))

    def notes(self, order: str) -> list[str]:
        """The private notes on an order of the shop."""
        return [each["note"] for each in self.trade.shop.state()["notes"].get(order, []) if not each["customer_note"]]

    def a_day_later(self) -> None:
        """A day passes: feeds that were kept are old enough to be asked for again."""
        self.trade.later()
        with contextlib.closing(sqlite3.connect(self.project.home / "crossdock.db", timeout=10)) as connection:
            connection.execute("UPDATE file SET kept_at = strftime('%Y-%m-%dT%H:%M:%f000Z', kept_at, '-25 hours')")
            connection.commit()


@attrs.frozen
class Door:
    """``crossdock webhook serve`` while it runs."""

    prints: Prints
    url: str

    def address(self, *words: str) -> str:
        """The address for the supplier, as the command prints it."""
        return str(
            self.prints.project.run("webhook", "url", "supplier", "--base", self.url, *words).stdout.splitlines()[0]
        )

    def tell(self, action: str, **arguments: Any) -> int:
        """Something happens at the supplier; answers the status that its webhook got."""
        before = len(self.prints.supplier.state()["webhooks"])
        self.prints.supplier.do(action, **arguments)

        def answered() -> Any:
            told = self.prints.supplier.state()["webhooks"][before:]
            return told[-1] if told and told[-1]["statuses"] else None

        return int(poll(answered)["statuses"][-1])

    def worked(self) -> list[tuple[str, str]]:
        """State and note of all that came in, when none waits any more."""

        def ended() -> Any:
            rows = self.prints.project.query("SELECT state, note FROM inbox ORDER BY id")
            return [] if any(state == "new" for state, _ in rows) else [(rows,)]

        rows: list[tuple[str, str]] = poll(ended)[0][0]
        return rows

    def show(self) -> None:
        """What was heard goes to the shop."""
        self.prints.push("", wait=0.5)

    def post(self, address: str, **body: str) -> int:
        """Somebody who is not the supplier posts to an address."""
        return httpx.post(address, json=body, trust_env=False).status_code


@contextlib.contextmanager
def serving(prints: Prints) -> Iterator[Door]:
    """The door of a project in a process of its own."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = prints.project.start("webhook", "serve", "--port", str(port))
    try:
        poll(lambda: _healthy(url))
        yield Door(prints, url)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _healthy(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    return False
