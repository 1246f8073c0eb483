"""The order book: what the CustomerOrders methods do (vendor page sections 6, 7.1 and 9)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from crossdock_extendcommerce.sandbox.catalogue import Catalogue, Product
from crossdock_extendcommerce.sandbox.clock import STOCKHOLM, Clock, body_date, query_date, wire_date
from crossdock_extendcommerce.sandbox.customers import Customer, Customers
from crossdock_extendcommerce.sandbox.fields import (
    HEADER,
    ORDER_STATUSES,
    ROW,
    STOCKED,
    JsonObject,
    check_header,
    check_row,
    keep,
    number,
)
from crossdock_extendcommerce.sandbox.order import (
    Order,
    delivery_data,
    delivery_dates,
    holdings,
    is_goods,
    list_row,
    product_part,
    row_id,
    sales_data,
)
from crossdock_extendcommerce.sandbox.refusal import SQL_TIMEOUT, Refusal, during, not_found
from crossdock_extendcommerce.sandbox.stock import Emit, Stock

UNITS = {"ST": "Styck", "FP": "Förpackning", "KG": "Kilogram", "M": "Meter", "PCS": "Pieces"}
_LEAD_TIME_HOURS = 120.0


class OrderBook:
    """All orders, by number and by the caller's own number."""

    def __init__(
        self,
        clock: Clock,
        stock: Stock,
        catalogue: Catalogue,
        customers: Customers,
        emit: Emit,
        *,
        partial_delivery: bool = True,
        first_number: int = 7004512,
    ) -> None:
        self.orders: dict[str, Order] = {}
        self._by_external: dict[str, list[Order]] = {}
        self._clock = clock
        self._stock = stock
        self._catalogue = catalogue
        self._customers = customers
        self._emit = emit
        self._partial_delivery = partial_delivery
        self._numbers = itertools.count(first_number)

    def get(self, order_number: str) -> Order:
        """The order. Raises `Refusal` (404)."""
        if order_number not in self.orders:
            raise not_found()
        return self.orders[order_number]

    def by_external(self, external: str) -> list[Order]:
        """Every order posted under the caller's number: the vendor does not refuse a second one."""
        return self._by_external.get(external, [])

    def copy(self, order_number: str) -> Order:
        """Somebody copies an order, its external number included; the copy is new."""
        order = copy.deepcopy(self.get(order_number))
        order.number, order.shipments, order.changed = str(next(self._numbers)), [], self._clock.now()
        self.orders[order.number] = order
        self._by_external.setdefault(order.external, []).append(order)
        return order

    def drop(self, order_number: str) -> None:
        """Take an order out of the book, as if it had never been there."""
        order = self.orders.pop(order_number)
        if order.external:
            self._by_external[order.external].remove(order)

    def available_to_promise(self, body: JsonObject) -> Order:
        """POST CustomerOrderATP: the order as it would be; nothing is stored. Raises `Refusal`."""
        with during("Error checking order"):
            order = self._draft(body)
        for row in order.rows:
            row |= {"availableBalance": None, "minSupplierLeadTimeHours": None}
            if is_goods(row) and row["warehouse"]:
                balance = self._stock.balance(row["product"]["productNumber"], row["warehouse"])
                enough = Decimal(str(row["salesData"]["quantity"])) <= balance.available
                row["availableBalance"] = balance.available
                row["minSupplierLeadTimeHours"] = _LEAD_TIME_HOURS
                row["allocationStatus"] = "Physical" if enough else "NotAllocated"
                if not enough:
                    row |= delivery_dates(order.asked + timedelta(hours=_LEAD_TIME_HOURS))
        return order

    def create(self, body: JsonObject) -> Order:
        """POST CustomerOrders: a new order, also when its external number was seen before. Raises `Refusal`."""
        with during("Error creating order"):
            order = self._draft(body)
        order.number = str(next(self._numbers))
        order.changed = self._clock.now()
        order.status = "PendingForReview" if order.header.get("reviewReasonNotes") else "Incoming"
        for row in order.rows:
            row["orderRowStatus"] = order.status if row["rowOperation"] == "Active" else "Annulled"
            row["orderRowId"] = row_id(order.number, row["position"], row["subPosition"])
        self.hold([], order.rows)
        self._allocate(order.rows)
        self.orders[order.number] = order
        if order.external:
            self._by_external.setdefault(order.external, []).append(order)
        self._emit("OrderCreated", [{"OrderNumber": order.number}])
        self._stock.settle()
        return order

    def update(self, order_number: str, body: JsonObject) -> None:
        """PUT CustomerOrders: what the body leaves out stays; rows are found by position *and* warehouse.

        A row whose warehouse is missing is not found and is added as a new row, cancelled if it says so
        (vendor page section 7.1). Raises `Refusal`.
        """
        order = self.get(order_number)
        with during("Error updating order"):
            if order.frozen:
                raise Refusal(f"Order {order_number} is {order.status} and can not be changed.")
            posted, posted_rows = _parts(body, rows_needed=False)
            changes = {name: value for name, value in posted.items() if value is not None}
            header = order.header | changes
            check_header(header)
            customer = self._customers.get(header["customerNumber"])
            asked = body_date(changes["askedDeliveryDate"]) if "askedDeliveryDate" in changes else order.asked
            rows = copy.deepcopy(order.rows)
            for given in posted_rows:
                check_row(given, header)
                self._change_row(rows, given, order, asked, customer)
        if asked != order.asked:
            for row in rows:
                row |= delivery_dates(asked)
            self._emit("OrderDeliveryDataChanged", [{"OrderNumber": order_number}])
        self._index(order, header)
        self.hold(order.rows, rows)
        self._allocate(rows)
        order.header, order.rows, order.asked = header, sorted(rows, key=_place_in_order), asked
        self.stamp(order, [row for row in order.rows if row["changeDate"] is None])
        self._stock.settle()
        if order.rows and all(row["rowOperation"] == "Inactive" for row in order.rows):
            self.annul(order)

    def delete(self, order_number: str) -> None:
        """DELETE CustomerOrders: the order is annulled and can still be read. Raises `Refusal`."""
        order = self.get(order_number)
        if order.frozen:
            raise Refusal(f"Error deleting order: Order {order_number} is {order.status} and can not be changed.")
        self.annul(order)

    def annul(self, order: Order) -> None:
        """Cancel what is left of the order and give its goods back."""
        before = copy.deepcopy(order.rows)
        for row in order.rows:
            if row["orderRowStatus"] != "Picked":
                row["rowOperation"], row["orderRowStatus"] = "Inactive", "Annulled"
        self.hold(before, order.rows)
        order.status = "Annulled"
        self.stamp(order, order.rows)
        self._emit("OrderCancelled", [{"OrderNumber": order.number}])
        self._stock.settle()

    def stamp(self, order: Order, rows: Iterable[JsonObject] = ()) -> None:
        """The order, and these of its rows, changed now."""
        order.changed = self._clock.now()
        for row in rows:
            row["changeDate"] = wire_date(order.changed, str(row["orderRowId"]))

    def list_row(self, order: Order) -> JsonObject:
        """The CustomerOrderListItem of an order."""
        customer = self._customers.known.get(order.header["customerNumber"])
        return list_row(order, str(customer.model["name"]) if customer else "")

    def search(self, query: Mapping[str, str]) -> list[Order]:
        """GET CustomerOrders: the orders that the filters leave, in the order of their numbers.

        Without modifiedDateFrom, orderDateFrom or a number the database times out (quirk 1). Raises `Refusal`.
        """
        status = query.get("orderstatus")
        if status and status not in ORDER_STATUSES:
            raise Refusal("The request is invalid.")
        changed = query_date(query["modifieddatefrom"]) if query.get("modifieddatefrom") else None
        since = query_date(query["orderdatefrom"]) if query.get("orderdatefrom") else None
        until = query_date(query["orderdateto"]) if query.get("orderdateto") else None
        asked = query_date(query["askeddeliverydate"]) if query.get("askeddeliverydate") else None
        chosen: Iterable[Order]
        if query.get("ordernumber"):
            found = self.orders.get(query["ordernumber"])
            chosen = [found] if found else []
        elif query.get("ordernumberexternal"):
            chosen = self.by_external(query["ordernumberexternal"])
        elif changed is None and since is None:
            raise Refusal(f"Error getting customer order list: {SQL_TIMEOUT}")
        else:
            chosen = self.orders.values()
        external = query.get("ordernumberexternal")
        others = {name: query[name] for name in _FILTERS if query.get(name)}
        return [
            order
            for order in chosen
            if (changed is None or (order.changed is not None and order.changed >= changed))
            and (since is None or order.ordered >= since)
            and (until is None or order.ordered <= until)
            and (asked is None or _day(order.asked) == _day(asked))
            and (not status or order.status == status)
            and (not external or order.external == external)
            and (not others or self._passes(order, others))
        ]

    def _passes(self, order: Order, wanted: Mapping[str, str]) -> bool:
        columns: dict[str, set[str]] = {
            "customernumber": {order.header["customerNumber"]},
            "deliverycountrycode": {str(order.header["deliveryAddress"].get("countryCode"))},
            "productnumber": {row["product"]["productNumber"] for row in order.rows},
            "productname": {str(row["product"]["productName"]) for row in order.rows},
            "supplymode": {row["supplyMode"] for row in order.rows},
            "warehouse": {str(row["warehouse"]) for row in order.rows},
            "shippingnumber": {each["shipmentNumber"] for each in order.shipments},
            "customername": {self.list_row(order)["customerName"]},
            "invoicenumber": set(),
        }
        return all(value in columns[name] for name, value in wanted.items())

    def _draft(self, body: JsonObject) -> Order:
        header, posted_rows = _parts(body, rows_needed=True)
        check_header(header)
        customer = self._customers.get(header.get("customerNumber"))
        now = self._clock.now()
        asked = body_date(header["askedDeliveryDate"]) if header.get("askedDeliveryDate") else now + timedelta(days=1)
        ordered = body_date(header["orderDate"]) if header.get("orderDate") else now
        header["partialDelivery"] = next(
            each
            for each in (header.get("partialDelivery"), customer.partial_delivery, self._partial_delivery)
            if each is not None
        )
        header["deliveryAddress"] = header.get("deliveryAddress") or _delivery_address(customer)
        header["invoiceAddress"] = header.get("invoiceAddress") or _invoice_address(customer)
        order = Order(None, "Created", ordered, asked, header, [])
        for given in posted_rows:
            check_row(given, header)
            position = _position(given) or _next_position(order.rows)
            if any(row["position"] == position for row in order.rows):
                raise Refusal(f"Position {position} occurs more than once.")
            order.rows.append(self._row(given, position, asked, customer))
        order.rows.sort(key=_place_in_order)
        for row in order.rows:
            row["changeDate"] = wire_date(now, row["product"]["productNumber"])
        return order

    def _row(self, given: JsonObject, position: int, asked: datetime, customer: Customer) -> JsonObject:
        product = self._catalogue.get(str(given["product"]["productNumber"]))
        if "NonOrderable" in product.handlings:
            raise Refusal(f"Product {product.number} can not be ordered.")
        sales = self._sales(given["salesData"], product, customer)
        mode = given.get("supplyMode") or product.supply_mode
        warehouse = given.get("warehouse")
        if warehouse is not None:
            self._stock.check_warehouse(warehouse)
        elif mode in STOCKED:
            warehouse = self._stock.default_warehouse
        operation = given.get("rowOperation") or "Active"
        row = {
            "position": position,
            "subPosition": 0,
            "rowOperation": operation,
            "orderRowStatus": "Created",
            "product": product_part(given["product"], product.name),
            "salesData": sales,
            "supplyMode": mode,
            "batchNumber": given.get("batchNumber"),
            "warehouse": warehouse,
            **delivery_dates(asked),
            "deliveryData": delivery_data(sales),
            "shipmentNumber": None,
            "allocationStatus": "Physical",
            "backOrderHandlingId": given.get("backOrderHandlingId") or "BOASAP",
            "orderRowId": row_id(None, position, 0),
            "changeDate": None,
        }
        for name in ("shipDate", "expectedDeliveryDate"):
            if given.get(name):
                row[name] = wire_date(body_date(given[name]))
        return row | {name: value for name, value in given.items() if name not in row}

    def _sales(self, given: JsonObject, product: Product, customer: Customer) -> JsonObject:
        if given["unit"] not in UNITS:
            raise Refusal(f"Unit {given['unit']} does not exist.")
        amount = Decimal(str(number(given["quantity"])))
        stated = number(given.get("unitPrice"))  # taken exactly as the caller states it
        listed = number(given.get("listPrice"))
        percent = number(given.get("vatPercent"))
        return sales_data(
            {
                "quantity": amount,
                "unit": given["unit"],
                "unitPrice": product.unit_price(amount, customer.discount) if stated is None else stated,
                "vatPercent": product.vat_percent if percent is None else percent,
                "currency": given.get("currency") or product.currency,
                "unitExplicitCost": number(given.get("unitExplicitCost")),
                "listPrice": product.price if listed is None else listed,
            }
        )

    def _change_row(
        self, rows: list[JsonObject], given: JsonObject, order: Order, asked: datetime, customer: Customer
    ) -> None:
        position, sub, warehouse = _position(given), given.get("subPosition") or 0, given.get("warehouse")
        place = (position, sub, warehouse)
        found = next(
            (each for each in rows if (each["position"], each["subPosition"], each["warehouse"]) == place), None
        )
        if position is None or (found is None and any(row["position"] == position for row in rows)):
            position = _next_position(rows)
        row = self._row(_over(found or {}, given), position, asked, customer)
        row["orderRowStatus"] = "Annulled" if row["rowOperation"] == "Inactive" else order.status
        if found is None:
            row["orderRowId"] = row_id(order.number, position, 0)
            rows.append(row)
            return
        kept = {name: found[name] for name in ("subPosition", "orderRowId")}
        found.update({name: value for name, value in row.items() if value is not None} | kept)
        found["changeDate"] = None

    def hold(self, before: Iterable[JsonObject], after: Iterable[JsonObject]) -> None:
        """Promise what `after` holds instead of what `before` held; `Stock.settle` makes it known."""
        held, wanted = holdings(before), holdings(after)
        for product, warehouse in {**held, **wanted}:
            place = (product, warehouse)
            self._stock.change(product, warehouse, ordered=wanted.get(place, Decimal(0)) - held.get(place, Decimal(0)))

    def _allocate(self, rows: Iterable[JsonObject]) -> None:
        for row in rows:
            if row["supplyMode"] in STOCKED and row["warehouse"]:
                row["allocationStatus"] = self._stock.allocation(row["product"]["productNumber"], row["warehouse"])

    def _index(self, order: Order, header: JsonObject) -> None:
        external = str(header.get("orderNumberExternal") or "")
        if external != order.external:
            if order.external:
                self._by_external[order.external].remove(order)
            if external:
                self._by_external.setdefault(external, []).append(order)


