"""The mapping file: what a person can write into it, and how mistakes in it are told."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from xd_kit import KEY, SAMPLES, Store, opened, order, printed, wire_file

from crossdock import RecordError
from crossdock_xdconnects import plugin, wire
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.template import Compiler, Formats

NAMES = {
    "order": {"reference": "value", "date": "value", "price": "value", "rush": "value", "tags": "list", "type": "value",
              "lines": [{"sku": "value", "prints": [{"code": "value"}]}]},
}  # fmt: skip
VALUES = {
    "order": {"reference": "A/1", "date": date(2026, 10, 2), "price": Decimal("9.30"), "rush": False,
              "tags": ["a", "b"], "type": "print",
              "lines": [{"sku": "X", "prints": [{"code": "L"}]}, {"sku": "Y", "prints": []}]},
}  # fmt: skip


def rendered(template: Any, **formats: Any) -> Any:
    return Compiler(Formats(**formats)).value(template, NAMES, "body")(VALUES)


@pytest.mark.parametrize(("template", "formats", "expected"), [
    ("as it is", {}, "as it is"),
    (17, {}, 17),
    ([1, "x"], {}, [1, "x"]),
    ({"$": "order.price"}, {}, Decimal("9.30")),
    ({"$": "order.price"}, {"decimal_sign": ","}, "9,30"),
    ({"$": "order.price"}, {"values_as_text": True}, "9.30"),
    ({"$": "order.rush"}, {}, False),
    ({"$": "order.rush"}, {"values_as_text": True}, "false"),
    ({"$": "order.date"}, {}, "2026-10-02"),
    ({"$": "order.date"}, {"date": "%d.%m.%Y"}, "02.10.2026"),
    ({"$": "order.tags"}, {}, ["a", "b"]),
    ({"$": "order.type", "$words": {"print": "PRINT"}}, {}, "PRINT"),
    ("Ref {order.reference} of {{order}}", {}, "Ref A/1 of {order}"),
    ({"a": {"b": ""}, "rush": {"$": "order.rush"}}, {}, {"rush": False}),
    ({"a": ""}, {"omit_empty": False}, {"a": ""}),
    (
        {"$each": "order.lines", "$as": "line", "$item": {
            "sku": {"$": "line.sku"},
            "prints": {"$each": "line.prints", "$as": "print", "$item": "{line.sku}-{print.code}"},
        }},
        {}, [{"sku": "X", "prints": ["X-L"]}, {"sku": "Y"}],
    ),
])  # fmt: skip
def test_a_template_becomes_plain_values(template: Any, formats: dict[str, Any], expected: Any) -> None:
    assert rendered(template, **formats) == expected


def test_values_in_an_address_are_escaped() -> None:
    path = Compiler(Formats()).text("/orders/{order.reference}", NAMES, "path", in_address=True)
    assert path(VALUES) == "/orders/A%2F1"


def test_the_proposal_that_comes_with_the_connector_has_no_mistake() -> None:
    contract = wire.load()
    assert not contract.file.confirmed_by_vendor_document
    assert contract.lookup is None


def test_the_status_words_are_those_of_the_vendor_page() -> None:
    documented = json.loads((SAMPLES / "xd_wire.v0.json").read_bytes())["status_words"]
    words = wire.load().words
    for status, found in documented.items():
        assert {words[word] for word in found} == {status}


BODY = {"reference": {"$": "order.reference"}}


def create(**changes: Any) -> dict[str, Any]:
    return {"create": {"method": "POST", "path": "/orders", "body": BODY, **changes}}


@pytest.mark.parametrize(("changes", "at", "words"), [
    (create(body={"order": {"lines": [{"$": "line.sku"}]}}), "create.body.order.lines[0]", "there is no 'line.sku'"),
    (create(body={"a": {"$": "order.lines"}}), "create.body.a", "$each"),
    (create(body={"a": {"$each": "order.reference", "$as": "x", "$item": 1}}), "create.body.a", "no list"),
    (create(body={"a": {"$each": "order.lines", "$as": "order", "$item": 1}}), "create.body.a", "new name"),
    (create(body={"a": {"$each": "order.lines"}}), "create.body.a", "do not belong together"),
    (create(body={"a": {"$": "order.type", "b": 1}}), "create.body.a", "do not belong together"),
    (create(body={"a": {"$wrods": 1}}), "create.body.a", "do not belong together"),
    (create(body={"a": "{order.reference"}), "create.body.a", "braces"),
    (create(body={"a": "{order.reference!r}"}), "create.body.a", "only a name"),
    (create(body={"a": "{order.lines}"}), "create.body.a", "no single value"),
    (create(body=None), "create.body", "no body"),
    (create(headers={"X": 5}), "create.headers.X", "a header is a text"),
    (create(pth="/x"), "create", "unknown field"),
    (create(path=7), "create.path", "expected `str`"),
    (create(path="/orders/{sent.number}"), "create.path", "there is no 'sent.number'"),
    ({"status": {"path": "/orders/{order.reference}"}}, "status.path", "there is no 'order.reference'"),
    ({"status_words": {"received": ["open"], "accepted": ["O-pen"]}}, "status_words.accepted", "means received"),
    ({"formats": {"decimal_sign": ";"}}, "formats.decimal_sign", "the decimal sign"),
])  # fmt: skip
def test_a_mistake_in_the_mapping_file_is_told_with_its_path(
    tmp_path: Path, changes: dict[str, Any], at: str, words: str
) -> None:
    with pytest.raises(RecordError) as caught:
        wire.load(wire_file(tmp_path, **changes))
    assert caught.value.path == at
    assert words in str(caught.value)
    assert str(caught.value).endswith(f" at {at}.")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"{}"])
def test_a_file_that_is_no_mapping_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="cannot be used"):
        wire.load(str(path))


def test_a_broken_mapping_file_keeps_an_order_from_being_sent(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    path = wire_file(tmp_path, **create(body={"a": {"$": "order.nothing"}}))
    with opened(xd, store, wire_file=path) as session:
        (problem,) = plugin.preview_order(session, order(), KEY).problems
        assert "create.body.a" in problem
        with pytest.raises(RecordError, match=r"create\.body\.a"):
            plugin.push_order(session, order(), KEY, None)
    assert xd.state()["orders"] == []


def test_another_supplier_shape_needs_only_another_file(xd: XdSandbox, store: Store, tmp_path: Path) -> None:
    """The order of a sibling (vendor page section 4.1): every value a text, lines in another shape, a fixed word."""
    body = {
        "order_header": {
            "po_number": {"$": "order.reference"}, "order_type": {"$": "order.type", "$words": {"print": "PRINT"}},
            "check_price": "true", "shipping_address": {"contact_name": "{ship.name}, {ship.company}"},
        },
        "order_lines": {"$each": "order.lines", "$as": "item", "$item": {
            "order_line_id": {"$": "item.number"}, "expected_price": {"$": "item.unit_price"},
            "printing_positions": {"$each": "item.prints", "$as": "p", "$item": {
                "id": {"$": "p.position_code"}, "print_size_height": {"$": "p.height_mm"},
                "print_colors": {"$": "p.pms"},
            }},
        }},
    }  # fmt: skip
    path = wire_file(
        tmp_path, formats={"values_as_text": True, "decimal_sign": ","}, headers={},
        query={"key": "{secret.api_token}"}, create={"method": "PUT", "path": "/order/create", "body": body},
    )  # fmt: skip
    with opened(xd, store, wire_file=path) as session:
        made = msgspec.json.decode(plugin.preview_order(session, printed(), KEY).body)
    assert made["order_header"] == {
        "po_number": KEY, "order_type": "PRINT", "check_price": "true",
        "shipping_address": {"contact_name": "Mette Demo, Demo Kunde ApS"},
    }  # fmt: skip
    (item,) = made["order_lines"]
    assert item == {
        "order_line_id": "1", "expected_price": "9,00",
        "printing_positions": [{"id": "A1", "print_size_height": "20"}],
    }  # fmt: skip
