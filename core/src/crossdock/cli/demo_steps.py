"""The demo's steps: seed, connect, sync, push, ship, bring back, prove."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crossdock.app import App
from crossdock.cli.demo_stage import Stage, Step, check
from crossdock.cli.output import plural
from crossdock.engine.bench import Report
from crossdock.engine.decide import add_mappings, switch_flow
from crossdock.engine.reconcile import reconcile
from crossdock.errors import CrossdockError
from crossdock.store.config import FlowRow

SHOP, ERP = "shop", "erp"
FLOWS = (
    ("orders", "orders", SHOP, ERP),
    ("shipments", "shipments", ERP, SHOP),
    ("products", "products", ERP, SHOP),
    ("prices", "prices", ERP, SHOP),
    ("stock", "balance", ERP, SHOP),
)
_CENT = Decimal("0.01")
_VAT = Decimal("1.19")


class Demo(Stage):
    """A round trip between a shop and an ERP."""

    def __init__(
        self, app: App, stack: contextlib.ExitStack, *, orders: int, seed: int, say: Callable[[str], None]
    ) -> None:
        super().__init__(app, stack, say)
        self.orders = orders
        self.seed = seed
        self.shop = self.enter(SHOP, "woocommerce", {"manage_stock": "yes"}, https=True, tracking="shipment-tracking")
        self.erp = self.enter(ERP, "extendcommerce", generous=True, customers=("WEBSHOP",))
        self.renamed: dict[str, str] = {}

    def all(self) -> Iterator[Step]:
        """The steps in their order."""
        yield "Fill the shop and the ERP", self._fill
        yield "Connect both, as a person would", self.connect
        yield "Say what goes where: flows begin in plan mode", self._plan
        yield "Fetch the shop's orders", self._fetch
        yield "Switch the flows live and deliver, while answers get lost", self._deliver
        yield "The ERP picks and ships, some orders in two parts", self._ship
        yield "Bring products, prices and stock into the shop", self._bring
        yield "Run everything once more: nothing is left to do", self._again

    # -- steps -------------------------------------------------------------------------------------

    def _fill(self, report: Report) -> None:
        self.shop.seed(orders=self.orders, products=40, seed=self.seed)
        state = self.shop.state()
        sellable = [each for each in (*state["products"], *state["variations"]) if each.get("sku") and _sold(each)]
        self.renamed = {each["sku"]: f"ERP-{each['sku']}" for each in sellable[:1]}
        warehouse = self.erp.settings("")["warehouses"]
        self.erp.seed_products([
            {
                "productNumber": self.renamed.get(each["sku"], each["sku"]), "name": each["name"], "vatPercent": 19,
                "price": str((_money(each.get("regular_price")) / Decimal("1.19")).quantize(_CENT, ROUND_HALF_UP)),
                "currency": "EUR", "stock": {warehouse: 500 + index},
            }
            for index, each in enumerate(sellable)
        ])  # fmt: skip
        self.say(
            f"   {plural(len(state['orders']), 'order')} in the shop, {plural(len(sellable), 'article')} in the ERP; "
            f"the ERP calls {next(iter(self.renamed))} by another number, which nobody has told us."
        )

    def _plan(self, report: Report) -> None:
        self.plan([
            FlowRow(name=name, stream=stream, source=source, target=target, mode="plan")
            for name, stream, source, target in FLOWS
        ])  # fmt: skip

    def _fetch(self, report: Report) -> None:
        self.spoil(self.shop, "status", path="/orders", skip=1, status=429, headers={"Retry-After": "1"})
        self.spoil(self.shop, "truncate", path="/orders", skip=2)
        self.sync(SHOP, "orders", report)
        planned = self.app.store.effects.counts("orders").get(("orders", "planned"), 0)
        self.say(f"   {plural(planned, 'order')} would go to the ERP; nothing was sent yet")

    def _deliver(self, report: Report) -> None:
        switch_flow(self.app.bench, "orders", "live")
        self.spoil(self.erp, "cut_after", method="POST", path="CustomerOrders", skip=5, times=3)
        self.spoil(self.erp, "html", method="POST", path="CustomerOrders", skip=20)
        self.spoil(self.erp, "truncate", method="POST", path="CustomerOrders", skip=40)
        self.push("orders", report)
        for gap in self.app.store.gaps.list():
            self.say(f"   gap: {gap.waiting} orders wait because the ERP does not know the {gap.kind} {gap.value}")
        freed = add_mappings(
            self.app.bench, [("orders", "sku", shop_sku, erp_sku) for shop_sku, erp_sku in self.renamed.items()]
        )
        self.say(f"   one mapping row closes the gap: {plural(freed, 'order')} go on")
        add_mappings(
            self.app.bench,
            [
                (flow, "sku", erp_sku, shop_sku)
                for flow in ("shipments", "products", "prices", "stock")
                for shop_sku, erp_sku in self.renamed.items()
            ],
        )
        self.push("orders", report)

    def _ship(self, report: Report) -> None:
        for name in ("shipments", "products", "prices", "stock"):
            switch_flow(self.app.bench, name, "live")
        for partial in (True, False):
            picked = self.erp.pick_all(partial=partial)
            self.say(
                f"   the ERP picks {plural(len(picked), 'order')}{', as far as they go' if partial else ' to the end'}"
            )
            self.sync(ERP, "shipments", report)
            if partial:
                self.spoil(self.shop, "cut_after", method="POST", path="shipment-trackings", skip=3, times=2)
            self.push("shipments", report)

    def _bring(self, report: Report) -> None:
        for flow, stream in (("products", "products"), ("prices", "prices"), ("stock", "balance")):
            self.sync(ERP, stream, report)
            self.push(flow, report)

    def _again(self, report: Report) -> None:
        self.sync(SHOP, "orders", report)
        for stream in ("shipments", "balance"):
            self.sync(ERP, stream, report)
        before = self.writes()
        for name, *_ in FLOWS:
            self.push(name, report)
        self.rewrites = self.writes() - before
        self.say(f"   {plural(self.rewrites, 'write')} on either side")

    # -- proof -------------------------------------------------------------------------------------

    def prove(self) -> dict[str, Any]:
        """Read both sandboxes and compare; the values come from their own state, not from our store."""
        shop, erp = self.shop.state(), self.erp.state()
        checks = [
            self._orders(shop, erp),
            self._money(),
            self._stock(shop, erp),
            self._prices(shop, erp),
            self._tracking(shop, erp),
            self.calm(),
        ]
        return self.verdict(checks)

    def _orders(self, shop: dict[str, Any], erp: dict[str, Any]) -> dict[str, Any]:
        wanted = {f"{SHOP}-{each['id']}" for each in shop["orders"] if each["status"] in ("processing", "completed")}
        found: dict[str, int] = {}
        for each in erp["orders"]:
            number = each["orderHeader"]["orderNumberExternal"]
            found[number] = found.get(number, 0) + 1
        wrong = [f"missing in the ERP: {key}" for key in sorted(wanted - found.keys())]
        wrong += [f"in the ERP, not in the shop: {key}" for key in sorted(found.keys() - wanted)]
        wrong += [f"{number} times in the ERP: {key}" for key, number in sorted(found.items()) if number > 1]
        others = len(shop["orders"]) - len(wanted)
        text = f"{len(wanted)} paid orders in the shop = {len(erp['orders'])} orders in the ERP, each once"
        return check(not wrong, f"{text} ({others} others are unpaid, cancelled or refunded)", wrong)

    def _money(self) -> dict[str, Any]:
        flow = self.app.store.config.flow("orders")
        if flow is None:
            raise CrossdockError("The flow orders is gone.")
        found = reconcile(self.app.bench, flow)
        wrong = [f"{each.key}: {each.kind} {each.field} {each.expected} / {each.found}" for each in found.findings]
        return check(
            found.agrees, f"the money of {found.matched} orders is equal to the cent, read from both sides", wrong
        )

    def _stock(self, shop: dict[str, Any], erp: dict[str, Any]) -> dict[str, Any]:
        names = {erp_sku: shop_sku for shop_sku, erp_sku in self.renamed.items()}
        stock: dict[str, int] = {}
        for row in erp["availability"]:
            sku = names.get(row["productNumber"], row["productNumber"])
            stock[sku] = stock.get(sku, 0) + int(row["availableBalanceNow"])
        held = [each for each in shop["orders"] if each["status"] == "on-hold"]
        for line in (line for each in held for line in each["line_items"]):
            stock[line["sku"]] = stock.get(line["sku"], 0) - int(line["quantity"])
        wrong, compared = [], 0
        for each in (*shop["products"], *shop["variations"]):
            if each["manage_stock"] is True and each["sku"] in stock:
                compared += 1
                if each["stock_quantity"] != stock[each["sku"]]:
                    wrong.append(f"{each['sku']}: shop {each['stock_quantity']}, ERP {stock[each['sku']]}")
        text = f"the stock of {compared} SKUs is equal, less what {len(held)} orders on hold will take"
        return check(not wrong and compared > 0, text, wrong)

    def _prices(self, shop: dict[str, Any], erp: dict[str, Any]) -> dict[str, Any]:
        wrong, compared = [], 0
        net: dict[str, Decimal] = {}
        for row in erp["products"]:
            prices = [each for sales in row["productPrices"] for each in sales["productPriceListRows"]]
            if prices:
                net[row["productNumber"]] = Decimal(str(prices[0]["price"]))
        for each in (*shop["products"], *shop["variations"]):
            price = net.get(self.renamed.get(each["sku"], each["sku"]))
            if price is None or not _sold(each):
                continue
            compared += 1
            wanted = (price * _VAT).quantize(_CENT, ROUND_HALF_UP)
            if Decimal(each["regular_price"] or 0) != wanted:
                wrong.append(f"{each['sku']}: shop {each['regular_price']}, ERP {price} net is {wanted}")
        return check(not wrong and compared > 0, f"the prices of {compared} SKUs are equal, tax added", wrong)

    def _tracking(self, shop: dict[str, Any], erp: dict[str, Any]) -> dict[str, Any]:
        wrong, parcels, orders = [], 0, 0
        for each in erp["orders"]:
            header = each["orderHeader"]
            order = header["orderNumberExternal"].removeprefix(f"{SHOP}-")
            numbers = {str(number) for parcel in header.get("shipments") or [] for number in parcel["packages"]}
            told = {row["tracking_number"] for row in shop["trackings"].get(order, [])}
            orders += bool(numbers)
            parcels += len(numbers)
            if numbers != told:
                wrong.append(f"order {order}: shipped {sorted(numbers)}, the shop knows {sorted(told)}")
        return check(
            not wrong and parcels > 0,
            f"{parcels} parcels of {orders} shipped orders have their tracking in the shop",
            wrong,
        )


def _money(text: Any) -> Decimal:
    return Decimal(text) if text else Decimal("10.00")


def _sold(product: dict[str, Any]) -> bool:
    return bool(product.get("type", "variation") != "variable")
