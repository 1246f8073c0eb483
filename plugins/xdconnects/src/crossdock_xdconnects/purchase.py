"""The neutral purchase order: what is wanted of XD, before it takes anybody's wire format."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import msgspec

from crossdock import Address, Order, OrderLine
from crossdock_xdconnects.settings import Settings
from crossdock_xdconnects.tables import ZONE

BLANK, PRINT, SAMPLE = "blank", "print", "sample"
_encode = msgspec.json.Encoder(decimal_format="string").encode


@attrs.frozen(kw_only=True)
class Print:
    """One print on the pieces of a line; sizes in millimetres, `pms` names the colours unless it is full colour."""

    code: str
    position: str
    position_code: str
    width_mm: int | Decimal
    height_mm: int | Decimal
    colors: int | None
    pms: tuple[str, ...]
    full_color: bool
    artwork_url: str
    instructions: str


@attrs.frozen(kw_only=True)
class Goods:
    """One line: pieces of an item at XD's net price, which is the price that is expected to be charged."""

    number: int
    key: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    prints: tuple[Print, ...] = ()


@attrs.frozen(kw_only=True)
class Purchase:
    """A purchase order for one supplier: blank, print or sample, never mixed."""

    reference: str
    type: str
    shop_number: str
    requested_date: date | None
    remarks: str
    ship_to: Address
    lines: tuple[Goods, ...]


def is_sample(order: Order, line: OrderLine) -> bool:
    """Whether a line asks for a sample: its order or itself says so in ``extras``."""
    return order.extras.get("order_type") == SAMPLE or bool(line.extras.get("sample"))


def order_type(order: Order) -> str:
    """``blank``, ``print`` or ``sample``; empty when lines of different kinds are mixed."""
    kinds = {
        SAMPLE if is_sample(order, line) else PRINT if line.decorations else BLANK for line in order.lines
    }  # fmt: skip
    return kinds.pop() if len(kinds) == 1 else ""


def of_order(order: Order, key: str, goods: tuple[Goods, ...]) -> Purchase:
    """The purchase of `order` under the reference `key`, of lines that were checked."""
    return Purchase(
        reference=key, type=order_type(order), shop_number=order.number or order.key,
        requested_date=order.ship_by.astimezone(ZONE).date() if order.ship_by else None, remarks=order.note,
        ship_to=order.shipping_address or Address(), lines=goods,
    )  # fmt: skip


def substance(order: Order) -> str:
    """What of `order` matters to XD, as JSON; it does not change when a feed does."""
    wanted = {
        "type": order_type(order),
        "requested date": order.ship_by,
        "remarks": order.note,
        "ship to": order.shipping_address,
        "lines": [
            {"item": line.sku, "quantity": line.quantity, "prints": line.decorations} for line in order.lines
        ],
    }  # fmt: skip
    return _encode(wanted).decode()


def order_scope(purchase: Purchase, settings: Settings) -> dict[str, Any]:
    """The values of a template for a new order."""
    proofs = settings.proof_emails if any(line.prints for line in purchase.lines) else ()
    ship = {name: getattr(purchase.ship_to, name) for name in Address.__struct_fields__}
    order = attrs.asdict(purchase, recurse=False) | {
        "lines": [_line(line) for line in purchase.lines],
        "contact": {
            "name": settings.contact_name, "email": settings.contact_email, "phone": settings.contact_phone,
        },
        "proof_required": bool(proofs),
        "proof_emails": list(proofs),
    }  # fmt: skip
    return account_scope(settings) | {"order": order, "ship": ship, "webhook": {"url": settings.webhook_url.reveal()}}


def account_scope(settings: Settings) -> dict[str, Any]:
    """The values that every request may use."""
    return {
        "settings": {
            name: getattr(settings, name)
            for name in ("customer_account_code", "customer_account_number", "company_name", "currency", "environment")
        },
        "secret": {name: getattr(settings, name).reveal() for name in ("api_token", "security_code")},
    }


def sent_scope(settings: Settings, number: str, reference: str) -> dict[str, Any]:
    """The values of a template that asks for an order that was sent."""
    return account_scope(settings) | {"sent": {"number": number, "reference": reference}}


def _line(line: Goods) -> dict[str, Any]:
    prints = [attrs.asdict(each, recurse=False) | {"pms": list(each.pms)} for each in line.prints]
    return attrs.asdict(line, recurse=False) | {"prints": prints}
