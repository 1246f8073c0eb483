"""What happens in the world while a soak runs: buyers, warehouses, a supplier, mishaps of vendors, and a person."""

from __future__ import annotations

import contextlib
import random
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from benchmarks.soak.stage import ERP, MARKET, OCTOPIA, PRINTS, SHOP, SUPPLIER, Stage
from crossdock.engine.decide import replay, resolve
from crossdock.engine.push import idempotency_key
from crossdock.errors import CrossdockError
from crossdock.webhooks import door, path_of

ADDRESS = {
    "first_name": "Mette", "last_name": "Demo", "company": "Demo Kunde ApS", "address_1": "Havnegade 1",
    "postcode": "8000", "city": "Aarhus C", "country": "DK", "phone": "+4500000001",
}  # fmt: skip
_SLOW = 0.3
_RESTS = 3.0  # real seconds between two steps of the supplier with one order
_RIPE = 6.0  # real seconds after which the warehouse looks at an order


class World:
    """Everybody but us."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = stage, dice
        self.placed: dict[str, float] = {}
        """Orders by the key that they get in the ERP, and when they were placed (real time)."""
        self.arrived: dict[str, float] = {}
        self.changing: dict[str, tuple[float, str]] = {}
        """Orders that their buyer will change or cancel; the warehouse does not begin with them before."""
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._steps: dict[str, tuple[int, float]] = {}
        self._changed: set[str] = set()
        self._ticks = 0

    # -- what happens ------------------------------------------------------------------------------

    def tick(self) -> None:
        """Something happens; in the beginning each thing once."""
        happens: list[tuple[int, Callable[[], None]]] = [
            (12, self._buy_in_shop), (5, self._buy_in_market), (5, self._buy_in_octopia), (1, self._buy_prints),
            (2, self._stock), (1, self._price), (4, self._pick), (3, self._supplier_works), (2, self._disturb),
        ]  # fmt: skip
        if self._ticks < len(happens):
            happens[self._ticks][1]()
        else:
            weights = [weight for weight, _ in happens]
            self.dice.choices(happens, weights)[0][1]()
        self._ticks += 1
        self._change_what_is_due()

    def look(self) -> None:
        """Note which orders have arrived."""
        for order in list(self.stage.erp.book.orders.values()):
            if order.external not in self.arrived and order.external in self.placed:
                self.arrived[order.external] = time.monotonic() - self.placed[order.external]

    def _note(self, key: str, *, changes: bool = True) -> None:
        self.placed[key] = time.monotonic()
        self.counts["orders placed"] += 1
        fate = self.dice.random()
        if changes and fate < 0.25:
            kind = "cancel" if fate < 0.08 else "edit"
            self.changing[key] = (time.monotonic() + self.dice.uniform(0.2, 6), kind)

    def _lines(self) -> list[dict[str, Any]]:
        chosen = self.dice.sample(self.stage.others, self.dice.choice((1, 1, 2, 3)))
        return [{"sku": sku, "quantity": self.dice.randint(1, 3)} for sku in chosen]

    def _buy_in_shop(self) -> None:
        made = self.stage.shop.insert_order(status="processing", line_items=self._lines())
        self._note(f"{SHOP}-{made['id']}")

    def _buy_in_market(self) -> None:
        lines = [{"sku": self.stage.scarce, "quantity": 1}] if self.dice.random() < 0.3 else self._lines()
        self._note(f"{MARKET}-{self.stage.market.place_order(lines)}", changes=False)

    def _buy_in_octopia(self) -> None:
        lines = [{"sku": self.stage.scarce, "quantity": 1}] if self.dice.random() < 0.3 else self._lines()
        with contextlib.suppress(ValueError):  # it shows no more of it
            self._note(f"{OCTOPIA}-{self.stage.octopia.place_order(lines)}", changes=False)

    def _buy_prints(self) -> None:
        artwork = f"{self.stage.urls[SUPPLIER]}/artwork/logo.pdf"
        asked = {
            "print_technique": "Demo Laser 1", "print_position": "item front", "print_width_mm": "38",
            "print_height_mm": "20", "print_colours": "silver", "print_artwork": artwork,
        }  # fmt: skip
        pairs = [{"key": name, "value": value} for name, value in asked.items()]
        self.stage.prints.insert_order(
            status="processing", billing=ADDRESS | {"email": "mette@customer.example"}, shipping=ADDRESS,
            line_items=[{"sku": self.stage.goods, "quantity": 100, "meta_data": pairs}],
        )  # fmt: skip
        self.counts["prints ordered"] += 1

    def _change_what_is_due(self) -> None:
        for key, (at, kind) in list(self.changing.items()):
            if time.monotonic() >= at:
                del self.changing[key]
                number = int(key.removeprefix(f"{SHOP}-"))
                fields = {"status": "cancelled"} if kind == "cancel" else {"customer_note": f"Ring twice, {at:.0f}"}
                self.stage.shop.edit_order(number, **fields)
                self._changed.add(key)
                self.counts["orders cancelled" if kind == "cancel" else "orders edited"] += 1

    def _stock(self) -> None:
        sku = self.dice.choice(self.stage.others)
        self.stage.erp.set_stock(sku, self.dice.randint(3000, 6000))
        self.counts["stock changes"] += 1

    def _price(self) -> None:
        self.stage.erp.edit_product(
            self.dice.choice(self.stage.others), price=f"{self.dice.randint(500, 4000) / 100:.2f}"
        )
        self.counts["price changes"] += 1

    # -- warehouses --------------------------------------------------------------------------------

    def _pick(self) -> None:
        """The warehouse sends some orders off, in parts where it likes."""
        self.pick(3, _RIPE, but=self._changed)

    def pick(self, most: int = 1_000_000, ripe: float = 0.0, but: Collection[str] = ()) -> int:
        """Send off up to so many orders that nobody will change any more; answers how many."""
        erp, picked = self.stage.erp, 0
        with erp.lock:
            for order in erp.warehouse.open_orders():
                if picked >= most or order.external in self.changing or order.external in but:
                    continue
                if time.monotonic() - self.placed.get(order.external, 0.0) < ripe:
                    continue
                amounts = erp.warehouse.half(order) if self.dice.random() < 0.3 else None
                erp.warehouse.pick(str(order.number), None, amounts, None, "DHL")
                picked += 1
        self.counts["shipments"] += picked
        return picked

    def _supplier_works(self) -> None:
        self.supplier_works()

    def supplier_works(self, rests: float = _RESTS) -> int:
        """The supplier does the next step with each order that waited long enough; answers how many are under way."""
        supplier, under_way = self.stage.supplier, 0
        steps = (supplier.accept, supplier.send_proof, supplier.approve_proof, supplier.produce, self._send_off)
        for number in list(supplier.book.orders):
            step, at = self._steps.get(number, (0, time.monotonic()))
            if step >= len(steps):
                continue
            under_way += 1
            if time.monotonic() - at >= rests:
                steps[step](number)
                step, at = step + 1, time.monotonic()
            self._steps[number] = step, at
        return under_way

    def _send_off(self, number: str) -> None:
        self.stage.supplier.ship(number, [
            {"carrier": "DHL", "trackingNumber": f"JJD{number}{part}", "trackingUrl": f"https://track.example/{number}{part}"}
            for part in (1, 2)
        ])  # fmt: skip

    # -- mishaps -----------------------------------------------------------------------------------

    def _disturb(self) -> None:
        """A vendor has a bad moment, or a webhook comes twice or from a stranger."""
        if self.dice.random() < 0.25:
            self._strange_webhook()
            return
        name = self.dice.choice((SHOP, MARKET, OCTOPIA, ERP, PRINTS, SUPPLIER))
        kind, details = self.dice.choice((
            ("429 with a time", {"kind": "status", "status": 429, "headers": {"Retry-After": "20"}}),
            ("429", {"kind": "status", "status": 429}),
            ("500", {"kind": "status", "status": 500}),
            ("503", {"kind": "status", "status": 503}),
            ("HTML", {"kind": "html"}),
            ("truncated", {"kind": "truncate"}),
            ("cut before", {"kind": "cut_before"}),
            ("cut after", {"kind": "cut_after"}),
            ("slow", {"kind": "slow", "seconds": _SLOW}),
        ))  # fmt: skip
        method = self.dice.choice(("*", "*", "GET", "POST", "PUT"))
        self.stage.twins[name].fault(times=self.dice.randint(1, 3), method=method, **details)
        self.faults[kind] += 1

    def between(self, method: str, path: str) -> None:
        """Between two answers of the shop somebody edits an order: rows move while they are read."""
        if method == "GET" and "/orders" in path and self.dice.random() < 0.2:
            keys = [int(key.removeprefix(f"{SHOP}-")) for key in list(self.placed) if key.startswith(SHOP)]
            if keys:
                self.stage.shop.touch([self.dice.choice(keys[-30:])])
                self.counts["touched between pages"] += 1

    def _strange_webhook(self) -> None:
        kind = self.dice.choice(("twice", "twice", "forged", "forged at the shop"))
        self.faults[f"webhook {kind}"] += 1
        if kind == "forged":
            self.stage.erp.emit("OrderStatusChanged", {"OrderNumber": "1"}, forged=True)
        elif kind == "forged at the shop":
            self._post_forged()
        else:
            self.stage.shop.break_webhooks(self.dice.choice(("duplicate", "reversed", "")))
            with contextlib.suppress(Exception):
                self.stage.supplier.repeat_last_webhook()

    def _post_forged(self) -> None:
        url = f"http://127.0.0.1:{self.stage.port}{path_of(self.stage.app, door(self.stage.app, SHOP))}"
        headers = {"X-WC-Webhook-Signature": "Zm9yZ2Vk", "X-WC-Webhook-Topic": "order.updated",
                   "Content-Type": "application/json"}  # fmt: skip
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(urllib.request.Request(url, b'{"id": 1}', headers), timeout=2).close()

    def peace(self) -> None:
        """Nothing goes wrong any more."""
        for twin in self.stage.twins.values():
            twin.faults.clear()
            twin.between = None
        self.stage.shop.break_webhooks("")
        self.changing = {key: (0.0, kind) for key, (_, kind) in self.changing.items()}
        self._change_what_is_due()

    # -- a person ----------------------------------------------------------------------------------

    def person(self, *, replays: bool = False) -> None:
        """Somebody looks at what waits for a person: says what the supplier has, verifies, sends parked ones again."""
        app = self.stage.app
        with contextlib.suppress(CrossdockError):
            for each in app.store.effects.find(states=("in_doubt",), limit=500):
                if each.target == SUPPLIER and each.not_before.startswith("9999"):
                    self._say_what_is_there(each)
            for row in app.store.config.connections():
                if row.state == "paused":
                    self.counts["pauses"] += 1
                    app.verify(row.name)
            if replays:
                parked = [each.id for each in app.store.effects.find(states=("parked",), limit=500)]
                if parked:
                    self.counts["parked, sent again"] += replay(app.bench, parked)

    def _say_what_is_there(self, effect: Any) -> None:
        key = idempotency_key(effect)
        orders = list(self.stage.supplier.book.orders.values())
        found = [order.number for order in orders if key in (order.reference, order.idempotency_key)]
        self.counts["doubts told by a person"] += 1
        if found:
            resolve(self.stage.app.bench, effect.id, external_id=found[0])
        else:
            resolve(self.stage.app.bench, effect.id, absent=True)
