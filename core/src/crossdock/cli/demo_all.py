"""The demo of all five connectors: two shops, two marketplaces, a supplier, and an ERP behind them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from crossdock.app import App
from crossdock.cli.demo_stage import Stage, Step, check
from crossdock.cli.output import plural
from crossdock.engine.bench import Report
from crossdock.engine.decide import approve, discard, switch_flow
from crossdock.errors import CrossdockError, TransientError
from crossdock.store.config import FlowRow

SHOP, MARKET, OCTOPIA, ERP = "shop", "market", "octopia", "erp"
PRINTS, SUPPLIER = "prints", "supplier"
SELLING = (SHOP, MARKET, OCTOPIA)
SCARCE = 2
"""How many pieces there are of the article that everybody wants."""


class Everything(Stage):
    """Orders from everywhere into one ERP, its stock to all channels, and printed goods from a supplier."""

    def __init__(
        self, app: App, stack: contextlib.ExitStack, *, orders: int, seed: int, say: Callable[[str], None]
    ) -> None:
        super().__init__(app, stack, say, patience=timedelta(hours=2))
        self.orders = orders
        now = app.clock.now
        self.shop = self.enter(
            SHOP, "woocommerce", {"manage_stock": "yes"}, https=True, tracking="shipment-tracking", clock=now
        )
        self.shop.seed(orders=orders, products=10, seed=seed, simple=True)
        state = self.shop.state()
        self.skus = tuple(each["sku"] for each in (*state["products"], *state["variations"]) if sellable(each))
        self.erp = self.enter(ERP, "extendcommerce", generous=True, customers=("WEBSHOP",), clock=now)
        self.market = self.enter(MARKET, "mirakl", {"partner": "no"}, skus=self.skus, clock=now)
        self.octopia = self.enter(OCTOPIA, "cdiscount", skus=self.skus, acceptance=True, clock=now)
        self.prints = self.enter(PRINTS, "woocommerce", https=True, tracking="shipment-tracking", clock=now)
        self.prints.seed(orders=0, products=3, seed=seed, simple=True)
        goods = [each["sku"] for each in self.prints.state()["products"] if sellable(each)]
        self.supplier = self.enter(SUPPLIER, "xdconnects", {"live_ordering": "yes"}, skus=goods, clock=now)
        self.goods = goods[0]
        self.refused = ""
        self.turned_down = ""

    def all(self) -> Iterator[Step]:
        """The steps in their order."""
        yield "Fill the ERP with what the shops sell", self._fill
        yield "Connect all six, as a person would", self.connect
        yield "Say what goes where", self._flows
        yield "Three channels sell the same stock at the same time", self._sell
        yield "Marketplace orders are accepted by the stock that is left", self._accept
        yield "Everything goes into the ERP, while answers get lost", self._deliver
        yield "The ERP ships in parts; each channel hears of its parcels", self._ship
        yield "Printed goods: preview, approval, one binding order, news", self._print
        yield "Stock goes to every channel; refused lines stay with their SKU", self._publish
        yield "Run everything once more: nothing is left to do", self._again

    # -- steps -------------------------------------------------------------------------------------

    def _fill(self, report: Report) -> None:
        warehouse = self.erp.settings("")["warehouses"]
        self.sold = sum(
            int(line["quantity"])
            for order in self.shop.state()["orders"] if order["status"] in ("processing", "completed", "on-hold")
            for line in order["line_items"] if line["sku"] == self.skus[0]
        )  # fmt: skip
        self.erp.seed_products([
            {
                "productNumber": sku, "name": f"Article {sku}", "vatPercent": 20, "price": "10.00", "currency": "EUR",
                "stock": {warehouse: self.sold + SCARCE if index == 0 else 300 + index},
            }
            for index, sku in enumerate(self.skus)
        ])  # fmt: skip
        self.say(f"   {plural(len(self.skus), 'article')} in the ERP; of {self.skus[0]} there are only {SCARCE} left")

    def _flows(self, report: Report) -> None:
        flows = [("orders-" + name, "orders", name, ERP) for name in SELLING]
        flows += [("parcels-" + name, "shipments", ERP, name) for name in SELLING]
        flows += [("stock-" + name, "balance", ERP, name) for name in SELLING]
        flows += [("accept-" + name, "acceptance", name, ERP) for name in (MARKET, OCTOPIA)]
        flows += [
            ("numbers-market", "statuses", ERP, MARKET),
            ("orders-prints", "orders", PRINTS, SUPPLIER),
            ("parcels-prints", "shipments", SUPPLIER, PRINTS),
            ("news-prints", "statuses", SUPPLIER, PRINTS),
        ]
        self.names = [name for name, *_ in flows]
        self.plan([
            FlowRow(name=name, stream=stream, source=source, target=target, mode="plan")
            for name, stream, source, target in flows
        ])  # fmt: skip
        for name in self.names:
            switch_flow(self.app.bench, name, "live")

    def _sell(self, report: Report) -> None:
        self.read(ERP, "balance", report)
        scarce, others = self.skus[0], self.skus[1:]
        self.shop.insert_order(status="processing", line_items=[{"sku": scarce, "quantity": 1}])
        for number in range(self.orders // 3):
            two = [{"sku": others[number % len(others)], "quantity": 2}]
            two.append({"sku": others[(number + 1) % len(others)], "quantity": 1})
            self.market.place_order(two)
            self.octopia.place_order(two, channel=("CDISFR", "EXAMPLEPL")[number % 2])
        self.market.place_order([{"sku": scarce, "quantity": 1}])
        self.turned_down = self.octopia.place_order([{"sku": scarce, "quantity": 1}])
        self.spoil(self.market, "status", path="/api/orders", status=429, headers={"Retry-After": "1"})
        self.spoil(self.octopia, "truncate", path="/orders", skip=1)
        for name in SELLING:
            self.read(name, "orders", report)
        self.say(f"   three buyers want the {SCARCE} pieces of {scarce}; one channel does not ask before it sells")

    def _accept(self, report: Report) -> None:
        self.octopia.expire_tokens()
        for name in (MARKET, OCTOPIA):
            self.push(f"accept-{name}", report)
        for each in self.app.store.effects.find(states=("awaiting",)):
            self.say(f"   {each.source} {each.ref}: {each.message} A person turns it down.")
            discard(self.app.bench, [each.id], "sold out")
        for name in (MARKET, OCTOPIA):
            self.read(name, "orders", report)

    def _deliver(self, report: Report) -> None:
        self.spoil(self.erp, "cut_after", method="POST", path="CustomerOrders", skip=4, times=3)
        self.spoil(self.erp, "truncate", method="POST", path="CustomerOrders", skip=12)
        for name in SELLING:
            self.push(f"orders-{name}", report)
        self.read(ERP, "orders", report)
        self.push("numbers-market", report)

    def _ship(self, report: Report) -> None:
        self.octopia.bad_gateway()
        self.faults += 1
        for partial in (True, False):
            picked = self.erp.pick_all(partial=partial)
            self.say(f"   the ERP picks {plural(len(picked), 'order')}{', as far as they go' if partial else ''}")
            self.read(ERP, "shipments", report)
            for name in SELLING:
                self.push(f"parcels-{name}", report)

    def _print(self, report: Report) -> None:
        from crossdock.cli.demo_prints import play

        play(self, report)

    def _publish(self, report: Report) -> None:
        self.refused = self.skus[1]
        self.market.fail_lines(self.refused)
        self.octopia.refuse_offer(self.refused, "This product is not allowed here")
        self.read(ERP, "balance", report)
        for name in SELLING:
            self.push(f"stock-{name}", report)
        for each in self.app.store.effects.find(states=("parked",)):
            self.say(f"   {each.target} refuses {each.ref}: {each.message}")
            discard(self.app.bench, [each.id], "not sold there")

    def _again(self, report: Report) -> None:
        for name in (*SELLING, PRINTS):
            self.read(name, "orders", report)
        for stream in ("shipments", "balance", "orders"):
            self.read(ERP, stream, report)
        for stream in ("orders", "shipments"):
            self.read(SUPPLIER, stream, report)
        before = self.writes()
        for name in self.names:
            self.push(name, report)
        self.rewrites = self.writes() - before
        self.say(f"   {plural(self.rewrites, 'write')} anywhere")

    def read(self, connection: str, stream: str, report: Report) -> None:
        """Read a stream some time later."""
        # The vendors allow some of these rarely; in the demo the time passes quickly.
        self.app.clock.sleep(20 * 60)
        for _ in range(3):
            try:
                self.sync(connection, stream, report)
            except TransientError as error:
                self.say(f"   {connection} asks to wait: {error}")
                self.app.clock.sleep(error.wait.total_seconds() if error.wait else 60.0)
            else:
                return
        self.sync(connection, stream, report)

    def approve_all(self) -> list[int]:
        """A person looks at what waits for approval and says yes; answers the effects."""
        waiting = self.app.store.effects.find(states=("awaiting",))
        for each in waiting:
            self.say(f"   effect {each.id} waits: {each.message} Approved.")
            approve(self.app.bench, each.id)
        if not waiting:
            raise CrossdockError("Nothing waits for approval, although orders are binding there.")
        return [each.id for each in waiting]

    # -- proof -------------------------------------------------------------------------------------

    def prove(self) -> dict[str, Any]:
        """Read all twins and compare; the values come from their own state, not from our store."""
        state = {name: side.twin.state() for name, side in self.sides.items()}
        from crossdock.cli.demo_prints import proof

        return self.verdict([
            self._orders(state), self._promised(state), self._parcels(state), self._stock(state),
            *proof(self, state), self.calm(),
        ])  # fmt: skip

    def _wanted(self, state: dict[str, dict[str, Any]]) -> set[str]:
        """The orders that have to be in the ERP, under their keys there."""
        wanted = {f"{SHOP}-{each['id']}" for each in state[SHOP]["orders"]
                  if each["status"] in ("processing", "completed")}  # fmt: skip
        wanted |= {f"{MARKET}-{each['order_id']}" for each in state[MARKET]["orders"]
                   if each["state"] in ("SHIPPING", "SHIPPED")}  # fmt: skip
        return wanted | {f"{OCTOPIA}-{each['orderId']}" for each in state[OCTOPIA]["orders"]
                         if each["status"] in ("InPreparation", "Shipped")}  # fmt: skip

    def _orders(self, state: dict[str, dict[str, Any]]) -> dict[str, Any]:
        wanted = self._wanted(state)
        found = Counter(each["orderHeader"]["orderNumberExternal"] for each in state[ERP]["orders"])
        wrong = [f"missing in the ERP: {key}" for key in sorted(wanted - found.keys())]
        wrong += [f"in the ERP, not sold: {key}" for key in sorted(found.keys() - wanted)]
        wrong += [f"{number} times in the ERP: {key}" for key, number in sorted(found.items()) if number > 1]
        return check(not wrong, f"{len(wanted)} orders of three systems are in the ERP, each once", wrong)

    def _promised(self, state: dict[str, dict[str, Any]]) -> dict[str, Any]:
        scarce = self.skus[0]
        sold = sum(
            int(row["salesData"]["quantity"])
            for order in state[ERP]["orders"]
            for row in order["orderRows"]
            if row["product"]["productNumber"] == scarce
        )
        waits = next(each for each in state[OCTOPIA]["orders"] if each["orderId"] == self.turned_down)
        there = self.sold + SCARCE
        on_hold = self.on_hold(state).get(scarce, 0)
        ok = sold + on_hold == there and waits["status"] == "WaitingAcceptance"
        text = f"all {there} pieces of {scarce} are promised, none twice; the last buyer's order was not accepted"
        return check(ok, text, [] if ok else [f"{sold} promised, {on_hold} on hold, the order is {waits['status']}"])

    def _parcels(self, state: dict[str, dict[str, Any]]) -> dict[str, Any]:
        shipped = {
            each["orderHeader"]["orderNumberExternal"]: {
                str(number) for parcel in each["orderHeader"].get("shipments") or [] for number in parcel["packages"]
            }
            for each in state[ERP]["orders"]
        }
        told = self._told(state)
        wrong = [
            f"{key}: shipped {sorted(numbers)}, the channel knows {sorted(told.get(key, set()))}"
            for key, numbers in sorted(shipped.items())
            # Cdiscount takes one parcel for an order; which others there are is a note of ours.
            if (not told.get(key, set()) or not told[key] <= numbers)
            or (not key.startswith(OCTOPIA) and told[key] != numbers)
        ]
        parcels = sum(map(len, shipped.values()))
        return check(not wrong and parcels > 0, f"{parcels} parcels of {len(shipped)} orders are known to the channels",
                     wrong)  # fmt: skip

    def _told(self, state: dict[str, dict[str, Any]]) -> dict[str, set[str]]:
        told: dict[str, set[str]] = {}
        for key, rows in state[SHOP]["trackings"].items():
            told[f"{SHOP}-{key}"] = {row["tracking_number"] for row in rows}
        for each in state[MARKET]["shipments"]:
            told.setdefault(f"{MARKET}-{each['order_id']}", set()).add(str(each["tracking"]["tracking_number"]))
        for order in state[OCTOPIA]["orders"]:
            numbers = {parcel["parcelNumber"] for line in order["lines"] for parcel in line.get("parcels") or []}
            told[f"{OCTOPIA}-{order['orderId']}"] = numbers
        return told

    def _stock(self, state: dict[str, dict[str, Any]]) -> dict[str, Any]:
        stock: Counter[str] = Counter()
        for row in state[ERP]["availability"]:
            stock[row["productNumber"]] += int(row["availableBalanceNow"])
        held = self.on_hold(state)
        waits = next(each for each in state[OCTOPIA]["orders"] if each["orderId"] == self.turned_down)
        for line in waits["lines"]:
            held[line["offer"]["sellerProductId"]] += int(line["quantity"])
        wrong, compared = [], 0
        for name, shown in self._shown(state).items():
            for sku, quantity in sorted(shown.items()):
                wanted = max(stock[sku] - held[sku], 0)
                if sku == self.refused and name != SHOP:
                    continue
                compared += 1
                if quantity != wanted:
                    wrong.append(f"{name} {sku}: shows {quantity}, can be sold {wanted}")
        text = f"the stock of {len(stock)} SKUs is equal in all channels ({compared} values)"
        return check(not wrong and compared > 0, text, wrong)

    def on_hold(self, state: dict[str, dict[str, Any]]) -> Counter[str]:
        """What the shop's orders on hold will take."""
        held: Counter[str] = Counter()
        for order in state[SHOP]["orders"]:
            for line in order["line_items"] if order["status"] == "on-hold" else ():
                held[line["sku"]] += int(line["quantity"])
        return held

    def _shown(self, state: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
        articles = (*state[SHOP]["products"], *state[SHOP]["variations"])
        shown = {SHOP: {each["sku"]: each["stock_quantity"] for each in articles if sellable(each)}}
        return shown | {name: dict(state[name]["stock"]) for name in (MARKET, OCTOPIA)}


def sellable(product: Mapping[str, Any]) -> bool:
    """Whether a product of the shop can be sold as it is: a variable one is sold by its variations."""
    return bool(product.get("sku")) and product.get("type", "variation") != "variable"
