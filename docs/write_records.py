"""Writes docs/records.md from `crossdock.records`, the only place where records are described."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any

from described import filled, methods, prose, table

from crossdock import records

PAGE = Path(__file__).with_name("records.md")

_INTRO = """\
# Records

This page is written by `make docs` from `crossdock.records`; do not edit it.

Six kinds of records are all that the core knows. A connector makes them from its vendor's payloads
([mapping](author/mapping.md)) and gets them back to write. They are frozen: `evolve(order, note="…")` makes a changed
copy.

```python
from decimal import Decimal

from crossdock import Order, OrderLine, evolve

price = Decimal("10.00")
pens = OrderLine(key="1", sku="PEN-1", quantity=Decimal(2), unit_price=price, total=2 * price)
order = Order(
    key="4711",
    number="2026-4711",
    status="processing",
    currency="EUR",
    lines=(pens,),
    total=Decimal("23.80"),
    total_tax=Decimal("3.80"),
)
louder = evolve(order, note="Ring twice")
```

## Rules for all of them

**Money and quantities** are `Decimal`. A float or an infinite amount is refused when the record is made. Amounts carry
no currency of their own: the document's `currency` (ISO 4217) is that of all its amounts. The core rounds nothing.

**The tax mode** of a document says what its amounts contain. With `prices_include_tax=False`, lines and charges are
net: `total` = lines + charges + `total_tax` - discounts that are not in the lines. With `True` the tax is inside.
`total` is always what the buyer pays, and what the vendor says it is; `mapping.total_difference` tells by how much the
parts differ.

**Times** are aware and kept in UTC. A naive time is refused, because nobody knows which moment it is; a time with
another offset is converted.

**Identifiers** (keys, numbers, SKUs, GTINs) are text, also when they look like numbers: a leading zero counts.

**`key`** identifies the record within its stream and connection, for good. Prices and balances have none of their own:
it is made of what makes them one (below). A record without a key is refused.

**Unknown words** of a vendor never stop anything: `status` becomes `unknown`, and `raw_status` keeps the word.

**`extras`** hold what a vendor knows and the model does not, under the vendor's names: JSON values only (text, numbers,
booleans, `None`, lists, mappings with text keys). A change in them is a change of the record, so leave out what changes
by itself (counters, times of the last look).

**What is a change?** Everything except the *volatile* fields named below each record. A record whose other fields are
the same is *unchanged*, writes nothing and costs a comparison. Which changes are a reason to write to another system is
[a decision of its own](adr/0005-what-is-a-change.md).

**Defaults** mean "the vendor did not say". Only what is marked *required* has to be given. Everything else may be left
out, also by later versions of a connector.
"""


def page() -> str:
    """The whole page."""
    kinds = list(records.RECORD_TYPES.values())
    shown, parts = {each.__name__ for each in kinds}, [_INTRO]
    links = {name: f"#{name.lower()}" for name in (*shown, *(each.__name__ for each in _parts()))}
    links["OrderStatus"] = "#orderstatus"
    parts += [_section(kind, links, f"Stream `{kind.stream}`, volatile {_words(kind.volatile)}.") for kind in kinds]
    parts += ["## OrderStatus\n", _statuses()]
    parts += [_section(each, links) for each in _parts()]
    return "\n".join(parts)


def _parts() -> list[type[Any]]:
    """What records consist of."""
    return [
        value
        for value in vars(records).values()
        if inspect.isclass(value)
        and value.__module__ == records.__name__
        and not value.__name__.startswith("_")
        and value is not records.Value
        and value not in records.RECORD_TYPES.values()
    ]


def _section(kind: type[Any], links: dict[str, str], stream: str = "") -> str:
    text = prose(inspect.getdoc(kind) or "")
    parts = [f"## {kind.__name__}", *filter(None, (text, stream)), table(kind, links)]
    made = [(name, function) for name, function, is_property in methods(kind) if is_property]
    if made:
        parts.append("Made from these fields: " + "; ".join(f"`{name}`, {_lower(each)}" for name, each in made) + ".")
    return "\n\n".join(parts) + "\n"


def _words(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _lower(function: Any) -> str:
    text = (inspect.getdoc(function) or "").rstrip(".")
    return text if text.startswith("SKU") else text[:1].lower() + text[1:]


_MEANINGS = {
    "draft": "being put together; not an order yet",
    "pending": "placed, the money is not there",
    "on_hold": "somebody has to look at it first",
    "processing": "paid or on account: to be delivered",
    "partially_shipped": "some of it left",
    "shipped": "all of it left",
    "completed": "nothing is left to do",
    "cancelled": "it will not be delivered",
    "refunded": "all money was given back",
    "failed": "the payment failed",
    "deleted": "the source system threw it away",
    "unknown": "a word that the connector does not know; see `raw_status`",
}


def _statuses() -> str:
    rows = [f"| `{word}` | {_MEANINGS[word]} |" for word in typing.get_args(records.OrderStatus)]
    words = (
        "How far an order is, in words that are the same for all systems. Orders that are cancelled, failed, deleted "
    )
    return "\n".join(
        (filled(f"{words}or refunded are not delivered."), "", "| word | meaning |", "|---|---|", *rows, "")
    )


if __name__ == "__main__":
    PAGE.write_text(page())
