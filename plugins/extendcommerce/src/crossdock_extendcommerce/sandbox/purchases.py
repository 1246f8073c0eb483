"""Purchase orders and return orders (vendor page section 7.6)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from crossdock_extendcommerce.sandbox.catalogue import Catalogue
from crossdock_extendcommerce.sandbox.clock import STOCKHOLM, Clock, body_date, query_date, wire_date
from crossdock_extendcommerce.sandbox.fields import JsonObject, number
from crossdock_extendcommerce.sandbox.order import quantity
from crossdock_extendcommerce.sandbox.orders import OrderBook
from crossdock_extendcommerce.sandbox.refusal import NO_ROW, Refusal, during, not_found
from crossdock_extendcommerce.sandbox.stock import Emit, Expected, Place, Stock

RETURN_ACTIONS = frozenset(("ReturnCompleteCustomerOrder", "ReturnRowsFromCustomerOrder", "ReturnProducts"))
_OPEN = frozenset(("Ordered", "PartiallyReceived"))
_LENGTHS = {"externalOrderNumber": 50, "supplierOrderNumber": 50, "reference": 100, "notes": 400}


@attrs.define
class Inbound:
    """Goods expected in: a purchase or a return, with what each position still misses."""

    number: str
    model: JsonObject
    warehouse: str
    created: datetime
    changed: datetime
    missing: dict[int, tuple[str, Decimal, datetime]] = attrs.field(factory=dict)  # product, quantity, expected at


class Inbounds:
    """The purchase orders and return orders, and the goods that stock may expect from them."""

    def __init__(self, clock: Clock, stock: Stock, catalogue: Catalogue, book: OrderBook, emit: Emit) -> None:
        self.purchases: dict[str, Inbound] = {}
        self.returns: dict[str, Inbound] = {}
        self._clock = clock
        self._stock = stock
        self._catalogue = catalogue
        self._book = book
        self._emit = emit
        self._purchase_numbers = itertools.count(101)
        self._return_numbers = itertools.count(3001)

    def create_purchase(self, body: JsonObject) -> JsonObject:
        """POST PurchaseOrders: the new PurchaseOrder. Raises `Refusal`."""
        with during("Error creating purchase order"):
            header, warehouse = self._purchase_header(body)
            rows, missing = self._purchase_rows(body)
        name, now = f"RP-{next(self._purchase_numbers)}", self._clock.now()
        model = {"header": header | {"purchaseNumber": name, "status": "Ordered"}, "rows": rows, "shipments": []}
        self.purchases[name] = Inbound(name, model, warehouse, now, now, missing)
        self._expect()
        return model

    def update_purchase(self, name: str, body: JsonObject) -> None:
        """PUT PurchaseOrders: header fields and expected dates of rows; open ones only. Raises `Refusal`."""
        purchase = self._purchase(name)
        with during("Error updating purchase order"):
            header = purchase.model["header"]
            if header["status"] not in _OPEN:
                raise Refusal(f"Purchase order {name} is {header['status']} and can not be changed.")
            fields = ("externalOrderNumber", "supplierOrderNumber", "reference", "notes")
            header |= {key: (body.get("header") or {})[key] for key in fields if (body.get("header") or {}).get(key)}
            _check_lengths(header)
            for given in body.get("rows") or []:
                position = int(number(given.get("position")) or 0)
                if position in purchase.missing and given.get("expectedDeliveryDate"):
                    product, left, _ = purchase.missing[position]
                    expected = body_date(given["expectedDeliveryDate"])
                    purchase.missing[position] = (product, left, expected)
                    row = next(row for row in purchase.model["rows"] if row["position"] == position)
                    row["expectedDeliveryDate"] = wire_date(expected)
        purchase.changed = self._clock.now()
        self._expect()

    def purchase(self, name: str) -> JsonObject:
        """GET one PurchaseOrder. Raises `Refusal`: this resource answers an unknown number with a 400."""
        return self._purchase(name).model

    def find_purchases(self, query: Mapping[str, str]) -> list[JsonObject]:
        """The purchase orders that the filters leave.

        The change-date filter looks at whole days only (quirk 3): a changeDateTo of today leaves out today.
        """
        since, until = _midnight(query.get("changedatefrom")), _midnight(query.get("changedateto"))
        found = _filtered(
            self.purchases,
            query,
            {
                "purchasenumber": "purchaseNumber",
                "warehouse": "warehouse",
                "externalordernumber": "externalOrderNumber",
                "supplierordernumber": "supplierOrderNumber",
            },
        )
        return [
            each.model
            for each in found
            if (since is None or each.changed >= since) and (until is None or each.changed <= until)
        ]

    def receive_purchase(self, name: str, quantities: Mapping[int, Decimal] | None) -> JsonObject:
        """Goods of a purchase came in (all of it by default). Raises `ValueError`."""
        if name not in self.purchases:
            raise ValueError(f"There is no purchase order {name}.")
        purchase = self.purchases[name]
        self._receive(purchase, quantities)
        open_left = bool(purchase.missing)
        purchase.model["header"]["status"] = "PartiallyReceived" if open_left else "Received"
        trigger = "PurchasePartiallyDelivered" if open_left else "PurchaseDelivered"
        self._emit(trigger, [{"OrderNumber": name, "Warehouse": purchase.warehouse}])
        self._stock.settle()
        return purchase.model

    def cancel_purchase(self, name: str) -> JsonObject:
        """The purchase was cancelled. Raises `ValueError`."""
        if name not in self.purchases or self.purchases[name].model["header"]["status"] not in _OPEN:
            raise ValueError(f"There is no open purchase order {name}.")
        purchase = self.purchases[name]
        purchase.missing.clear()
        purchase.changed = self._clock.now()
        purchase.model["header"]["status"] = "Cancelled"
        self._expect()
        self._emit("PurchaseCancelled", [{"OrderNumber": name, "Warehouse": purchase.warehouse}])
        return purchase.model

    def create_return(self, body: JsonObject) -> JsonObject:
        """POST ReturnOrders: the new ReturnOrder. Raises `Refusal`."""
        with during("Error creating return order"):
            action = body.get("createAction") or {}
            if action.get("action") not in RETURN_ACTIONS:
                raise Refusal("createAction.action is required.")
            given = body.get("header") or {}
            warehouse = self._stock.check_warehouse(given.get("warehouse") or self._stock.default_warehouse)
            rows = self._return_rows(action, body)
        name, now = f"R-{next(self._return_numbers)}", self._clock.now()
        header = {
            **given,
            "returnNumber": name,
            "warehouse": warehouse,
            "status": "Ordered",
            "referenceOrderNumber": action.get("orderNumber"),
            "createDate": wire_date(now, name),
        }
        model = {"createAction": action, "header": header, "rows": rows}
        missing = {
            row["position"]: (row["productNumber"], Decimal(str(row["quantity"])), now + timedelta(days=7))
            for row in rows
        }
        self.returns[name] = Inbound(name, model, warehouse, now, now, missing)
        self._expect()
        return model

    def return_order(self, name: str) -> JsonObject:
        """GET one ReturnOrder. Raises `Refusal` (404)."""
        if name not in self.returns:
            raise not_found()
        return self.returns[name].model

    def find_returns(self, query: Mapping[str, str]) -> list[JsonObject]:
        """The return orders that the filters leave."""
        found = _filtered(
            self.returns,
            query,
            {
                "returnnumber": "returnNumber",
                "warehouse": "warehouse",
                "referenceordernumber": "referenceOrderNumber",
                "customernumber": "customerNumber",
            },
        )
        return [each.model for each in found]

    def receive_return(self, name: str) -> JsonObject:
        """The goods of a return came in. Raises `ValueError`."""
        if name not in self.returns:
            raise ValueError(f"There is no return order {name}.")
        inbound = self.returns[name]
        self._receive(inbound, None)
        inbound.model["header"]["status"] = "Received"
        self._stock.settle()
        return inbound.model

    def _purchase(self, name: str) -> Inbound:
        if name not in self.purchases:
            raise Refusal(f"Error getting purchase order: {NO_ROW}")
        return self.purchases[name]

    def _purchase_header(self, body: JsonObject) -> tuple[JsonObject, str]:
        header = dict(body.get("header") or {})
        warehouse = self._stock.check_warehouse(header.get("warehouse") or self._stock.default_warehouse)
        if (header.get("supplier") or {}).get("supplierAgreementNumber") is None:
            raise Refusal("header.supplier.supplierAgreementNumber is required.")
        _check_lengths(header)
        return header | {"warehouse": warehouse}, warehouse

    def _purchase_rows(self, body: JsonObject) -> tuple[list[JsonObject], dict[int, tuple[str, Decimal, datetime]]]:
        rows: list[JsonObject] = []
        missing: dict[int, tuple[str, Decimal, datetime]] = {}
        for index, given in enumerate(body.get("rows") or [], start=1):
            position = int(number(given.get("position")) or index * 10)
            product = self._catalogue.get(str(given.get("productNumber"))).number
            amount = number((given.get("purchaseDataProductUnit") or {}).get("quantity"))
            if not amount:
                raise Refusal("purchaseDataProductUnit.quantity is required.")
            date = given.get("expectedDeliveryDate")
            expected = body_date(date) if date else self._clock.now() + timedelta(days=14)
            missing[position] = (product, Decimal(str(amount)), expected)
            filled = {"position": position, "rowStatus": "Ordered", "expectedDeliveryDate": wire_date(expected)}
            rows.append({"supplierProductNumber": None, **given, **filled})
        if not rows:
            raise Refusal("rows is required.")
        return rows, missing

    def _return_rows(self, action: JsonObject, body: JsonObject) -> list[JsonObject]:
        if action["action"] == "ReturnProducts":
            return [
                {
                    "position": index * 10,
                    "subPosition": 0,
                    "productNumber": self._catalogue.get(str(row.get("productNumber"))).number,
                    "quantity": number(row.get("quantity")) or 0.0,
                    "returnCode": row.get("returnCode") or action.get("returnCode"),
                }
                for index, row in enumerate(body.get("rows") or [], start=1)
            ]
        order = self._book.orders.get(str(action.get("orderNumber")))
        if order is None:
            raise Refusal(f"Order {action.get('orderNumber')} does not exist.")
        shipped = {(row["position"], row["subPosition"]): row for row in order.rows if row["shipmentNumber"]}
        asked: list[JsonObject] = action.get("orderRows") or []
        if action["action"] == "ReturnCompleteCustomerOrder":
            asked = [{"position": position, "subPosition": sub} for position, sub in shipped]
        rows = []
        for each in asked:
            place = (each.get("position"), each.get("subPosition") or 0)
            if place not in shipped:
                raise Refusal(f"Order {order.number} has no delivered row {place[0]}/{place[1]}.")
            sold = float(quantity(shipped[place]))
            wanted = number(each.get("quantity")) or sold
            if wanted > sold:
                raise Refusal(f"Row {place[0]}/{place[1]} was delivered with {sold}, not {wanted}.")
            rows.append(
                {
                    "position": place[0],
                    "subPosition": place[1],
                    "productNumber": shipped[place]["product"]["productNumber"],
                    "quantity": wanted,
                    "returnCode": each.get("returnCode") or action.get("returnCode"),
                }
            )
        return rows

    def _receive(self, inbound: Inbound, quantities: Mapping[int, Decimal] | None) -> None:
        for position, (product, left, expected) in list(inbound.missing.items()):
            came = left if quantities is None else min(left, quantities.get(position, Decimal(0)))
            self._stock.change(product, inbound.warehouse, physical=came)
            if came == left:
                del inbound.missing[position]
            else:
                inbound.missing[position] = (product, left - came, expected)
        inbound.changed = self._clock.now()
        self._expect()

    def _expect(self) -> None:
        expected: dict[Place, list[Expected]] = {}
        for source, inbounds in (("purchase", self.purchases), ("return", self.returns)):
            for inbound in inbounds.values():
                for product, left, date in inbound.missing.values():
                    expected.setdefault((product, inbound.warehouse), []).append(Expected(left, date, source))
        self._stock.expected = expected


def _midnight(text: str | None) -> datetime | None:
    if not text:
        return None
    return query_date(text).astimezone(STOCKHOLM).replace(hour=0, minute=0, second=0, microsecond=0)


def _filtered(inbounds: Mapping[str, Inbound], query: Mapping[str, str], columns: Mapping[str, str]) -> list[Inbound]:
    since = query_date(query["createdatefrom"]) if query.get("createdatefrom") else None
    until = query_date(query["createdateto"]) if query.get("createdateto") else None
    return [
        each
        for each in inbounds.values()
        if (since is None or each.created >= since)
        and (until is None or each.created <= until)
        and all(each.model["header"].get(columns[name]) == query[name] for name in columns if query.get(name))
        and query.get("isopen", "").lower() in ("", str(bool(each.missing)).lower())
        and query.get("isreceived", "").lower() in ("", str(each.model["header"]["status"] == "Received").lower())
    ]


def _check_lengths(header: JsonObject) -> None:
    for name, longest in _LENGTHS.items():
        if len(header.get(name) or "") > longest:
            raise Refusal(f"{name} is longer than {longest} characters.")
