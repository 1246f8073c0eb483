"""Writing products: created or updated by SKU, variable ones with their variations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crossdock import Gap, Outcome, Product, RecordError, Session, Variant
from crossdock_woocommerce import wire
from crossdock_woocommerce.api import api
from crossdock_woocommerce.catalogue import units
from crossdock_woocommerce.offers import CONTAINERS, Units
from crossdock_woocommerce.settings import Settings
from crossdock_woocommerce.stocking import Place, Refusal, look_up, rejected

_Places = Mapping[str, Place | Refusal]


def push_products(session: Session[Settings], products: Iterable[Product]) -> Iterator[Outcome]:
    """Create or update by SKU.

    Pictures are sent only when a product is made, since every repeat would store them again; categories, brands,
    prices and stock are not touched. An update never publishes what somebody keeps as a draft.
    """
    batch = list(products)
    places = look_up(session, (sku for product in batch for sku in _skus(product)))
    measures = units(session)
    for product in batch:
        try:
            number = _push(session, product, places, measures)
        except (RecordError, Refusal) as error:
            gap: Gap | None = error.gap
            yield rejected(product.key, str(error), path=error.path, gap=gap)
        else:
            yield Outcome(key=product.key, state="done", external_id=str(number))


def _skus(product: Product) -> Iterator[str]:
    yield product.sku
    yield from (variant.sku for variant in product.variants)


def _push(session: Session[Settings], product: Product, places: _Places, measures: Units) -> int:
    if not all(_skus(product)):
        raise Refusal("A product and each of its variants need a SKU to be found again.", path="sku")
    if any("," in sku for sku in _skus(product)):
        raise Refusal("WooCommerce cannot look up a SKU with a comma.", path="sku")
    place = _existing(places, product.sku)
    if place is not None and place.parent:
        if product.variants:
            raise Refusal(f"The shop has {product.sku} as a variation of product {place.parent}.", path="sku")
        return _update_variation(session, product, place, measures)
    if place is not None and product.variants and place.kind not in CONTAINERS:
        raise Refusal(f"The shop has {product.sku} as a {place.kind} product, without variations.", path="variants")
    children = {variant.sku: _existing(places, variant.sku) for variant in product.variants}
    for sku, child in children.items():
        if child is not None and (place is None or child.parent != place.id):
            other = child.parent or child.id
            raise Refusal(f"The shop has the variant {sku} in another product ({other}).", path="variants")
    number = _write(session, product, place, measures, new=any(child is None for child in children.values()))
    if product.variants:
        _write_variants(session, number, product.variants, children)
    return number


def _existing(places: _Places, sku: str) -> Place | None:
    """Where the SKU is; `None` when the shop does not have it. Raises when it has it several times."""
    place = places[sku]
    if isinstance(place, Place):
        return place
    if place.gap is None:
        raise place
    return None


def _write(session: Session[Settings], product: Product, place: Place | None, measures: Units, *, new: bool) -> int:
    shop, body = api(session), from_product(product, measures)
    if place is None:
        body |= {"sku": product.sku, "type": "variable" if product.variants else "simple",
                 "status": "publish" if product.enabled else "draft",
                 "images": [{"src": url} for url in product.image_urls]}  # fmt: skip
        if product.variants:
            body["attributes"] = attributes(product.variants)
        # Repeating is safe: a SKU exists once, so a second create is refused with product_invalid_sku.
        try:
            stored = shop.post("products", body, safe=True).decode(wire.STORED)
        except RecordError as error:
            again = look_up(session, [product.sku])[product.sku]
            if not error.vendor_message.startswith("product_invalid_sku") or not isinstance(again, Place):
                raise
            return _write(session, product, again, measures, new=new)
    else:
        if not product.enabled:
            body["status"] = "draft"
        if new:
            current = shop.get(f"products/{place.id}", {"_fields": "attributes"}).json().get("attributes", [])
            body["attributes"] = attributes(product.variants, current)
        stored = shop.put(f"products/{place.id}", body).decode(wire.STORED)
    if str(stored.sku or "") != product.sku:
        raise Refusal(f"The shop kept the SKU {stored.sku!r} instead of {product.sku!r}.", path="sku")
    session.memory.put_many("sku", {} if product.variants else {product.sku: str(stored.id)})
    return stored.id


def _update_variation(session: Session[Settings], product: Product, place: Place, measures: Units) -> int:
    """What an article of the ERP tells of a variation here; its name comes from its parent and is left alone."""
    body = {name: value for name, value in from_product(product, measures).items() if name != "name"}
    stored = api(session).put(f"products/{place.parent}/variations/{place.id}", body).decode(wire.STORED)
    if str(stored.sku or "") != product.sku:
        raise Refusal(f"The shop kept the SKU {stored.sku!r} instead of {product.sku!r}.", path="sku")
    return stored.id


def from_product(product: Product, measures: Units) -> dict[str, Any]:
    """Name, text, GTIN, tax class, weight and sizes; what the product does not have is not sent."""
    sizes = {name: measures.from_cm(getattr(product, name)) for name in ("length", "width", "height")}
    weight = measures.from_kg(product.weight)
    body: dict[str, Any] = {
        "name": product.name,
        "description": product.description,
        "global_unique_id": product.gtin,
        "weight": "" if weight is None else format(weight, "f"),
        "dimensions": {name: format(value, "f") for name, value in sizes.items() if value is not None},
    }
    if product.tax_class:
        body["tax_class"] = "" if product.tax_class == "standard" else product.tax_class
    return {name: value for name, value in body.items() if value or name == "tax_class"}


def attributes(variants: Iterable[Variant], current: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The attributes that variations are told apart by, added to those that the product has already."""
    merged: dict[str, dict[str, Any]] = {str(each["name"]): dict(each) for each in current}
    for variant in variants:
        for name, option in variant.attributes.items():
            one = merged.setdefault(name, {"name": name, "visible": True, "options": []})
            one["variation"] = True
            if option not in one["options"]:
                one["options"] = [*one["options"], option]
    return list(merged.values())


def _write_variants(
    session: Session[Settings], parent: int, variants: Iterable[Variant], places: Mapping[str, Place | None]
) -> None:
    shop = api(session)
    for variant in variants:
        body: dict[str, Any] = {"sku": variant.sku, "status": "publish" if variant.enabled else "private"}
        if variant.gtin:
            body["global_unique_id"] = variant.gtin
        place = places[variant.sku]
        if place is None:
            body["attributes"] = [{"name": name, "option": option} for name, option in variant.attributes.items()]
            if variant.image_url:
                body["image"] = {"src": variant.image_url}
            stored = _create_variant(session, parent, body)
        else:
            stored = shop.put(f"products/{parent}/variations/{place.id}", body).decode(wire.STORED)
        if str(stored.sku or "") != variant.sku:
            raise Refusal(f"The shop kept the SKU {stored.sku!r} instead of {variant.sku!r}.", path="variants")
        session.memory.put_many("sku", {variant.sku: Place(stored.id, parent).remembered()})


def _create_variant(session: Session[Settings], parent: int, body: dict[str, Any]) -> wire.Stored:
    try:
        return api(session).post(f"products/{parent}/variations", body, safe=True).decode(wire.STORED)
    except RecordError as error:
        place = look_up(session, [body["sku"]])[body["sku"]]
        if not error.vendor_message.startswith("product_invalid_sku") or not isinstance(place, Place):
            raise
        if place.parent != parent:
            raise
        return wire.Stored(id=place.id, sku=body["sku"])  # the first try arrived, its answer did not
