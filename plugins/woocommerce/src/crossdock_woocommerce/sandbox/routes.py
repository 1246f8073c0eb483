"""The paths of wc/v3 and its neighbours, each with its methods, its checks and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs

from crossdock_woocommerce.sandbox import listing, orders, products, reference, refunds, schema, tracking
from crossdock_woocommerce.sandbox.shop import Shop
from crossdock_woocommerce.sandbox.webhooks import SCHEMA as WEBHOOK_SCHEMA
from crossdock_woocommerce.sandbox.webhooks import Webhooks
from crossdock_woocommerce.sandbox.wire import Answer, ApiError, Call, Json, invalid_id

__all__ = ["DENIED", "Endpoint", "Routes"]

Handler = Callable[..., Answer]

DENIED = {
    "list": ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources."),
    "view": ("woocommerce_rest_cannot_view", "Sorry, you cannot view this resource."),
    "create": ("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources."),
    "edit": ("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource."),
    "delete": ("woocommerce_rest_cannot_delete", "Sorry, you are not allowed to delete this resource."),
    "batch": ("woocommerce_rest_cannot_batch", "Sorry, you are not allowed to batch manipulate this resource."),
}
"""What is said to a caller that is nobody (401) or lacks the rights (403), by what it wanted."""

LIMIT = 100  # items of create, update and delete together in one batch


@attrs.frozen
class Endpoint:
    """One method of one path. `action` is what the caller needs the right for; "" is open to all."""

    handler: Handler
    action: str
    schema: schema.Schema = attrs.field(factory=dict)
    required: tuple[str, ...] = ()


_EDIT = ("POST", "PUT", "PATCH")


class Routes:
    """The route table of one shop; what its version or its plugins do not have is not in it."""

    def __init__(self, shop: Shop, webhooks: Webhooks) -> None:
        self.shop = shop
        self.webhooks = webhooks
        self._table: list[tuple[re.Pattern[str], Mapping[str, Endpoint]]] = []
        self._orders()
        self._refunds_and_notes()
        self._products()
        self._hooks()
        self._reference()
        self._tracking()

    def find(self, path: str) -> tuple[Mapping[str, Endpoint], tuple[str, ...]]:
        """The methods of a path and the identifiers in it.

        Raises:
            ApiError: 404 ``rest_no_route``.
        """
        wanted = re.sub(r"^wc/v[12](?=/)", "wc/v3", path.strip("/"))
        for pattern, methods in self._table:
            match = pattern.fullmatch(wanted)
            if match is not None:
                return methods, match.groups()
        raise no_route()

    def _add(self, path: str, **methods: Endpoint) -> None:
        edits = methods.pop("EDIT", None)
        table = methods | (dict.fromkeys(_EDIT, edits) if edits else {})
        order = ("GET", "POST", "PUT", "PATCH", "DELETE")
        pattern = path.replace("#", r"(\d+)")
        prefix = "" if path.startswith("wc-") else "wc/v3/"
        self._table.append((re.compile(prefix + pattern), {name: table[name] for name in order if name in table}))

    # orders

    def _orders(self) -> None:
        shop, body = self.shop, orders.order_schema(self.shop)
        self._add(
            "orders",
            GET=Endpoint(lambda call: self._order_list(call), "list", listing.list_schema(shop, "orders")),
            POST=Endpoint(lambda call: self._made(orders.create(shop, call.body), "orders"), "create", body),
        )
        if shop.since("9.6"):
            self._add("orders/statuses", GET=Endpoint(lambda call: Answer(reference.statuses(shop)), "list"))
        self._add(
            "orders/batch",
            EDIT=Endpoint(
                lambda call: self._batch(
                    call,
                    lambda item: orders.create(shop, item),
                    lambda key, item: orders.update(shop, key, item),
                    lambda key: orders.delete(shop, key, force=True),
                ),
                "batch",
            ),
        )
        self._add(
            "orders/#",
            GET=Endpoint(self._order, "view", {"dp": schema.integer()}),
            EDIT=Endpoint(lambda call, key: Answer(orders.update(shop, int(key), call.body)), "edit", body),
            DELETE=Endpoint(
                lambda call, key: Answer(orders.delete(shop, int(key), force=_force(call))),
                "delete",
                {"force": schema.boolean},
            ),
        )

    def _order_list(self, call: Call) -> Answer:
        if call.path.startswith("wc/v1/") and self.shop.hpos:
            return Answer([])  # measured: v1 knows posts only and sees none
        return listing.order_page(self.shop, call)

    def _order(self, call: Call, key: str) -> Answer:
        if int(key) not in self.shop.orders:
            raise invalid_id("shop_order")
        return Answer(listing.show_order(self.shop, self.shop.orders.load(int(key)), call.params))

    def _made(self, value: Json, collection: str) -> Answer:
        place = f"{value['_links']['self'][0]['href']}" if "_links" in value else collection
        return Answer(value, 201, headers={"Location": place})

    def _refunds_and_notes(self) -> None:
        shop = self.shop
        self._add(
            "orders/#/refunds",
            GET=Endpoint(
                lambda call, key: listing.page(
                    call, self._of_order(key, refunds.of_order), lambda each: refunds.view(shop, each)
                ),
                "list",
                listing.list_schema(shop, "refunds"),
            ),
            POST=Endpoint(
                lambda call, key: self._made(refunds.create(shop, int(key), call.body), "refunds"),
                "create",
                refunds.SCHEMA,
            ),
        )
        self._add(
            "orders/#/refunds/#",
            GET=Endpoint(lambda call, key, each: Answer(self._refund(key, each)), "view"),
            DELETE=Endpoint(
                lambda call, key, each: Answer(refunds.delete(shop, int(key), int(each), force=_force(call))),
                "delete",
                {"force": schema.boolean},
            ),
        )
        if shop.since("9.0"):
            self._add("refunds", GET=Endpoint(self._all_refunds, "list", listing.list_schema(shop, "refunds")))
        self._add(
            "orders/#/notes",
            GET=Endpoint(
                lambda call, key: Answer(self._notes(call, key)),
                "list",
                {
                    "type": schema.one_of("any", "customer", "internal"),
                },
            ),
            POST=Endpoint(
                self._add_note, "create", {"note": schema.string, "customer_note": schema.boolean}, ("note",)
            ),
        )
        self._add(
            "orders/#/notes/#",
            GET=Endpoint(lambda call, key, each: Answer(self._note(key, each)), "view"),
            DELETE=Endpoint(self._drop_note, "delete", {"force": schema.boolean}),
        )

    def _of_order(self, key: str, rows: Callable[[Shop, int], list[int]]) -> list[int]:
        if int(key) not in self.shop.orders:
            raise invalid_id("shop_order")
        return rows(self.shop, int(key))

    def _refund(self, key: str, each: str) -> Json:
        if int(each) not in self._of_order(key, refunds.of_order):
            raise invalid_id("shop_order_refund")
        return refunds.view(self.shop, int(each))

    def _all_refunds(self, call: Call) -> Answer:
        _, created = listing.windows(self.shop, call.params)
        rows = sorted(self.shop.refunds.items(), key=lambda pair: (pair[1].created, pair[0]), reverse=True)
        keys = [key for key, row in rows if created.holds(row.created)]
        return listing.page(call, keys, lambda key: refunds.view(self.shop, key, parent=True))

    def _notes(self, call: Call, key: str) -> list[Json]:
        self._of_order(key, lambda shop, order_id: [])
        kind = call.params.get("type", "any")
        rows = [
            note
            for note in self.shop.notes.get(int(key), [])
            if kind == "any" or note["customer_note"] == (kind == "customer")
        ]
        rows.sort(key=lambda note: note["id"])
        rows.sort(key=lambda note: str(note["date_created_gmt"]), reverse=True)
        return [reference.note_view(int(key), note) for note in rows]

    def _note(self, key: str, each: str) -> Json:
        for note in self.shop.notes.get(int(key), []):
            if note["id"] == int(each):
                return reference.note_view(int(key), note)
        raise ApiError("woocommerce_rest_invalid_id", "Invalid resource ID.", 404)

    def _add_note(self, call: Call, key: str) -> Answer:
        self._of_order(key, lambda shop, order_id: [])
        note = self.shop.note(int(key), call.params["note"], customer=bool(call.params.get("customer_note")))
        return self._made(reference.note_view(int(key), note), "notes")

    def _drop_note(self, call: Call, key: str, each: str) -> Answer:
        note = self._note(key, each)
        if not _force(call):
            raise ApiError("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
        self.shop.notes[int(key)] = [row for row in self.shop.notes[int(key)] if row["id"] != int(each)]
        return Answer(note)

    # products

    def _products(self) -> None:
        shop, body = self.shop, products.product_schema(self.shop)
        forced = {"force": schema.boolean}
        filters = listing.list_schema(shop, "products")
        narrow = {name: rule for name, rule in filters.items() if name != "type"}
        self._add(
            "products",
            GET=Endpoint(lambda call: listing.product_page(shop, call), "list", filters),
            POST=Endpoint(lambda call: self._made_product(products.create(shop, call.body)), "create", body),
        )
        self._add("products/batch", EDIT=Endpoint(lambda call: self._product_batch(call, 0), "batch"))
        self._add(
            "products/#",
            GET=Endpoint(lambda call, key: Answer(products.product_view(shop, products.find(shop, int(key)))), "view"),
            EDIT=Endpoint(lambda call, key: self._shown(products.update(shop, int(key), call.body)), "edit", body),
            DELETE=Endpoint(
                lambda call, key: Answer(products.delete(shop, int(key), force=_force(call))), "delete", forced
            ),
        )
        self._add(
            "products/#/variations",
            GET=Endpoint(lambda call, key: listing.product_page(shop, call, parent=int(key)), "list", narrow),
            POST=Endpoint(
                lambda call, key: self._made_product(products.create(shop, call.body, int(key))), "create", body
            ),
        )
        self._add(
            "products/#/variations/batch", EDIT=Endpoint(lambda call, key: self._product_batch(call, int(key)), "batch")
        )
        self._add(
            "products/#/variations/#",
            GET=Endpoint(lambda call, key, each: self._shown(products.find(shop, int(each), int(key))), "view"),
            EDIT=Endpoint(
                lambda call, key, each: self._shown(products.update(shop, int(each), call.body, int(key))), "edit", body
            ),
            DELETE=Endpoint(
                lambda call, key, each: Answer(products.delete(shop, int(each), int(key), force=_force(call))),
                "delete",
                forced,
            ),
        )
        if shop.since("10.3"):
            self._add(
                "variations",
                GET=Endpoint(lambda call: listing.product_page(shop, call, variations=True), "list", narrow),
            )

    def _shown(self, product: Json) -> Answer:
        return Answer(products.view(self.shop, product))

    def _made_product(self, product: Json) -> Answer:
        return self._made(products.view(self.shop, product), "products")

    def _product_batch(self, call: Call, parent: int) -> Answer:
        shop = self.shop
        return self._batch(
            call,
            lambda item: products.view(shop, products.create(shop, item, parent)),
            lambda key, item: products.view(shop, products.update(shop, key, item, parent)),
            lambda key: products.delete(shop, key, parent, force=True),
        )

    def _batch(
        self,
        call: Call,
        create: Callable[[Json], Json],
        update: Callable[[int, Json], Json],
        delete: Callable[[int], Json],
    ) -> Answer:
        """``/batch``: items are not checked (vendor page section 0.4), each answers for itself, nothing is atomic."""
        groups = {name: call.body.get(name) or [] for name in ("create", "update", "delete")}
        if sum(map(len, groups.values())) > LIMIT:
            text = f"Unable to accept more than {LIMIT} items for this request."
            raise ApiError("woocommerce_rest_request_entity_too_large", text, 413)
        shown: Json = {}
        if groups["create"]:
            shown["create"] = [_one(0, partial(create, item)) for item in groups["create"]]
        if groups["update"]:
            shown["update"] = [_one(_key(item), partial(update, _key(item), item)) for item in groups["update"]]
        if groups["delete"]:
            shown["delete"] = [_one(_key(item), partial(delete, _key(item))) for item in groups["delete"]]
        return Answer(shown or [])

    # webhooks

    def _hooks(self) -> None:
        hooks = self.webhooks
        self._add(
            "webhooks",
            GET=Endpoint(self._hook_list, "list", listing.list_schema(self.shop, "webhooks")),
            POST=Endpoint(
                lambda call: self._made(hooks.create(call.body), "webhooks"),
                "create",
                WEBHOOK_SCHEMA,
                ("topic", "delivery_url"),
            ),
        )
        self._add(
            "webhooks/#",
            GET=Endpoint(lambda call, key: Answer(hooks.find(int(key)).view()), "view"),
            EDIT=Endpoint(lambda call, key: Answer(hooks.update(int(key), call.body)), "edit", WEBHOOK_SCHEMA),
            DELETE=Endpoint(
                lambda call, key: Answer(hooks.delete(int(key), force=_force(call))),
                "delete",
                {"force": schema.boolean},
            ),
        )
        self._add(
            "webhooks/batch",
            EDIT=Endpoint(
                lambda call: self._batch(call, hooks.create, hooks.update, lambda key: hooks.delete(key, force=True)),
                "batch",
            ),
        )

    def _hook_list(self, call: Call) -> Answer:
        wanted = call.params.get("status", "all")
        rows = [hook for hook in self.webhooks.hooks.values() if wanted in ("all", hook.status)]
        rows.sort(key=lambda hook: str(hook.dates["date_created_gmt"]), reverse=call.params.get("order") != "asc")
        return listing.page(call, [hook.id for hook in rows], lambda key: self.webhooks.hooks[key].view())

    # what a shop says about itself

    def _reference(self) -> None:
        shop = self.shop
        plain = listing.list_schema(shop, "other")
        self._add("system_status", GET=Endpoint(lambda call: Answer(reference.system_status(shop)), "list"))
        self._add("settings/tax", GET=Endpoint(lambda call: Answer(reference.tax_settings(shop)), "list"))
        self._add("data/currencies/current", GET=Endpoint(lambda call: Answer(reference.currency(shop)), "list"))
        self._add(
            "taxes",
            GET=Endpoint(
                lambda call: listing.page(
                    call, [rate["id"] for rate in shop.taxes], lambda key: reference.tax_view(shop, key)
                ),
                "list",
                plain,
            ),
        )
        self._add("taxes/#", GET=Endpoint(lambda call, key: Answer(reference.tax_view(shop, int(key))), "view"))
        self._add("coupons", GET=Endpoint(self._coupons, "list", plain))
        self._add(
            "customers",
            GET=Endpoint(self._customers, "list", plain),
            POST=Endpoint(
                lambda call: self._made(reference.add_customer(shop, call.body), "customers"),
                "create",
                {"billing": schema.address},
                ("email",),
            ),
        )
        self._add(
            "customers/#",
            GET=Endpoint(lambda call, key: Answer(reference.customer_view(shop, int(key))), "view"),
            EDIT=Endpoint(
                lambda call, key: Answer(reference.edit_customer(shop, int(key), call.body)),
                "edit",
                {"billing": schema.address},
            ),
        )

    def _coupons(self, call: Call) -> Answer:
        code = str(call.params.get("code", "")).lower()
        found = {each["id"]: each for each in self.shop.coupons.values() if code in ("", each["code"])}
        return listing.page(call, list(found), lambda key: reference.coupon_view(found[key]))

    def _customers(self, call: Call) -> Answer:
        email = str(call.params.get("email", "")).lower()
        keys = [key for key, each in self.shop.customers.items() if email in ("", each["email"].lower())]
        if "include" in call.params:
            keys = [key for key in keys if key in call.params["include"]]
        return listing.page(call, sorted(keys), lambda key: reference.customer_view(self.shop, key))

    # shipment tracking

    def _tracking(self) -> None:
        shop, kind = self.shop, self.shop.options.tracking
        if kind == "fulfillments" and shop.since("10.1"):
            self._fulfillments()
        if kind in ("shipment-tracking", "ast"):
            base = f"wc-{'shipment-tracking' if kind == 'shipment-tracking' else 'ast'}/v3/orders/#/shipment-trackings"
            self._add(f"{base}/providers", GET=Endpoint(lambda call, key: Answer(_providers()), ""))
            self._add(
                f"{base.split('/')[0]}/v3/shipment-trackings/providers",
                GET=Endpoint(lambda call: Answer(_providers()), ""),
            )
            self._add(
                base,
                GET=Endpoint(lambda call, key: Answer(tracking.trackings(shop, int(key))), "list"),
                POST=Endpoint(
                    lambda call, key: Answer(tracking.add_tracking(shop, int(key), call.body), 201),
                    "create",
                    tracking.tracking_schema,
                    ("tracking_number",),
                ),
            )
            self._add(
                f"{base}/([0-9a-f]+)",
                GET=Endpoint(lambda call, key, each: Answer(tracking.find_tracking(shop, int(key), each)), "view"),
                DELETE=Endpoint(lambda call, key, each: Answer(tracking.drop_tracking(shop, int(key), each)), "delete"),
            )

    def _fulfillments(self) -> None:
        shop = self.shop
        body: schema.Schema = {"status": schema.string, "is_fulfilled": schema.boolean, "meta_data": schema.array}
        self._add(
            "orders/#/fulfillments",
            GET=Endpoint(lambda call, key: Answer(tracking.list_fulfillments(shop, int(key))), "list"),
            POST=Endpoint(
                lambda call, key: Answer(tracking.add_fulfillment(shop, int(key), call.body), 201), "create", body
            ),
        )
        self._add(
            "orders/#/fulfillments/lookup",
            GET=Endpoint(
                lambda call, key: Answer(tracking.look_up(shop, int(key), str(call.params.get("tracking_number", "")))),
                "view",
            ),
        )
        self._add(
            "orders/#/fulfillments/#/metadata",
            GET=Endpoint(
                lambda call, key, each: Answer(tracking.find_fulfillment(shop, int(key), int(each))["meta_data"]),
                "view",
            ),
        )
        self._add(
            "orders/#/fulfillments/#",
            GET=Endpoint(lambda call, key, each: Answer(tracking.find_fulfillment(shop, int(key), int(each))), "view"),
            EDIT=Endpoint(
                lambda call, key, each: Answer(tracking.edit_fulfillment(shop, int(key), int(each), call.body)),
                "edit",
                body,
            ),
            DELETE=Endpoint(
                lambda call, key, each: Answer(tracking.drop_fulfillment(shop, int(key), int(each))), "delete"
            ),
        )


def no_route() -> ApiError:
    """404 for a path or a method that is not there."""
    return ApiError("rest_no_route", "No route was found matching the URL and request method.", 404)


def _providers() -> Json:
    return {country: dict(names) for country, names in tracking.PROVIDERS.items()}


def _force(call: Call) -> bool:
    return call.params.get("force") is True


def _key(item: Any) -> int:
    return products.whole_number(item.get("id", 0) if isinstance(item, dict) else item)


def _one(key: int, work: Callable[[], Json]) -> Json:
    try:
        return work()
    except ApiError as error:
        return {"id": key, "error": error.body()}