_FILTERS = (
    "customernumber",
    "deliverycountrycode",
    "productnumber",
    "productname",
    "supplymode",
    "warehouse",
    "shippingnumber",
    "customername",
    "invoicenumber",
)


def _parts(body: JsonObject, *, rows_needed: bool) -> tuple[JsonObject, list[JsonObject]]:
    if not isinstance(body.get("orderHeader"), dict):
        raise Refusal("orderHeader is required.")
    rows = body.get("orderRows") or []
    if rows_needed and not rows:
        raise Refusal("orderRows is required.")
    kept: list[JsonObject] = keep([ROW], rows)
    return keep(HEADER, body["orderHeader"]), kept


def _position(given: JsonObject) -> int | None:
    position = number(given.get("position"))
    return int(position) if position else None


def _next_position(rows: Iterable[JsonObject]) -> int:
    return max((int(row["position"]) for row in rows), default=0) // 10 * 10 + 10


def _over(found: JsonObject, given: JsonObject) -> JsonObject:
    """`given` over the row that is there: what a change leaves out stays, prices above all."""
    if (found.get("product") or {}).get("productNumber") != given["product"]["productNumber"]:
        return given
    merged = {name: found[name] for name in ROW if name in found}
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = merged[name] | {key: each for key, each in value.items() if each is not None}
        elif value is not None:
            merged[name] = value
    return merged


def _place_in_order(row: JsonObject) -> tuple[int, int]:
    return row["position"], row["subPosition"]


def _day(moment: datetime) -> str:
    return moment.astimezone(STOCKHOLM).date().isoformat()


def _delivery_address(customer: Customer) -> JsonObject:
    place = customer.address
    return {"name1": customer.model["name"], "countryCode": place.get("country")} | {
        name: place.get(name) for name in ("address1", "address2", "address3", "postalCode", "city", "state")
    }


def _invoice_address(customer: Customer) -> JsonObject:
    part = customer.model["customerInvoiceAddress"] or {}
    place = part.get("address") or customer.address
    return {"name": part.get("name") or customer.model["name"], "countryCode": place.get("country")} | {
        name: place.get(name) for name in ("address1", "address2", "address3", "postalCode", "city", "state")
    }
