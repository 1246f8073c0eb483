"""Prints on promotional goods, as product designers and configurators keep them in an order line's meta data.

There is no standard for this, so which meta key holds what is a setting (`print_fields`). A value may be one print, or
a JSON list of several under the key of `list`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from crossdock import Decoration
from crossdock.mapping import decimal, fail
from crossdock_woocommerce import wire

PARTS = ("technique", "position", "width", "height", "colours", "artwork", "instructions")
DEFAULT = (
    "technique=print_technique,position=print_position,width=print_width_mm,height=print_height_mm,"
    "colours=print_colours,artwork=print_artwork,instructions=print_instructions,list=prints"
)
_COLOURS = re.compile(r"\s*[,;/|]\s*")


@functools.cache
def fields_of(text: str) -> Mapping[str, str]:
    """The meta key of each part; raises `ValueError` for what is no list of ``part=key``."""
    found = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        part, equals, key = (each.strip() for each in pair.partition("="))
        if part not in (*PARTS, "list") or not equals or not key:
            raise ValueError(pair)
        found[part] = key.lstrip("_")  # designers hide a key by an underscore; both are the same to us
    return found


def check_fields(text: str) -> str | None:
    """Why `text` cannot be the setting."""
    try:
        fields_of(text)
    except ValueError as error:
        parts = ", ".join((*PARTS, "list"))
        return f"{error} is no pair of a part and a meta key. Write part=key,part=key; the parts are {parts}."
    return None


def decorations(rows: Sequence[wire.Meta], fields: Mapping[str, str]) -> tuple[Decoration, ...]:
    """The prints of a line; raises `RecordError` for sizes that are no numbers and lists that are none."""
    names = set(fields.values())
    values = {name: each.value for each in rows if (name := each.key.lstrip("_")) in names}
    if not values:
        return ()
    several = values.get(fields.get("list", ""))
    if several:
        return tuple(_one({part: each.get(part) for part in PARTS}) for each in _listed(several))
    single = {part: values.get(fields.get(part, "")) for part in PARTS}
    return (_one(single),) if any(single.values()) else ()


def _listed(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.MsgspecError:
            value = None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        fail("The prints of a line are no list of objects.", path="line_items.meta_data")
    return value


def _one(parts: Mapping[str, Any]) -> Decoration:
    colours = parts["colours"] or ()
    return Decoration(
        technique=_text(parts["technique"]),
        position=_text(parts["position"]),
        width=_size(parts["width"], "width"),
        height=_size(parts["height"], "height"),
        colours=tuple(_COLOURS.split(colours.strip()) if isinstance(colours, str) else map(_text, colours)),
        artwork_url=_text(parts["artwork"]),
        instructions=_text(parts["instructions"]),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _size(value: Any, part: str) -> Decimal | None:
    return decimal(value, f"line_items.meta_data.{part}") if value not in (None, "") else None
