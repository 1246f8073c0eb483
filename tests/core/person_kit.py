"""A shop and an ERP whose orders are about persons, with all that is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine_kit import DEPOT, World
from plugin_kit import install

NAME, STREET, PHONE, EMAIL = "Ann Example", "Quiet Lane 7", "+31 20 5550142", "Ann.Example@mail.example"
TRACES = (NAME, STREET, PHONE, EMAIL, EMAIL.lower(), "ann.example%40mail.example")

_ORDER = (
    "references=references, placed_at=",
    """references=references,
        customer=Party(key=row.get("customer", ""), name=row.get("name", ""), email=row.get("email", "")),
        shipping_address=Address(name=row.get("name", ""), street=row.get("street", ""), phone=row.get("phone", ""),
                                 country="NL"),
        extras={"gift": row["gift"]} if row.get("gift") else {}, placed_at=""",
)
_PAGE = (
    "    return Page(tuple(records), cursor, tuple(rejects),",
    """    by_key = {row["id"]: json.dumps(row).encode() for row in rows}
    return Page(tuple(records), cursor, tuple(rejects), tuple(by_key.get(each.key, b"") for each in records),""",
)
_PUSH = (
    '"status": order.status, "lines": lines}',
    '"status": order.status, "lines": lines, "name": order.customer.name, "email": order.customer.email, '
    '"street": order.shipping_address.street, "phone": order.shipping_address.phone}',
)
_IMPORTS = ("from datetime import UTC,", "import json\nfrom datetime import UTC,")
_NAMES = ("    Page,\n", "    Page,\n    Party,\n")


def install_persons(folder: Path) -> Path:
    """Put a depot connector into `folder` whose orders have customers and payloads."""
    source = DEPOT
    for old, new in (_ORDER, _PAGE, _PUSH, _IMPORTS, _NAMES):
        assert old in source, old
        source = source.replace(old, new)
    return install(folder, "depot", source, version="1.2", module="person_depot_plugin")


def buys(world: World, key: str, **fields: Any) -> None:
    """The person places or changes an order in the shop."""
    person = {"name": NAME, "email": EMAIL, "street": STREET, "phone": PHONE, "note": f"Ring at {NAME}"}
    world.shop.order(key, **{**person, **fields})


def bytes_of(world: World) -> bytes:
    """Everything that is on the disk of a SQLite database."""
    path = Path(world.app.database_url.removeprefix("sqlite:///"))
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


def traces(world: World) -> set[str]:
    """How the person is still named on the disk."""
    raw = bytes_of(world)
    return {text for text in TRACES if text.encode() in raw or json.dumps(text).strip('"').encode() in raw}
